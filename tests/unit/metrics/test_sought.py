"""What checks need counted: from their pack, and by selections of the policy's own."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.adapters.metrics.counters import Answers, Histogram, Requests
from controller.adapters.metrics.packs import Template, load_pack
from controller.adapters.metrics.sought import counted_of, measurable, sought_by
from controller.domain.policy import Check, CheckKind
from controller.domain.probes import PROBES
from controller.policy.queries import QueryError, check_selection
from tests.fakes import a_policy, a_release, a_rollout

PACK = load_pack(
    "x",
    """
about: a test
versions: {instance: $endpoints}
pulse: {metric: up, positive: true}
answers:
  - {metric: requests_total, bad: {code: "5.."}}
histograms:
  latency: {metric: latency_bucket, beyond: [{metric: timeouts_total}]}
  ttft: {metric: first_bucket}
ratios:
  refused:
    - {metric: answers_total, bad: {kind: refusal}}
levels:
  queue: {metric: depth}
""",
)
ERRORS = Check("errors", CheckKind.RATIO, max=0.01)
WAIT = 'wait_bucket{v="$version",m="$model",queue!="batch",zone=~"a|b"}'


def own(name: str, query: str, of: str | None = None) -> Check:
    kind = CheckKind.QUANTILE if of is None else CheckKind.RATIO
    return Check(name, kind, max=0.1, quantile=0.5, query=query, of=of)


def metrics(*checks: Check) -> list[str]:
    return [one.counter.metric for one in sought_by(PACK, checks)]


def test_the_answers_are_always_counted_and_nothing_twice() -> None:
    assert metrics() == metrics(ERRORS) == ["requests_total"]
    p50, p99 = (Check(f"latency_p{q}", CheckKind.QUANTILE, quantile=q / 100) for q in (50, 99))
    assert metrics(p50, p99) == ["requests_total", "latency_bucket", "timeouts_total"]


def test_lengths_are_counted_where_two_versions_times_are_compared_and_probes_never() -> None:
    latency = Check("latency_p95", CheckKind.QUANTILE, worse_by_ratio=0.2, quantile=0.95)
    probes = Check(PROBES, CheckKind.RATIO, max=0.05, measure=PROBES)
    rollout = a_rollout(a_policy(checks=(latency, probes)))
    assert [each.name for each in counted_of(rollout)] == ["latency_p95"]
    both = replace(rollout, stable=a_release("v1"))
    assert [each.name for each in counted_of(both)] == ["latency_p95", "prompt_tokens", "output_tokens"]
    tokens = PACK.model_copy(
        update={"token_histograms": {"output_tokens": Histogram(metric="tokens_bucket")}}
    )
    found = [(one.measure, one.counter.metric) for one in sought_by(tokens, counted_of(both))]
    assert ("output_tokens", "tokens_bucket") in found
    assert not any(one.measure == "prompt_tokens" for one in sought_by(tokens, counted_of(both)))


def test_a_check_reads_the_measure_that_it_names() -> None:
    checks = [
        Check("ttft_p95", CheckKind.QUANTILE, measure="ttft"),
        Check("x", CheckKind.RATIO, measure="refused"),
    ]
    found = sought_by(PACK, checks)[1:]
    assert [(one.measure, one.counter.metric) for one in found] == [
        ("ttft", "first_bucket"),
        ("refused", "answers_total"),
    ]
    assert all(measurable(PACK, check) for check in (ERRORS, *checks))


def test_a_measure_that_the_pack_has_not_cannot_be_measured() -> None:
    missing = Check("itl_p95", CheckKind.QUANTILE, measure="itl")
    assert metrics(missing) == ["requests_total"]
    assert not measurable(PACK, missing)
    assert measurable(PACK, Check("depth", CheckKind.GAUGE, query="depth"))
    assert measurable(PACK, Check("queue", CheckKind.GAUGE, measure="queue"))
    assert not measurable(PACK, Check("kv_cache", CheckKind.GAUGE, measure="kv_cache"))


def test_a_counter_with_several_names_is_sought_under_each() -> None:
    itl = Histogram(metric="new_bucket", formerly=("old_bucket", "oldest_bucket"))
    pack = PACK.model_copy(update={"histograms": {"itl": itl}})
    found = sought_by(pack, [Check("itl_p95", CheckKind.QUANTILE, measure="itl")])[1:]
    assert [(one.counter.metric, one.place) for one in found] == [
        ("new_bucket", 0),
        ("old_bucket", 1),
        ("oldest_bucket", 2),
    ]
    assert len({one.renamed for one in found}) == 1
    assert not any(one.counter.formerly for one in found)


def test_a_selection_becomes_a_counter_whose_placeholders_tell_versions_apart() -> None:
    (_, found) = sought_by(PACK, [own("wait_p50", WAIT)])
    assert found.versions == {"v": Template.VERSION, "m": Template.MODEL}
    assert found.counter == Histogram(metric="wait_bucket", where={"zone": "a|b"}, unless={"queue": "batch"})
    assert found.measure == WAIT


def test_bad_ones_and_all_of_them_are_two_counters_of_one_measure() -> None:
    check = own("cut", 'x_total{v="$version",end="cut"}', 'x_total{v="$version"}')
    (_, bad, whole) = sought_by(PACK, [check])
    assert bad.counter == Answers(metric="x_total", where={"end": "cut"}, bad=True)
    assert whole.counter == Requests(metric="x_total")
    assert bad.measure == whole.measure == check.counts
    assert bad.identity != whole.identity


def test_an_exact_value_is_no_regular_expression() -> None:
    (_, found) = sought_by(PACK, [own("wait_p50", 'wait_bucket{v="$version",path="/v1.0/(x)"}')])
    assert found.counter.where == {"path": r"/v1\.0/\(x\)"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wait_bucket",
        'wait_bucket{m="$model"}',
        'rate(wait_bucket{v="$version"}[1m])',
        'wait_bucket{v="$version"} offset 5m',
        'wait_bucket{v="$version"} @ 5',
        '(wait_bucket{v="$version"})',
        '{__name__="wait_bucket",v="$version"}',
        'wait_bucket{v="$version" or v="x"}',
        'wait_bucket{v="$version",a="1",a=~"2"}',
        'wait_bucket{v=~"$version"}',
    ],
)
def test_what_is_more_than_a_selection_is_neither_asked_for_nor_valid(text: str) -> None:
    assert metrics(own("wait_p50", text)) == ["requests_total"]
    assert not measurable(PACK, own("wait_p50", text))
    with pytest.raises(QueryError):
        check_selection(text)


names = st.from_regex(r"[a-z_]{1,5}", fullmatch=True)
operators = st.sampled_from(["=", "!=", "=~", "!~"])
values = st.sampled_from(["$version", "$backend", "$model", "a", "a.b", "1|2", "", "$", "$other"])


@given(st.lists(st.tuples(names, operators, values), max_size=4))
@example([("v", "=", "$version")])
def test_what_lint_lets_pass_can_be_asked_for(matchers: list[tuple[str, str, str]]) -> None:
    inside = ",".join(f'{name}{operator}"{value}"' for name, operator, value in matchers)
    text = f"wait_bucket{{{inside}}}"
    try:
        check_selection(text)
    except QueryError:
        return
    assert measurable(PACK, own("wait_p50", text))
