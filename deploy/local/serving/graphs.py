"""ONNX graphs of the five versions of `tumor-classifier`, the broken ones included.

Each defect is one that a model can really have; none is a random coin in the server. Every graph has the
same signature: `features` FP32 [n, 30] -> `label` INT64 [n], `probabilities` FP32 [n, 2].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.float32]

OPSET = 18
INPUT, LABEL, PROBABILITIES = "features", "label", "probabilities"


def exported(estimator: Any, sample: Rows) -> onnx.ModelProto:
    """Convert a fitted scikit-learn classifier; `sample` gives the number of features."""
    model = to_onnx(estimator, sample[:1], options={"zipmap": False}, target_opset=OPSET)
    graph = onnx.load_from_string(model.SerializeToString()).graph
    _rename_uses(graph, graph.input[0].name, INPUT)
    # Wrapped anew, because skl2onnx lists the operator sets in an order that changes from run to run.
    return _model(list(graph.node), list(graph.initializer), sample.shape[1], ml_domain=True)


def with_short_lookup(
    core: onnx.ModelProto, column: int, low: float, width: float, centres: Rows
) -> onnx.ModelProto:
    """Quantise one feature through a lookup table in front of `core`.

    The table was made from a sample without large values: a row beyond its last bin is out of range, and
    ONNX Runtime fails the whole request. `low` is the lower edge of bin 0, `width` that of each bin.
    """
    graph = core.graph
    features = graph.input[0].type.tensor_type.shape.dim[1].dim_value
    _rename_uses(graph, INPUT, "quantised")
    constants: dict[str, np.ndarray] = {
        "q_low": np.array([low], np.float32),
        "q_width": np.array([width], np.float32),
        "q_first": np.array([0], np.int64),
        "q_centres": centres.reshape(-1, 1).astype(np.float32),
        "q_column": np.array(column, np.int64),
        "q_before": np.arange(column, dtype=np.int64),
        "q_after": np.arange(column + 1, features, dtype=np.int64),
    }
    front = [
        helper.make_node("Gather", [INPUT, "q_column"], ["q_value"], axis=1),
        helper.make_node("Sub", ["q_value", "q_low"], ["q_shifted"]),
        helper.make_node("Div", ["q_shifted", "q_width"], ["q_scaled"]),
        helper.make_node("Floor", ["q_scaled"], ["q_floor"]),
        helper.make_node("Cast", ["q_floor"], ["q_cast"], to=TensorProto.INT64),
        helper.make_node("Max", ["q_cast", "q_first"], ["q_bin"]),
        helper.make_node("Gather", ["q_centres", "q_bin"], ["q_centre"], axis=0),
        helper.make_node("Gather", [INPUT, "q_before"], ["q_left"], axis=1),
        helper.make_node("Gather", [INPUT, "q_after"], ["q_right"], axis=1),
        helper.make_node("Concat", ["q_left", "q_centre", "q_right"], ["quantised"], axis=1),
    ]
    nodes = [*front, *graph.node]
    initializers = [*graph.initializer, *_initializers(constants)]
    return _model(nodes, initializers, features, ml_domain=True)


def averaged_over_noise(
    mean: Rows,
    scale: Rows,
    weights: list[Rows],
    biases: list[Rows],
    noise: Rows,
    passes: int,
) -> onnx.ModelProto:
    """Average a two-hidden-layer ReLU network over many noisy copies of each row.

    Right answers, at a price: `passes` x `noise.shape[0]` forward passes per row. A Loop keeps the
    memory to one batch of copies. `noise` is [copies, features] in units of a standard deviation; each pass
    turns it by another sign pattern. The loop depends on the request, so that nothing can be folded.
    """
    features, copies = mean.shape[0], noise.shape[0]
    signs = np.where(np.random.default_rng(0).random((passes, features)) < 0.5, -1, 1)  # noqa: PLR2004
    constants: dict[str, np.ndarray] = {
        "mean": mean,
        "scale": scale,
        "noise": noise[None, :, :].astype(np.float32),
        "signs": signs.astype(np.float32),
        "passes": np.array(passes, np.int64),
        "always": np.array(1, np.bool_),
        "zero": np.zeros((1, 1), np.float32),
        "middle": np.array([1], np.int64),
        "one": np.array(1, np.float32),
        "half": np.array(0.5, np.float32),
        "flat": np.array([-1], np.int64),
        "count": np.array(passes, np.float32),
    }
    constants |= {f"w{i}": w.astype(np.float32) for i, w in enumerate(weights)}
    constants |= {f"b{i}": b.astype(np.float32) for i, b in enumerate(biases)}
    nodes = _averaging_nodes(copies)
    return _model(nodes, _initializers(constants), features, ml_domain=False)


def _averaging_nodes(copies: int) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Sub", [INPUT, "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("Unsqueeze", ["scaled", "middle"], ["spread"]),
        helper.make_node("Loop", ["passes", "always", "zero"], ["total"], body=_pass(copies)),
        helper.make_node("Div", ["total", "count"], ["benign"]),
        helper.make_node("Sub", ["one", "benign"], ["malignant"]),
        helper.make_node("Concat", ["malignant", "benign"], [PROBABILITIES], axis=1),
        helper.make_node("Greater", ["benign", "half"], ["is_benign"]),
        helper.make_node("Reshape", ["is_benign", "flat"], ["is_benign_flat"]),
        helper.make_node("Cast", ["is_benign_flat"], [LABEL], to=TensorProto.INT64),
    ]


def _pass(copies: int) -> onnx.GraphProto:
    """Build the loop's body: one batch of `copies` noisy copies per row, added to the running total."""
    nodes = [
        helper.make_node("Gather", ["signs", "i"], ["sign"], axis=0),
        helper.make_node("Mul", ["noise", "sign"], ["turned"]),
        helper.make_node("Add", ["spread", "turned"], ["h0"]),
    ]
    for layer in range(3):
        nodes += [
            helper.make_node("MatMul", [f"h{layer}", f"w{layer}"], [f"m{layer}"]),
            helper.make_node("Add", [f"m{layer}", f"b{layer}"], [f"a{layer}"]),
            helper.make_node("Relu" if layer < 2 else "Sigmoid", [f"a{layer}"], [f"h{layer + 1}"]),  # noqa: PLR2004
        ]
    nodes += [
        helper.make_node("ReduceMean", ["h3", "middle"], ["batch_mean"], keepdims=0),
        helper.make_node("Add", ["sum_in", "batch_mean"], ["sum_out"]),
        helper.make_node("Identity", ["go"], ["go_on"]),
    ]
    value = helper.make_tensor_value_info
    return helper.make_graph(
        nodes,
        f"{copies}_copies",
        [
            value("i", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("sum_in", TensorProto.FLOAT, None),
        ],
        [value("go_on", TensorProto.BOOL, []), value("sum_out", TensorProto.FLOAT, None)],
    )


def _initializers(constants: dict[str, np.ndarray]) -> list[TensorProto]:
    return [numpy_helper.from_array(array, name) for name, array in constants.items()]


def _rename_uses(graph: onnx.GraphProto, old: str, new: str) -> None:
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name == old:
                node.input[i] = new


def _model(
    nodes: list[onnx.NodeProto], initializers: list[TensorProto], features: int, *, ml_domain: bool
) -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tumor_classifier",
        [value(INPUT, TensorProto.FLOAT, [None, features])],
        [
            value(LABEL, TensorProto.INT64, [None]),
            value(PROBABILITIES, TensorProto.FLOAT, [None, 2]),
        ],
        initializers,
    )
    opsets = [helper.make_opsetid("", OPSET)]
    if ml_domain:
        opsets.append(helper.make_opsetid("ai.onnx.ml", 1))
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model)
    return model
