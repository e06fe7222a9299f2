"""Classifiers of one kind for each seed: what serves, one as good, and two that were trained on dirt.

The worse ones are as fast and never fail; they answer wrongly more often, because a part of their labels was
wrong, as after a join on the wrong key. All answer over the Open Inference Protocol, in this process.
"""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier

from controller.policy.golden import Expectation, ExpectedNumbers, GoldenFile, GoldenRequest, Protocol

TRAINED_ON, GOLDEN, HELD_OUT = 2000, 400, 20_000
SOME_WRONG, MANY_WRONG = 0.2, 0.3
"""Shares of wrong labels."""
FEATURES = 12
LATENCY = timedelta(milliseconds=2)
"""Of every version: nobody can tell them apart by it."""


@dataclass(frozen=True)
class Model:
    """A fitted classifier and its share of right answers on many rows that nobody trained on."""

    estimator: Any
    accuracy: float
    known: dict[bytes, bytes] = field(default_factory=dict)
    """Answers that it gave: it gives the same again."""

    def answer(self, body: bytes) -> bytes:
        """The answer to one inference request."""
        if body not in self.known:
            self.known[body] = self._computed(body)
        return self.known[body]

    def _computed(self, body: bytes) -> bytes:
        rows = np.array(json.loads(body)["inputs"][0]["data"], float).reshape(-1, FEATURES)
        labels = self.estimator.predict(rows).tolist()
        output = {"name": "label", "shape": [len(labels)], "datatype": "INT64", "data": labels}
        return json.dumps({"outputs": [output]}).encode()

    def right(self, rows: NDArray[np.float64], labels: NDArray[np.int64]) -> int:
        """How many rows it answers rightly."""
        return int((self.estimator.predict(rows) == labels).sum())


@dataclass(frozen=True)
class Models:
    """``golden`` are labelled rows as a golden file has them; ``rows`` are others, with ``labels``."""

    stable: Model
    equal: Model
    slightly: Model
    worse: Model
    golden: GoldenFile
    rows: NDArray[np.float64]
    labels: NDArray[np.int64]


def trained(seed: int) -> Models:
    """Everything of one seed: a data set of its own, so that no luck is shared."""
    parts = [TRAINED_ON] * 4 + [GOLDEN, HELD_OUT]
    rows, labels = make_classification(
        sum(parts),
        FEATURES,
        n_informative=8,
        n_redundant=2,
        n_clusters_per_class=3,
        class_sep=1.3,
        flip_y=0.03,
        random_state=seed,
    )
    edges = np.cumsum(parts)[:-1]
    rows = rows.round(6)
    split, marked = np.split(rows, edges), np.split(labels, edges)
    chance = np.random.default_rng(seed)
    taught = [*marked[:2], _dirty(marked[2], SOME_WRONG, chance), _dirty(marked[3], MANY_WRONG, chance)]
    fitted = [_fitted(each, mark, seed) for each, mark in zip(split[:4], taught, strict=True)]
    rows, labels = split[5], marked[5]
    serving, equal, slightly, worse = (
        Model(each, float((each.predict(rows) == labels).mean())) for each in fitted
    )
    return Models(serving, equal, slightly, worse, _golden(split[4], marked[4]), rows, labels)


def _dirty(labels: NDArray[np.int64], share: float, chance: np.random.Generator) -> NDArray[np.int64]:
    return np.where(chance.random(len(labels)) < share, 1 - labels, labels)


def _fitted(rows: NDArray[np.float64], labels: NDArray[np.int64], seed: int) -> Any:
    return HistGradientBoostingClassifier(max_iter=60, random_state=seed).fit(rows, labels)


def _golden(rows: NDArray[np.float64], labels: NDArray[np.int64]) -> GoldenFile:
    return GoldenFile(
        "/v2/models/bench/infer",
        timedelta(seconds=5),
        tuple(
            GoldenRequest(f"row {number}", Protocol.OIP_V2, _body(row), (), _expected(label))
            for number, (row, label) in enumerate(zip(rows, labels, strict=True))
        ),
    )


def _body(row: NDArray[np.float64]) -> bytes:
    features = {"name": "features", "shape": [1, FEATURES], "datatype": "FP64", "data": row.tolist()}
    return json.dumps({"inputs": [features]}).encode()


def _expected(label: int) -> Expectation:
    return Expectation(numbers=ExpectedNumbers("outputs[0].data", (float(label),)))
