"""Whatever a manifest says: there is a policy that the loader takes, or a reason; never a traceback."""

import json
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.adapters.registry import catalogue
from controller.convert.converting import MANIFEST_LIMITS, Converted, Unconvertible, Wishes, convert
from controller.domain.policy import Policy
from controller.policy.document import parse_manifests
from controller.policy.faults import PolicyFault
from controller.policy.loader import parse_policy
from controller.policy.source import UnreadableError, decode
from controller.policy.tree import Document

CATALOGUE = catalogue()
GOLDEN = Path(__file__).parents[1] / "golden" / "convert"
SOURCES = [path for path in sorted(GOLDEN.glob("*.yaml")) if not path.name.endswith(".policy.yaml")]
TEXTS = [path.read_text() for path in SOURCES if not path.name.startswith("hostile-01")]
SNIPPETS = st.sampled_from(["", " ", "\n", ": ", "- ", "[", "{", "'", '"', "&a ", "*a", "9" * 12, "~"])
LABELS = st.sampled_from([None, "version"])


def outcome(raw: bytes, label: str | None) -> Converted | Unconvertible | None:
    """What becomes of a file; None when it is no YAML. A policy is one that the loader takes."""
    source = decode(raw, "x.yaml", MANIFEST_LIMITS.size_bytes)
    if isinstance(source, PolicyFault):
        return None
    documents = [each for each in parse_manifests(source, MANIFEST_LIMITS) if isinstance(each, Document)]
    found = convert(documents, Wishes(version_label=label), CATALOGUE)
    if isinstance(found, Converted):
        assert isinstance(parse_policy(found.text.encode(), "p.yaml", CATALOGUE, nothing), Policy)
    else:
        assert found.message
        assert found.advice
    for note in found.notes:
        assert 1 <= note.place.mark.line <= len(source.lines) + 1
        assert note.message
    return found


def nothing(name: str) -> bytes:
    raise UnreadableError(name)


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**13)
    | st.floats(-1e6, 1e6)
    | st.sampled_from(
        ["1m", "10", "-1s", "x", "", "{{ target }}", "a b", "result[0] < 1", "Prometheus", "\x07"]
    )
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([*["m", "fraud-detector", "1.5"] * 10, "A", "", "x" * 64])
QUERIES = st.sampled_from(
    [
        'sum(x{pod="{{ target }}"})',
        'up{version="$version"}',
        'up{h="{{args.a}}"}',
        "{{ x }}",
        'a{b="x-canary"}',
    ]
)
LIMITS = st.sampled_from([0, 1, -1, 99, 100, 99.95, "98", 1e-9, 500, "x", None]) | st.floats(-1e15, 1e15)
DURATIONS = st.sampled_from(["30s", "1m", "10", 30, "5m", "1h", "100h", "soon", "", None, 0, "0.5ms", 99999])


