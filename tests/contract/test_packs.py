"""What every metrics pack must do, shown on recorded pages and a real Prometheus with the queries we send.

A pack without a recorded page, and a metric of a pack that no page shows, fail here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.adapters.metrics.counters import Counter
from controller.adapters.metrics.packs import Pack, built_in_packs
from controller.adapters.metrics.prometheus import PrometheusSource
from controller.domain.judge.counts import Tally
from controller.domain.measures import Level
from controller.domain.model import Rollout, Route
from controller.domain.observation import Measure, NoReading, Reading
from controller.domain.policy import Check, CheckKind, Policy, RouteRef
from controller.domain.release import Backend, BackendKind, Release
from controller.domain.vocabulary import Reason
from tests.contract.recorded import (
    CANARY,
    FOLDER,
    GATEWAYS,
    LAST,
    NOW,
    STABLE,
    Served,
    history,
    page,
    remembered,
    shown,
)

pytestmark = pytest.mark.integration

PACKS = built_in_packs()
USABLE = sorted(name for name, pack in PACKS.items() if not pack.refused)
RENAMED = sorted(name for name in USABLE if "formerly" in PACKS[name].model_dump_json(exclude_defaults=True))
LEVELS = {
    Level.QUEUE: (7, 2),
    Level.KV_CACHE: (0.97, 0.5),
    Level.MEAN_LATENCY: (0.25, 0.125),
    Level.PROMPT_TOKENS: (100, 80),
    Level.OUTPUT_TOKENS: (30, 20),
    Level.TOKEN_LATENCY: (0.25 / 30, 0.25 / 20),
}
IN_FLIGHT = {
    "envoy": 1,
    "nim": 8,
    "rayserve": 1,
    "sglang": 14,  # its ranks show the same requests each
    "tgi": 8,
    "trtllm": 8,
    "vllm": 8,
}
"""Of the canary: 1 that runs and, where the pack sees a queue, 7 that wait."""
ALL_TIMED = frozenset({"envoy", "envoy-gateway", "kserve"})
"""Those whose histograms hold failed requests, too."""
SINCE = datetime.fromtimestamp(NOW - 250, UTC)
SCENES = ("plain", "restart", "alone", "older", "both", "nothing")


def checks_of(pack: Pack) -> tuple[Check, ...]:
    """A check of each thing that the pack measures."""
    errors = [Check("errors", CheckKind.RATIO, max=0.01)] if pack.counts_errors else []
    ratios = [Check(name, CheckKind.RATIO, max=0.1, measure=name) for name in pack.ratios]
    times = [
        Check(
            f"{name}_p99",
            CheckKind.QUANTILE,
            max=0.5,
            quantile=0.99,
            measure=name if name != "latency" else "",
        )
        for name in pack.histograms
    ]
    levels = [Check(name, CheckKind.GAUGE, max=5, measure=name) for name in pack.levels]
    tokens = [Check(f"{name}_mix", CheckKind.QUANTILE, measure=name) for name in pack.token_histograms]
    drifts = [Check(f"{name}_drift", CheckKind.PSI, max=0.2, measure=name) for name in pack.token_histograms]
    return (*errors, *ratios, *times, *levels, *tokens, *drifts)


def model_of(pack: str, scene: str) -> str:
    return f"{pack}-{scene}"


def release_of(pack: str, model: str, version: str) -> Release:
    if PACKS[pack].of_adapters:
        return Release(version, (), Backend(BackendKind.LORA_ADAPTER, f"{model}-{version}"))
    return Release(version, (), Backend(BackendKind.SERVICE, f"{model}-{version}", 8080))


def series_of(model: str, version: str) -> str:
    return f"httproute/ml/{model}/rule/0/backend/{0 if version == 'v1' else 1}"


def rollout(pack: str, scene: str) -> Rollout:
    model = model_of(pack, scene)
    route = RouteRef("httpRoute", model)
    policy = Policy(model, "ml", route, pack, (), checks_of(PACKS[pack]), interval=timedelta(seconds=10))
    return Rollout(
        f"{model}-1",
        model,
        release_of(pack, model, "v2"),
        policy,
        datetime.fromtimestamp(NOW, UTC),
        "ann",
        stable=release_of(pack, model, "v1"),
        route=Route(series=tuple((version, series_of(model, version)) for version in ("v1", "v2"))),
    )


def names_of(model: str, version: str) -> dict[str, str]:
    """What a gateway calls the version; written out here, so that the packs' own way is tested."""
    return {
        "model": model,
        "version": version,
        "backend": f"{model}@{version}",
        "adapter": f"{model}-{version}",
        "series": series_of(model, version),
        "service": f"ml-{model}-{version}-8080@kubernetesgateway",
    }


