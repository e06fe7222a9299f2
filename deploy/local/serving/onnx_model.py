"""One ONNX model behind the Open Inference Protocol v2: JSON tensors in, JSON tensors out.

Both servers of this folder share it (`server.py`, and `mlserver_runtime.py` inside MLServer), so that
they accept and refuse the same requests. It knows no HTTP and no metrics; numpy and onnxruntime only,
because it must import in MLServer's virtual environment too. Callers are untrusted: nothing of a request
reaches ONNX Runtime before its type, size and shape have been checked.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort

if TYPE_CHECKING:
    from pathlib import Path

MAX_ROWS = 32
"""Rows in one request: bounds what a single caller can make a slow model compute."""

MAX_ID_CHARS = 256
_DTYPES: dict[str, tuple[str, type[np.generic]]] = {
    "tensor(float)": ("FP32", np.float32),
    "tensor(double)": ("FP64", np.float64),
    "tensor(int64)": ("INT64", np.int64),
}


class BadInputError(ValueError):
    """The request is at fault; the message may be shown to the caller."""


class ModelError(RuntimeError):
    """The model is at fault: it failed on a well-formed request, or answered with NaN."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a model directory says of itself in MLServer's `model-settings.json`."""

    name: str
    version: str

    @classmethod
    def read(cls, model_dir: Path) -> Identity:
        """Read the settings file. Raises KeyError, OSError or ValueError if it is not usable."""
        settings = json.loads((model_dir / "model-settings.json").read_text())
        return cls(str(settings["name"]), str(settings["parameters"]["version"]))


class OnnxModel:
    """A loaded graph with one `[rows, features]` input; `infer` may be called from several threads."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # a failed run is raised; printing it as well floods the log
        self._session = ort.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 2:  # noqa: PLR2004 - rows, features
            msg = f"{path}: the graph must have one two-dimensional input"
            raise ValueError(msg)
        self._input: str = inputs[0].name
        self._width = int(inputs[0].shape[1])
        self._datatype, self._dtype = _DTYPES[inputs[0].type]
        self._outputs = {o.name: _DTYPES[o.type][0] for o in self._session.get_outputs()}

    def metadata(self) -> dict[str, list[dict[str, Any]]]:
        """Give the OIP `inputs` and `outputs` tensor descriptions; -1 is a free dimension."""
        outputs = [
            {
                "name": o.name,
                "datatype": self._outputs[o.name],
                "shape": [d if isinstance(d, int) else -1 for d in o.shape],
            }
            for o in self._session.get_outputs()
        ]
        shape = [-1, self._width]
        return {
            "inputs": [{"name": self._input, "datatype": self._datatype, "shape": shape}],
            "outputs": outputs,
        }

    def infer(self, body: object) -> list[dict[str, Any]]:
        """Answer one decoded OIP request body.

        Shape: one dict per requested output (all of them if none is named), `data` flat and row-major.
        Raises: BadInputError (nothing was run), ModelError.
        """
        return self.run(*self.parse(body))

    def parse(self, body: object) -> tuple[np.ndarray, list[str]]:
        """Check a request body; give its `[rows, features]` array and the wanted output names."""
        if not isinstance(body, dict):
            raise BadInputError("the request must be a JSON object")
        ident = body.get("id")
        if ident is not None and (not isinstance(ident, str) or len(ident) > MAX_ID_CHARS):
            raise BadInputError(f"id must be a string of at most {MAX_ID_CHARS} characters")
        inputs = body.get("inputs")
        if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
            raise BadInputError("inputs must hold exactly one tensor")
        return self._tensor(inputs[0]), self._wanted(body.get("outputs"))

    def run(self, array: np.ndarray, wanted: list[str]) -> list[dict[str, Any]]:
        """Run the graph on a parsed request. Raises ModelError."""
        try:
            results = self._session.run(wanted, {self._input: array})
        except Exception as error:  # onnxruntime's errors share no base class of their own
            raise ModelError(f"the model failed: {_first_line(error)}") from error
        answers = []
        for name, values in zip(wanted, results, strict=True):
            if not np.isfinite(values).all():
                raise ModelError(f"output {name} is not finite")
            answers.append(
                {
                    "name": name,
                    "datatype": self._outputs[name],
                    "shape": list(values.shape),
                    "data": values.ravel().tolist(),
                }
            )
        return answers

    def _tensor(self, tensor: dict[str, Any]) -> np.ndarray:
        if tensor.get("name") != self._input:
            raise BadInputError(f"the input tensor must be named {self._input}")
        if tensor.get("datatype") != self._datatype:
            raise BadInputError(f"{self._input} must have datatype {self._datatype}")
        shape = tensor.get("shape")
        if not isinstance(shape, list) or any(type(d) is not int for d in shape):
            raise BadInputError("shape must be a list of integers")
        if len(shape) != 2 or shape[1] != self._width or not 1 <= shape[0] <= MAX_ROWS:  # noqa: PLR2004
            raise BadInputError(f"shape must be [1..{MAX_ROWS}, {self._width}]")
        flat = _flatten(tensor.get("data"), shape[0], shape[1])
        try:
            with np.errstate(over="ignore"):
                array = np.asarray(flat, dtype=self._dtype).reshape(shape)
        except (OverflowError, ValueError) as error:
            raise BadInputError(f"data does not fit {self._datatype}") from error
        if not np.isfinite(array).all():
            raise BadInputError(f"data does not fit {self._datatype}")
        return array

    def _wanted(self, outputs: object) -> list[str]:
        if outputs is None or outputs == []:
            return list(self._outputs)
        if not isinstance(outputs, list) or len(outputs) > len(self._outputs):
            raise BadInputError("outputs must list output tensors of the model")
        names = [o.get("name") if isinstance(o, dict) else None for o in outputs]
        known = [n for n in names if isinstance(n, str) and n in self._outputs]
        if len(known) != len(names) or len(set(known)) != len(known):
            raise BadInputError(f"outputs must be among {', '.join(self._outputs)}")
        return known


def _flatten(data: object, rows: int, width: int) -> list[float]:
    """Accept the two forms OIP allows, flat or one list per row, and only real numbers."""
    if not isinstance(data, list):
        raise BadInputError("data must be a list")
    if data and isinstance(data[0], list):
        if len(data) != rows or any(not isinstance(r, list) or len(r) != width for r in data):
            raise BadInputError("data does not match shape")
        data = list(chain.from_iterable(data))
    if len(data) != rows * width:
        raise BadInputError("data does not match shape")
    # type() and not isinstance(): a bool is an int to Python, not to a caller.
    if any(type(v) is not int and (type(v) is not float or not math.isfinite(v)) for v in data):
        raise BadInputError("data must hold finite numbers")
    return data


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300] or type(error).__name__