@st.composite
def mapping(draw: st.DrawFn, /, **fields: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Fields as they should be, mostly; some of them left out, or with any value in their place."""
    found = {}
    for key, value in fields.items():
        luck = draw(st.integers(0, 29))
        if luck == 1:
            found[key] = draw(ANY)
        elif luck != 2:
            found[key] = draw(value)
    return found


METRIC = mapping(
    name=st.sampled_from(["request-success-rate", "request-duration", "errors", "latency_p99", "own metric"]),
    thresholdRange=mapping(min=LIMITS, max=LIMITS),
    interval=DURATIONS,
    query=QUERIES,
)
OLD_METRIC = mapping(name=st.sampled_from(["request-success-rate", "request-duration"]), threshold=LIMITS)
HOOK_TYPES = ["confirm-rollout", "confirm-promotion", "confirm-traffic-increase", "event", "rollout"]
HOOK = mapping(type=st.sampled_from(HOOK_TYPES), name=NAMES, url=st.sampled_from(["a", "b"]))
WEIGHTS = st.integers(1, 60) | st.integers(-1, 120)
ANALYSIS = mapping(
    stepWeight=WEIGHTS,
    interval=DURATIONS,
    maxWeight=WEIGHTS,
    threshold=st.integers(-1, 300),
    metrics=st.lists(METRIC | OLD_METRIC, max_size=4),
    webhooks=st.lists(HOOK, max_size=14),
    alerts=st.lists(mapping(providerRef=mapping(name=NAMES)), max_size=3),
)
LISTED = mapping(stepWeights=st.lists(WEIGHTS, max_size=5), metrics=st.lists(METRIC, max_size=4))
CANARY = st.fixed_dictionaries(
    {
        "apiVersion": st.just("flagger.app/v1beta1"),
        "kind": st.just("Canary"),
        "metadata": mapping(name=NAMES, namespace=NAMES),
        "spec": mapping(
            targetRef=mapping(name=NAMES),
            provider=st.sampled_from(["istio", "gatewayapi:v1"]),
            service=mapping(name=NAMES, port=st.just(80)),
            progressDeadlineSeconds=st.integers(-5, 10**9),
            skipAnalysis=st.booleans(),
            analysis=ANALYSIS | LISTED,
        ),
    }
)
STEP = st.one_of(
    mapping(setWeight=st.integers(1, 99)),
    mapping(setWeight=st.integers(-1, 101)),
    mapping(pause=mapping(duration=DURATIONS)),
    st.just({"pause": {}}),
    st.just({"analysis": {"templates": [{"templateName": "t"}]}}),
    st.dictionaries(st.sampled_from(["experiment", "plugin", "setCanaryScale", "x"]), ANY, max_size=1),
)
CONDITIONS = [
    "result[0] <= 0.05",
    "result < 1",
    "0.95 <= result[0]",
    "isNaN(result) || result > -3",
    "result == 1",
]
STRATEGY = mapping(
    steps=st.lists(STEP, min_size=1, max_size=12),
    stableService=NAMES,
    canaryService=NAMES,
    abortScaleDownDelaySeconds=st.integers(-1, 10**9),
    trafficRouting=mapping(maxTrafficWeight=st.sampled_from([0, 3, 100, 1000, 10**6, -1])),
    analysis=st.just({"templates": [{"templateName": "t"}]}),
)
ROLLOUT = st.fixed_dictionaries(
    {
        "apiVersion": st.just("argoproj.io/v1alpha1"),
        "kind": st.just("Rollout"),
        "metadata": mapping(name=NAMES, namespace=NAMES),
        "spec": mapping(
            progressDeadlineSeconds=st.integers(-5, 10**9),
            strategy=st.fixed_dictionaries({"canary": STRATEGY}),
        ),
    }
)
MEASURED = mapping(
    name=NAMES,
    interval=DURATIONS,
    count=st.integers(-1, 10**9),
    failureLimit=st.integers(-2, 200),
    successCondition=st.sampled_from(CONDITIONS),
    provider=mapping(prometheus=mapping(query=QUERIES)),
)
TEMPLATE = st.fixed_dictionaries(
    {
        "apiVersion": st.just("argoproj.io/v1alpha1"),
        "kind": st.just("AnalysisTemplate"),
        "metadata": st.just({"name": "t"}),
        "spec": mapping(args=st.just([{"name": "a", "value": "b"}]), metrics=st.lists(MEASURED, max_size=4)),
    }
)


def manifest(*objects: Any) -> bytes:
    """As a file, in JSON, which is YAML."""
    return "\n---\n".join(json.dumps(each) for each in objects).encode()


@settings(max_examples=150, deadline=None)
@given(CANARY, LABELS)
def test_any_canary_is_answered(canary: dict[str, Any], label: str | None) -> None:
    assert outcome(manifest(canary), label) is not None


@settings(max_examples=150, deadline=None)
@given(ROLLOUT, TEMPLATE, LABELS)
def test_any_rollout_is_answered(
    rollout: dict[str, Any], template: dict[str, Any], label: str | None
) -> None:
    assert outcome(manifest(rollout, template), label) is not None


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(TEXTS), st.data(), LABELS)
def test_any_damaged_manifest_is_answered(text: str, data: st.DataObject, label: str | None) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        start, length = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 15))
        snippet = data.draw(
            st.sampled_from(["", " ", "\n", ": ", "- ", "[", "{", "'", '"', "&a ", "*a", "9" * 12, "~"])
        )
        text = text[:start] + snippet + text[start + length :]
    outcome(text.encode(), label)


@settings(deadline=None)
@given(st.binary(max_size=200))
@example(b"kind: Canary")
@example(b"apiVersion: flagger.app/v1beta1\nkind: Canary\n")
@example(b"apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: [1]\n")
@example(b"kind: List\nitems: {a: 1}\n")
def test_any_bytes_are_answered(raw: bytes) -> None:
    outcome(raw, None)