def target_of(pack: str, model: str, version: str) -> dict[str, str]:
    """The labels of the scrape: of an engine's copy they name the version."""
    if pack in GATEWAYS:
        return {"job": "gateway", "instance": "10.0.0.1:9090"}
    label = "model_name" if pack == "mlserver" else "model"
    where = {"job": "engines", "instance": f"{model}-{version}:8000"}
    return where | {label: model, "model_version": version}


def older(pack: str, text: str) -> str:
    """The page of a copy that has the older of each metric's names."""
    for counter in counters_of(PACKS[pack]):
        if counter.formerly:
            text = text.replace(f"{counter.metric}{{", f"{counter.formerly[-1]}{{")
            text = text.replace(f"{counter.metric} ", f"{counter.formerly[-1]} ")
    return text


def counters_of(pack: Pack) -> list[Counter]:
    groups = [*pack.ratios.values(), pack.answers, pack.histograms.values(), pack.levels.values()]
    groups.append(pack.token_histograms.values())
    found: list[Counter] = [one for group in groups for one in group]
    found += [gauge.per for gauge in pack.levels.values() if gauge.per is not None]
    found += [one for histogram in pack.histograms.values() for one in histogram.beyond]
    return found


def copies() -> Iterator[Mapping[str, list[str]]]:
    for pack in USABLE:
        for scene in SCENES:
            if scene == "nothing" or (scene in ("older", "both") and pack not in RENAMED):
                continue
            versions = {"v1": STABLE, "v2": CANARY if scene != "restart" else replace(CANARY, restarts=True)}
            if scene == "alone":
                del versions["v2"]
            for version, served in versions.items():
                model = model_of(pack, scene)
                yield history(
                    _page(pack, scene, version),
                    served,
                    names_of(model, version),
                    target_of(pack, model, version),
                )


def _page(pack: str, scene: str, version: str) -> str:
    text = page(pack)
    if scene == "older" and version == "v2":
        return older(pack, text)
    if scene == "both":
        renamed = [line for line in older(pack, text).splitlines() if line not in text.splitlines()]
        return "\n".join([text, *renamed])
    return text


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with remembered(tmp_path_factory.mktemp("recorded"), list(copies())) as address:
        yield address


async def read(address: str, pack: str, scene: str, since: datetime | None = SINCE) -> Reading | NoReading:
    source = PrometheusSource(address, PACKS)
    try:
        return await source.read(rollout(pack, scene), Measure(since))
    finally:
        await source.close()


def counts(outcome: Reading | NoReading) -> dict[str, tuple[Tally, Tally]]:
    """All that each check counted of the canary and of stable."""
    assert isinstance(outcome, Reading), outcome
    assert outcome.blocks
    assert outcome.blocks[-1].end.timestamp() == LAST
    names = [each.check for each in outcome.blocks[0].checks]
    return {
        name: (
            reduce(Tally.plus, (block.checks[at].canary for block in outcome.blocks), Tally()),
            reduce(Tally.plus, (block.checks[at].stable for block in outcome.blocks), Tally()),
        )
        for at, name in enumerate(names)
    }


def requests(outcome: Reading | NoReading) -> tuple[int, int]:
    assert isinstance(outcome, Reading), outcome
    blocks = outcome.blocks
    return sum(block.canary_requests for block in blocks), sum(block.stable_requests for block in blocks)


def expected(pack: str, served: Served, check: Check) -> Tally:
    keys = ("good", "bad", "failed", "slow", "cut")
    good, bad, failed, slow, cut = (served.early[key] + served.late[key] for key in keys)
    if check.measure in PACKS[pack].token_histograms:
        return Tally(good, bounds=(1.0, 50.0), buckets=(cut, good - slow - cut, slow))
    if check.kind is CheckKind.QUANTILE:
        timed = bad if pack in ALL_TIMED and check.measure != "postprocess" else 0
        return Tally(good + timed, bounds=(0.5, 1.0), buckets=(good - slow + timed, slow, 0))
    if check.measure == "truncated":
        whole = good + bad if pack == "vllm" else good
        return Tally(whole, cut)
    if check.measure == "empty":
        return Tally(good, cut)
    if check.measure == "errored":
        return Tally(good + bad, failed)
    if check.measure == "aborted" and pack == "trtllm":
        return Tally(good, failed)
    return Tally(good + bad, bad)


