"""Pack files: what they must say, and what Serinus ships."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.metrics.packs import Answers, Pulse, built_in_packs, load_pack, role_of, selector_of
from controller.adapters.naming import backend_name
from controller.domain.judge.series import Role
from controller.domain.policy import CheckKind
from controller.domain.release import Release
from controller.errors import TargetError

GOOD = """
about: a test
versions: {instance: $endpoints, version: $version}
pulse: {metric: up, positive: true}
answers:
  - metric: requests_total
    bad: {code: "5.."}
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
    packs = built_in_packs()
    assert sorted(packs) == ["envoy", "envoy-gateway", "mlserver"]
    assert all(pack.counters(kind, "") for pack in packs.values() for kind in COUNTED)
    assert not any(pack.counters(kind, "ttft") for pack in packs.values() for kind in COUNTED)


def test_a_pack_without_a_histogram_or_bad_answers_measures_neither_durations_nor_errors() -> None:
    assert not load_pack("x", GOOD).counters(CheckKind.QUANTILE, "")
    assert not load_pack("x", GOOD.replace("bad:", "where:")).counters(CheckKind.RATIO, "")


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
    assert role_of(Pulse(metric="up"), {}) is Role.PULSE


def test_a_selector_takes_series_whose_labels_all_fit() -> None:
    versions = load_pack("x", GOOD).versions
    selector = selector_of(versions, "m", Release("v2", ("h:1", "h:2")), {})
    assert selector.selects({"instance": "h:2", "version": "v2", "more": "x"})
    assert not selector.selects({"instance": "h:3", "version": "v2"})
    assert not selector.selects({"instance": "h:1"})


def test_the_gateway_s_own_name_selects_a_version_and_nothing_does_without_one() -> None:
    pack = built_in_packs()["envoy-gateway"]
    name = "httproute/ml/fraud/rule/0/backend/1"
    names = {"v1": "httproute/ml/fraud/rule/0/backend/0", "v2": name}
    selector = selector_of(pack.versions, "fraud", Release("v2"), names)
    assert pack.by_series
    assert selector.selects({"envoy_cluster_name": name})
    assert not selector.selects({"envoy_cluster_name": "httproute/ml/fraud/rule/0"})
    assert not selector_of(pack.versions, "fraud", Release("v2"), {}).selects({"envoy_cluster_name": name})


def test_envoy_gateway_s_proxies_are_read_as_any_envoy_but_for_the_names() -> None:
    packs = built_in_packs()
    changes = {"about": packs["envoy"].about, "versions": packs["envoy"].versions}
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


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_no_two_versions_share_a_backend_name(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (backend_name(*one) == backend_name(*other)) == (one == other)
