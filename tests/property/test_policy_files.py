"""Whatever a policy folder holds, the loader answers, and with a place that exists."""

import json
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.domain.capabilities import Capabilities
from controller.domain.policy import Policy
from controller.policy.catalogue import Catalogue, Measures
from controller.policy.document import Limits, parse_document
from controller.policy.faults import PolicyFault, Source
from controller.policy.golden_file import parse_golden
from controller.policy.loader import parse_policy
from controller.policy.quantities import (
    QuantityError,
    parse_bad_requests,
    parse_duration,
    parse_percent,
    parse_points,
    parse_ratio,
    parse_weight,
    show_bad_requests,
    show_duration,
    show_weight,
)
from controller.policy.render import Format, render
from controller.policy.source import UnreadableError
from controller.policy.steps import AutoSteps
from controller.policy.tree import Document, plain

CATALOGUE = Catalogue(
    dict.fromkeys(("envoy", "httpRoute"), Capabilities()),
    {"envoy": Measures(frozenset({"latency"}))},
    frozenset({"threshold", "sequential"}),
)
LIMITS = Limits(size_bytes=1 << 20, nodes=5000, depth=64)
VALID = """\
# the policy
model: fraud-detector
namespace: ml
route: {envoy: {prefix: /chat, rewrite: /}}
metrics: envoy
steps:
  - 1%
  - {weight: 5%, for: 10m, min_requests: 1000, deadline: 2h}
checks:
  errors: {max: 1%, worse_by: 0.5pp}
  latency_p99.9: {max: 500ms, worse_by: 20%, failures: 2}
  queue: {query: 'max(q{version="$version"})', max: 5, critical: true}
interval: 15s
no_data: {alert_after: 5m, act_after: 15m, action: hold}
notify: [ml-releases]
"""
IN_A_CLUSTER = """\
model: fraud-detector
namespace: ml
route: {httpRoute: {name: fraud-detector, rule: infer, stable: fraud-detector-v1}}
metrics: envoy
steps: [1%, 5%]
checks: {errors: {max: 1%}}
on_drift: restore
workload: {discover: true, scale: false, drain: 90s, keep_for: 7d, history: 5}
"""
BY_THE_JUDGE = """\
model: fraud-detector
route: {envoy: /v2/models/fraud-detector}
metrics: envoy
steps: {max_weight: 30%}
checks: {errors: {max: 1%}}
judge: sequential
budget: 10 bad requests
confidence: 99.9%
promote_if_not_worse_than: 1.3x
"""
GOLDEN = """\
protocol: openai-chat
requests:
  - name: one
    body: {messages: [{role: user, content: hi}]}
    headers: {x-a: b}
    expect:
      schema: {type: object, required: [choices], properties: {a: {enum: [1, null]}}}
      numbers: {at: "usage.total", equals: [1, 2], tolerance: 0.5}
      contains: [a]
      max_latency: 1s
"""
MARKS = [*":[]{},#|>\\-", "", " ", "\n", "\t", "\0", "- ", ": ", "'", '"']
YAML_WORDS = ["&a ", "*a", "!x ", "%", "~", "null", "yes", "? ", "<<: ", "---\n", "...", "\u2028", "é"]
QUANTITIES = ["0", "1", "-1", "1e9", "5%", "5m", "5pp"]
SNIPPETS = st.sampled_from([*MARKS, *YAML_WORDS, *QUANTITIES])


def mutated(text: str) -> st.SearchStrategy[str]:
    """The text with some pieces of it cut out and others put in."""
    cuts = st.tuples(st.integers(0, len(text)), st.integers(0, 12), SNIPPETS)
    return st.lists(cuts, min_size=1, max_size=4).map(lambda edits: edit(text, edits))


def edit(text: str, edits: list[tuple[int, int, str]]) -> str:
    for start, length, snippet in edits:
        text = text[:start] + snippet + text[start + length :]
    return text


def unreadable(name: str) -> bytes:
    raise UnreadableError(f"there is no {name!r}")


def answer(raw: bytes) -> None:
    result = parse_policy(raw, "x.yaml", CATALOGUE, unreadable)
    if not isinstance(result, Policy):
        check_faults(result, raw)


def check_faults(faults: tuple[PolicyFault, ...], raw: bytes) -> None:
    assert faults
    lines = len(raw.decode("utf-8", "replace").splitlines())
    for fault in faults:
        assert 1 <= fault.line <= max(lines, 1)
        assert fault.column >= 1
        assert fault.sentence
    for line in render(faults, Format.TEXT).splitlines():
        assert line.isprintable()
    assert len(json.loads(render(faults, Format.JSON))) == len(faults)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_answered(raw: bytes) -> None:
    answer(raw)