def agree(pack: str, outcome: Reading | NoReading) -> None:
    """Each version's counts are its own, to the last request."""
    found = counts(outcome)
    for check in checks_of(PACKS[pack]):
        if check.kind is CheckKind.GAUGE:
            continue
        for tally, served in zip(found[check.name], (CANARY, STABLE), strict=True):
            wanted = expected(pack, served, check)
            assert tally.bad == wanted.bad, check.name
            assert tally.requests in within(pack, check.measure, wanted), check.name
            assert tally.buckets == wanted.buckets, check.name
            assert tally.bounds == pytest.approx(wanted.bounds), check.name
    failures = 0 if pack == "trtllm" else 6
    canary, stable = requests(outcome)
    assert stable == 200
    assert canary in within(pack, "", Tally(50 + failures, failures))
    assert isinstance(outcome, Reading)
    assert all("counter resets" in warning for warning in outcome.warnings)


def within(pack: str, measure: str, wanted: Tally) -> range:
    """A bad request whose counter is born in the second before that of all requests rises counts twice."""
    counted = PACKS[pack].ratios.get(measure, PACKS[pack].answers)
    late = wanted.bad if any(one.all for one in counted) else 0
    return range(wanted.requests, wanted.requests + late + 1)


def test_every_pack_that_can_be_used_has_a_recorded_page_and_each_page_a_pack() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(PACKS)


@pytest.mark.parametrize("pack", USABLE)
def test_a_page_is_prometheus_text_and_shows_every_metric_of_its_pack(pack: str) -> None:
    text = shown(page(pack), CANARY.numbers(LAST), names_of("chat", "v2"))
    families = list(text_string_to_metric_families(text))
    names = {family.name for family in families}
    names |= {sample.name for family in families for sample in family.samples}
    assert {counter.metric for counter in counters_of(PACKS[pack])} <= names
    assert names >= {*PACKS[pack].in_flight}


@pytest.mark.parametrize("pack", USABLE)
async def test_each_version_s_requests_errors_and_times_are_its_own(prometheus: str, pack: str) -> None:
    agree(pack, await read(prometheus, pack, "plain"))


@pytest.mark.parametrize("pack", USABLE)
async def test_a_restart_loses_and_invents_no_request(prometheus: str, pack: str) -> None:
    agree(pack, await read(prometheus, pack, "restart"))


@pytest.mark.parametrize("pack", USABLE)
async def test_levels_are_those_of_the_version(prometheus: str, pack: str) -> None:
    outcome = await read(prometheus, pack, "plain")
    assert isinstance(outcome, Reading)
    assert {gauge.check for gauge in outcome.gauges} == set(PACKS[pack].levels)
    for gauge in outcome.gauges:
        assert (gauge.canary, gauge.stable) == pytest.approx(LEVELS[Level(gauge.check)]), gauge.check


@pytest.mark.parametrize("pack", USABLE)
async def test_requests_in_flight_are_those_of_the_version(prometheus: str, pack: str) -> None:
    wanted, shown_as = rollout(pack, "plain"), PACKS[pack].in_flight
    source = PrometheusSource(prometheus, PACKS)
    try:
        found = await source.in_flight(wanted, wanted.release, timedelta(seconds=60))
    finally:
        await source.close()
    assert found.requests == IN_FLIGHT.get(pack)
    assert all(name in found.message for name in shown_as)


@pytest.mark.parametrize("pack", USABLE)
async def test_a_canary_without_series_is_no_evidence(prometheus: str, pack: str) -> None:
    outcome = await read(prometheus, pack, "alone")
    if pack in GATEWAYS:  # the gateway is there, and says nothing of the version: it had no request
        assert requests(outcome) == (0, 200)
        assert all(not canary.requests for canary, _ in counts(outcome).values())
        assert isinstance(outcome, Reading)
        assert all(gauge.canary is None for gauge in outcome.gauges)
        return
    assert isinstance(outcome, NoReading)
    assert outcome.reason is Reason.METRICS_STALE
    assert f"canary v2 of {model_of(pack, 'alone')}" in outcome.message


@pytest.mark.parametrize("pack", USABLE)
async def test_a_model_that_nothing_shows_has_no_reading(prometheus: str, pack: str) -> None:
    outcome = await read(prometheus, pack, "nothing")
    assert isinstance(outcome, NoReading)
    assert outcome.reason is Reason.METRICS_STALE


@pytest.mark.parametrize("scene", ["older", "both"])
@pytest.mark.parametrize("pack", RENAMED)
async def test_a_metric_counts_once_under_its_older_name_and_under_both(
    prometheus: str, pack: str, scene: str
) -> None:
    outcome = await read(prometheus, pack, scene)
    agree(pack, outcome)
    assert isinstance(outcome, Reading)
    for gauge in outcome.gauges:
        assert (gauge.canary, gauge.stable) == pytest.approx(LEVELS[Level(gauge.check)]), gauge.check
