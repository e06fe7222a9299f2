"""Fits the five versions of `tumor-classifier` and picks the golden requests. Imported by `train.py` only.

Apart from it because scikit-learn takes seconds to import, and a second call of `train.py` needs none of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deploy.local.serving import graphs

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

MODEL = "tumor-classifier"
INPUT = graphs.INPUT
SEED = 7
FEW_COLUMNS = [0, 1, 4]  # radius, texture, smoothness
LOOKUP_COLUMN = 23  # worst area
LOOKUP_SHARE = 0.89
"""The share of rows that v3's lookup table covers; the others make it fail."""
HIDDEN = 192
COPIES, PASSES = 512, 290
TOLERANCE = 0.1
"""How far each probability of a golden answer may be from the expected one."""
GOLDEN_PER_CLASS = 4


@dataclass(frozen=True, slots=True)
class Data:
    """The data set's two halves; rows are float32 [n, 30], labels 0 malignant, 1 benign."""

    train: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    held_out: NDArray[np.float32]
    held_out_labels: NDArray[np.int64]

    @classmethod
    def load(cls) -> Data:
        """Read scikit-learn's bundled breast_cancer data set (no download)."""
        rows, labels = load_breast_cancer(return_X_y=True)
        parts = train_test_split(
            rows.astype(np.float32), labels, test_size=0.5, random_state=SEED, stratify=labels
        )
        return cls(parts[0], parts[2], parts[1], parts[3])


def train(data: Data) -> dict[str, onnx.ModelProto]:
    """Fit and export all five versions, by version number."""
    rows, labels = data.train, data.train_labels
    few = ColumnTransformer([("few", "passthrough", FEW_COLUMNS)])
    v1 = make_pipeline(few, StandardScaler(), LogisticRegression()).fit(rows, labels)
    v2 = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, labels)
    return {
        "1": graphs.exported(v1, rows),
        "2": graphs.exported(v2, rows),
        "3": _short_lookup(graphs.exported(v2, rows), np.concatenate([rows, data.held_out])),
        "4": _slow(v2[0], rows, labels),
        # The scaler stayed behind in the notebook: only the classifier was exported.
        "5": graphs.exported(v2[1], rows),
    }


def _short_lookup(core: onnx.ModelProto, rows: NDArray[np.float32]) -> onnx.ModelProto:
    values = rows[:, LOOKUP_COLUMN]
    low, high = float(values.min()), float(np.quantile(values, LOOKUP_SHARE))
    bins = 64
    width = (high - low) / bins
    centres = (low + width * (np.arange(bins) + 0.5)).astype(np.float32)
    return graphs.with_short_lookup(core, LOOKUP_COLUMN, low, width, centres)


def _slow(scaler: Any, rows: NDArray[np.float32], labels: NDArray[np.int64]) -> onnx.ModelProto:
    net = MLPClassifier((HIDDEN, HIDDEN), alpha=1.0, max_iter=400, random_state=SEED)
    net.fit(scaler.transform(rows), labels)
    noise = 0.1 * np.random.default_rng(SEED).standard_normal((COPIES, rows.shape[1]))
    return graphs.averaged_over_noise(
        scaler.mean_.astype(np.float32),
        scaler.scale_.astype(np.float32),
        net.coefs_,
        net.intercepts_,
        noise.astype(np.float32),
        PASSES,
    )


def decimals(rows: NDArray[np.float32]) -> list[list[float]]:
    """Give the rows as the shortest decimals that read back as the same float32."""
    return [[float(str(value)) for value in row] for row in rows]


def request_body(rows: NDArray[np.float32]) -> dict[str, Any]:
    """Give the OIP request for these rows."""
    data = [value for row in decimals(rows) for value in row]
    return {"inputs": [{"name": INPUT, "shape": list(rows.shape), "datatype": "FP32", "data": data}]}


class Answers:
    """Runs exported models, row by row, as the server does."""

    def __init__(self, models: dict[str, onnx.ModelProto]) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        self._sessions = {
            v: ort.InferenceSession(m.SerializeToString(), options, ["CPUExecutionProvider"])
            for v, m in models.items()
        }

    def benign(self, version: str, row: NDArray[np.float32]) -> float | None:
        """Give the probability of benign for one row, None if the model fails on it."""
        try:
            answer = self._sessions[version].run([graphs.PROBABILITIES], {graphs.INPUT: row[None]})
        except Exception:  # noqa: BLE001 - onnxruntime's errors share no base class of their own
            return None
        return float(answer[0][0, 1])

    def accuracy(self, version: str, data: Data) -> float:
        """Give the share of held-out rows answered rightly; a failed row is a wrong one."""
        given = [self.benign(version, row) for row in data.held_out]
        pairs = zip(given, data.held_out_labels, strict=True)
        return float(np.mean([p is not None and round(p) == label for p, label in pairs]))

    def failed_share(self, version: str, data: Data) -> float:
        """Give the share of held-out rows on which the model fails."""
        return float(np.mean([self.benign(version, row) is None for row in data.held_out]))


def golden(data: Data, answers: Answers) -> dict[str, Any]:
    """Pick held-out rows that v1 to v4 answer alike, within half the tolerance, and v5 does not all.

    Raises: ValueError if the data hold too few such rows, or v5 passes them.
    """
    cases: list[dict[str, Any]] = []
    wrong_by_v5 = 0
    for label in (0, 1):
        picked = 0
        for row in data.held_out[data.held_out_labels == label]:
            given = [answers.benign(version, row) for version in ("1", "2", "3", "4")]
            right = [p for p in given if p is not None and abs(p - label) < TOLERANCE / 4]
            fifth = answers.benign("5", row)
            if len(right) < len(given) or fifth is None:
                continue
            expected = float(np.mean(right))
            wrong_by_v5 += abs(fifth - expected) > TOLERANCE
            cases.append(_case(row, label, expected))
            picked += 1
            if picked == GOLDEN_PER_CLASS:
                break
    if len(cases) < 2 * GOLDEN_PER_CLASS or not wrong_by_v5:
        msg = f"{len(cases)} golden rows, {wrong_by_v5} of them wrong in v5"
        raise ValueError(msg)
    return {"model": MODEL, "output": graphs.PROBABILITIES, "tolerance": TOLERANCE, "cases": cases}


def _case(row: NDArray[np.float32], label: int, benign: float) -> dict[str, Any]:
    expected = [round(1 - benign, 6), round(benign, 6)]
    return {"request": request_body(row[None]), "label": label, "probabilities": expected}