@settings(deadline=None)
@given(st.lists(SNIPPETS, max_size=60).map("".join))
@example('"\\UFFFFFFFF": 1')
@example("a: |9\n x")
def test_any_yaml_like_text_is_answered(text: str) -> None:
    answer(text.encode())


@settings(max_examples=300, deadline=None)
@given(mutated(VALID))
def test_any_damaged_policy_is_answered(text: str) -> None:
    answer(text.encode())


@settings(max_examples=200, deadline=None)
@given(mutated(IN_A_CLUSTER))
def test_any_damaged_policy_of_a_cluster_is_answered(text: str) -> None:
    answer(text.encode())


@settings(max_examples=200, deadline=None)
@given(mutated(BY_THE_JUDGE))
@example(BY_THE_JUDGE.replace("sequential", "[sequential]"))
@example(BY_THE_JUDGE.replace("sequential", "{threshold: 1}"))
def test_any_damaged_policy_of_the_sequential_judge_is_answered(text: str) -> None:
    answer(text.encode())


@settings(max_examples=200, deadline=None)
@given(mutated(GOLDEN))
def test_any_damaged_golden_file_is_answered(text: str) -> None:
    result = parse_golden(text.encode(), "g.yaml", "llama")
    if isinstance(result, tuple):
        check_faults(result, text.encode())


@settings(deadline=None)
@given(st.integers(0, len(VALID)))
def test_a_policy_cut_off_anywhere_never_passes_for_more_than_it_says(length: int) -> None:
    result = parse_policy(VALID[:length].encode(), "x.yaml", CATALOGUE, unreadable)
    if isinstance(result, Policy):
        assert [step.weight_permille for step in result.steps] == [10, 50]
        assert result.checks


NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(JSON.map(lambda value: [value]))
def test_json_means_the_same_as_to_a_json_parser(value: list[Any]) -> None:
    text = json.dumps(value)
    document = parse_document(Source("x.json", text, tuple(text.splitlines())), LIMITS)
    assert isinstance(document, Document)
    assert document.faults == ()
    assert plain(document.root) == value


@settings(deadline=None)
@given(st.integers(0, 366 * 86_400_000).map(lambda count: timedelta(milliseconds=count)))
def test_a_duration_that_is_shown_is_read_back(duration: timedelta) -> None:
    assert parse_duration(show_duration(duration)) == duration


@settings(deadline=None)
@given(st.integers(1, 1000))
def test_a_weight_that_is_shown_is_read_back(permille: int) -> None:
    assert parse_weight(show_weight(permille)) == permille


@settings(deadline=None)
@given(st.integers(0, 999_999_999))
def test_a_count_of_bad_requests_that_is_shown_is_read_back(count: int) -> None:
    assert parse_bad_requests(show_bad_requests(count)) == parse_bad_requests(count) == count


@settings(deadline=None)
@given(st.integers(10, 999), st.integers(1, 7200))
def test_auto_steps_rise_from_one_percent_to_the_ceiling(highest: int, interval_seconds: int) -> None:
    interval = timedelta(seconds=interval_seconds)
    steps = AutoSteps(max_weight=show_weight(highest)).to_steps(interval)  # type: ignore[arg-type]
    weights = [step.weight_permille for step in steps]
    assert (weights[0], weights[-1]) == (10, highest)
    assert all(low < high <= max(1.4 * low, low + 10) for low, high in pairwise(weights))
    assert all(step.hold == interval for step in steps[:-1])
    assert all(step.deadline >= max(timedelta(hours=1), 4 * step.hold) for step in steps)


@settings(deadline=None)
@given(st.decimals(0, 1000, places=6))
def test_percentages_points_and_ratios_keep_every_digit(number: Decimal) -> None:
    assert parse_percent(f"{number:f}%") == number
    assert parse_ratio(f"{number:f}x") == number
    assert parse_points(f"{number:f}pp") == number


@settings(deadline=None)
@given(
    st.one_of(
        st.text(max_size=12),
        st.from_regex(r"[0-9.]{1,5} ?[a-z%]{0,4}"),
        st.from_regex(r"[0-9,_]{1,12} ?(bad)? ?(requests?)?"),
        st.integers(),
        st.floats(),
        st.none(),
    )
)
def test_what_is_no_quantity_is_refused_and_nothing_else_is_raised(value: object) -> None:
    for parse in (parse_duration, parse_percent, parse_points, parse_weight, parse_ratio, parse_bad_requests):
        with suppress(QuantityError):
            parse(value)
