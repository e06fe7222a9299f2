"""Pack files: what they must say, and what Serinus ships."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.metrics.counters import Answers, Pulse, role_of
from controller.adapters.metrics.packs import Selector, built_in_packs, load_pack, selector_of
from controller.adapters.naming import backend_name, service_names
from controller.domain.judge.series import Role
from controller.domain.policy import CheckKind
from controller.domain.release import Backend, BackendKind, Release
from controller.errors import TargetError

GOOD = """
about: a test
versions: {instance: $endpoints, version: $version}
pulse: {metric: up, positive: true}
answers:
  - metric: requests_total
    bad: {code: "5.."}
lacks: {latency: it has no clock}
"""
MORE = """
histograms:
  ttft: {metric: first_token_seconds_bucket}
ratios:
  refused:
    - metric: answers_total
      bad: {kind: refusal}
"""


COUNTED = (CheckKind.RATIO, CheckKind.QUANTILE)


def test_the_built_in_packs_measure_errors_and_latency() -> None:
    packs = {name: pack for name, pack in built_in_packs().items() if not pack.refused}
    without = {name for name, pack in packs.items() if not all(pack.counters(kind, "") for kind in COUNTED)}
    assert without == {"kserve", "triton", "trtllm"}
    assert all(packs[name].lacks for name in without)
    timed = {name for name, pack in packs.items() if pack.counters(CheckKind.QUANTILE, "ttft")}
    assert timed == {"ai-gateway", "epp", "epp-lora", "nim", "sglang", "trtllm", "vllm"}


def test_every_pack_says_what_people_should_know() -> None:
    for name, pack in built_in_packs().items():
        assert all(sentence.endswith(".") for sentence in pack.caveats), name
        assert pack.caveats, name


def test_a_pack_without_a_histogram_or_bad_answers_measures_neither_durations_nor_errors() -> None:
    assert not load_pack("x", GOOD).counters(CheckKind.QUANTILE, "")
    silent = GOOD.replace("bad:", "where:").replace("lacks: {", "lacks: {errors: nobody counts them, ")
    assert not load_pack("x", silent).counters(CheckKind.RATIO, "")


def test_a_refused_pack_needs_no_label_that_tells_versions_apart_and_no_counter() -> None:
    refused = load_pack("x", "{about: a test, pulse: {metric: up}, refused: it counts nothing}")
    assert not refused.counters(CheckKind.RATIO, "")
    assert refused.refused == "it counts nothing"


def test_a_pack_may_measure_more_than_errors_and_latency() -> None:
    pack = load_pack("x", GOOD + MORE)
    (ttft,) = pack.counters(CheckKind.QUANTILE, "ttft")
    (refused,) = pack.counters(CheckKind.RATIO, "refused")
    assert (ttft.metric, role_of(ttft, {})) == ("first_token_seconds_bucket", Role.BUCKET)
    assert role_of(refused, {"kind": "refusal"}) is Role.BAD
    assert not pack.counters(CheckKind.RATIO, "ttft")
    assert not pack.counters(CheckKind.QUANTILE, "refused")
    assert not pack.counters(CheckKind.QUANTILE, "")


def test_requests_and_bad_ones_are_read_from_the_same_series() -> None:
    (answers,) = load_pack("x", GOOD).answers
    assert role_of(answers, {"code": "503"}) is Role.BAD
    assert role_of(answers, {"code": "5033"}) is Role.GOOD
    assert role_of(answers, {}) is Role.GOOD
    assert role_of(Answers(metric="failures", bad=True), {}) is Role.BAD
    assert role_of(Answers(metric="requests", all=True), {"code": "503"}) is Role.ALL
    assert role_of(Pulse(metric="up"), {}) is Role.PULSE


def test_a_selector_takes_series_whose_labels_all_fit() -> None:
    versions = load_pack("x", GOOD).versions
    selector = selector_of(versions, "m", Release("v2", ("h:1", "h:2")), ())
    assert selector.selects({"instance": "h:2", "version": "v2", "more": "x"})
    assert not selector.selects({"instance": "h:3", "version": "v2"})
    assert not selector.selects({"instance": "h:1"})


def test_the_gateway_s_own_name_selects_a_version_and_nothing_does_without_one() -> None:
    pack = built_in_packs()["envoy-gateway"]
    name = "httproute/ml/fraud/rule/0/backend/1"
    names = (("v1", "httproute/ml/fraud/rule/0/backend/0"), ("v2", name))
    selector = selector_of(pack.versions, "fraud", Release("v2"), names)
    assert pack.by_series
    assert selector.selects({"envoy_cluster_name": name})
    assert not selector.selects({"envoy_cluster_name": "httproute/ml/fraud/rule/0"})
    assert not selector_of(pack.versions, "fraud", Release("v2"), ()).selects({"envoy_cluster_name": name})


def test_envoy_gateway_s_proxies_are_read_as_any_envoy_but_for_the_names() -> None:
    packs = built_in_packs()
    told_apart = ("about", "versions", "caveats", "in_flight")
    changes = {name: getattr(packs["envoy"], name) for name in told_apart}
    assert packs["envoy-gateway"].model_copy(update=changes) == packs["envoy"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("about: a test", "", "about"),
        ("about: a test", "about: a test\nmore: 1", "more"),
        ("$endpoints, version: $version", "$model", "no label tells versions apart"),
        ("$endpoints", "$pod", "versions"),
        ("{instance: $endpoints, version: $version}", "{}", "versions"),
        ("metric: up", 'metric: "up{}"', "pulse.metric"),
        ("code", "co-de", "answers.0.bad"),
        ("5..", "(", "answers.0.bad"),
        ("positive: true", "positive: 1", "pulse.positive"),
        ("answers:", "answers: 5\nx:", "answers"),
        ("answers:", "answers: []\nx:", "x"),
        ("lacks: {latency: it has no clock}", "", "say why latency is not measured"),
        ("lacks: {", "lacks: {errors: no, ", "errors is measured"),
        ("bad:", "where:", "say why errors is not measured"),
        ("bad:", "all: true\n    bad:", "counts no bad ones by itself"),
        ("lacks:", "levels: {depth: {metric: depth}}\nlacks:", "levels"),
        ("lacks:", "levels: {queue: {metric: depth, per: depth}}\nlacks:", "levels.queue.per"),
        ("lacks:", "levels: {queue: {metric: depth, divide_by: 0}}\nlacks:", "divide_by"),
        ("metric: requests_total", "metric: requests_total\n    formerly: 5", "formerly"),
        ("about:", "about: [", "cannot be read"),
    ],
)
def test_a_faulty_pack_is_refused_with_the_place_of_the_fault(old: str, new: str, words: str) -> None:
    with pytest.raises(TargetError, match="the metrics pack x cannot be read") as caught:
        load_pack("x", GOOD.replace(old, new, 1))
    assert words in str(caught.value)


def test_plain_names_stay_as_they_are_and_dots_are_encoded() -> None:
    assert backend_name("fraud-detector", "v2_b") == "fraud-detector@v2_b"
    assert backend_name("fraud", "1.2:é") == "fraud@1%2E2%3A%C3%A9"


def test_traefik_s_names_of_a_service_follow_from_its_backend() -> None:
    backend = Backend(BackendKind.SERVICE, "fraud.v2", 8080)
    assert service_names("ml", backend) == {
        "ml-fraud-v2-8080@kubernetesgateway",
        "ml-fraud-v2-http-8080@kubernetesgateway",
    }
    assert not service_names("ml", None)
    assert not service_names("ml", Backend(BackendKind.SERVICE, "fraud"))
    assert not service_names("ml", Backend(BackendKind.INFERENCE_POOL, "fraud", 8080))


def test_selectors_overlap_unless_a_label_of_theirs_tells_them_apart() -> None:
    def one(**values: set[str]) -> Selector:
        return Selector({label: frozenset(allowed) for label, allowed in values.items()})

    assert one(model={"m"}, version={"v1"}).overlaps(one(model={"m"}, version={"v1"}))
    assert one(service={"a", "b"}).overlaps(one(service={"b", "c"}))
    assert not one(model={"m"}, version={"v1"}).overlaps(one(model={"m"}, version={"v2"}))
    assert not one(version=set()).overlaps(one(version={"v1"}))
    assert one(version=set()).empty


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_no_two_versions_share_a_backend_name(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (backend_name(*one) == backend_name(*other)) == (one == other)
