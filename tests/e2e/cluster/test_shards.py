"""Models dealt out to two shards, each with a leader and a standby, on a real API server.

Both models are on one HTTPRoute, which the leaders of both shards write.
"""

import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from controller.adapters.kube.sharding import mark_on_routes, suffixed
from controller.domain.sharding import WHOLE, Shard
from controller.domain.vocabulary import Phase
from tests.e2e.cluster.checker import unconditional
from tests.e2e.cluster.daemon import CALM_LEASE, LEASE, Replica
from tests.e2e.cluster.keeping import EXIT_DEPOSED
from tests.e2e.cluster.policies import ENDLESS, TWO_STEPS
from tests.e2e.cluster.stage import ClusterStage
from tests.e2e.proof import eventually
from tests.kube.apiserver import ApiServer
from tests.kube.manifests import backend, route
from tests.kube.recording import Recorded

pytestmark = pytest.mark.integration

ONE, TWO = Shard(1, 2), Shard(2, 2)
SHARED = "shared"
IDLE = [f"idle-{number}" for number in range(40)]
_AT_REST_SECONDS = 12.0
VERSIONS = ("v1", "v2", "v3")


def named(shard: Shard) -> str:
    """A model of the shard."""
    return next(name for number in range(99) if shard.owns(name := f"m{number}"))


MODELS = {shard: named(shard) for shard in (ONE, TWO)}


@pytest.fixture(scope="module")
def stage(apiserver: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterStage]:
    """Two replicas of each shard, and one that knows of no shards and is started later."""
    folder = tmp_path_factory.mktemp("shards")
    shards = [ONE, ONE, TWO, TWO, WHOLE]
    with ClusterStage(apiserver, folder, "shards", (), CALM_LEASE, shards=shards) as stage:
        for model in MODELS.values():
            fields = {"httpRoute": {"name": SHARED, "rule": model}}
            stage.policy(model, TWO_STEPS, route=fields)
            for version in VERSIONS:
                stage.serve(model, version, "models/echo:v1" if version == "v1" else "models/echo:v2")
        for model in MODELS.values():
            for version in VERSIONS:
                stage.until_ready(f"{model}-{version}")
        stage.apply(shared_route(stage.namespace))
        stage.until_accepted(SHARED)
        stage.traffic(*MODELS.values())
        yield stage


def shared_route(namespace: str) -> dict[str, Any]:
    """One route with a rule for each model."""
    each = [
        route(namespace, model, [backend(f"{model}-v1", header=False)], name=model)
        for model in MODELS.values()
    ]
    each[0]["metadata"]["name"] = SHARED
    each[0]["spec"]["rules"] += each[1]["spec"]["rules"]
    return each[0]


def lease(stage: ClusterStage, shard: Shard) -> dict[str, Any]:
    name = suffixed(LEASE, shard)
    found = stage.server.admin.get("coordination.k8s.io/v1", "Lease", stage.home, name)
    return dict(found["spec"]) if found else {}


def leader(stage: ClusterStage, shard: Shard) -> Replica:
    """Who holds the shard's Lease, and has taken everything over."""

    def look() -> Replica | None:
        held = lease(stage, shard)
        name = str(held.get("holderIdentity") or "").partition("_")[0]
        found = [each for each in stage.replicas if each.name == name and each.running]
        epochs = [line["epoch"] for each in found for line in each.log("leading")]
        return found[0] if found and held["leaseTransitions"] in epochs else None

    return eventually(look, f"somebody leads {shard}", 60)


def marks(stage: ClusterStage) -> dict[str, int]:
    """The epochs on the shared route."""
    found = stage.route_of(SHARED)["metadata"].get("annotations", {})
    return {key: int(text) for key, text in found.items() if key.startswith("serinus.dev/epoch")}


def shard_of_daemon(stage: ClusterStage, name: str) -> Shard:
    return next(shard for shard, each in zip(stage.shards, stage.replicas, strict=True) if each.name == name)


def answer(replica: Replica, path: str) -> tuple[int, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{replica.port}{path}", timeout=5) as found:
        return found.status, found.read().decode()


def passes(replica: Replica) -> float:
    lines = answer(replica, "/metrics")[1].splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("serinus_passes_total{"))


def test_the_whole_life_of_two_shards(stage: ClusterStage, figures: Callable[[str], None]) -> None:
    *sharded, whole = stage.replicas
    leaders = {shard: leader(stage, shard) for shard in (ONE, TWO)}
    both_roll_out_on_one_route(stage, leaders)
    a_leader_dies(stage, leaders, figures)
    nobody_leads_beside_another_number_of_shards(stage, whole)
    at_rest_nothing_is_asked(stage, figures)
    the_number_of_shards_is_changed(stage, sharded, whole)
    writes = stage.writes()
    assert unconditional(writes) == []
    for write in writes:
        shard = shard_of_daemon(stage, write.daemon)
        if write.kind == "modelrollouts":
            assert shard.owns(write.obj["spec"]["model"]), f"{write} is not {shard}'s to make"
    figures(f"{len(writes)} writes, each by the shard of its model")


def both_roll_out_on_one_route(stage: ClusterStage, leaders: dict[Shard, Replica]) -> None:
    names = {shard: stage.release(model, "v2") for shard, model in MODELS.items()}
    for shard, name in names.items():
        stage.until_phase(name, Phase.SUCCEEDED)
        shown = answer(leaders[shard], "/metrics")[1]
        assert f'serinus_shards{{shard="{shard}"}} 2.0' in shown
        for other, model in MODELS.items():
            assert (f'serinus_weight_ratio{{model="{model}"}}' in shown) is (other == shard)
    assert marks(stage).keys() == {mark_on_routes(ONE), mark_on_routes(TWO)}
    refs = [ref["name"] for rule in stage.route_of(SHARED)["spec"]["rules"] for ref in rule["backendRefs"]]
    assert refs == [f"{model}-v2" for model in MODELS.values()]


def a_leader_dies(stage: ClusterStage, leaders: dict[Shard, Replica], figures: Callable[[str], None]) -> None:
    for model in MODELS.values():
        stage.policy(model, ENDLESS, route={"httpRoute": {"name": SHARED, "rule": model}})
        eventually(lambda model=model: stage.in_force(model), "the policy is in force")  # type: ignore[misc]
    names = {shard: stage.release(model, "v3") for shard, model in MODELS.items()}
    for name in names.values():
        stage.until_counting(name, 20)
    before, began = lease(stage, TWO), time.monotonic()
    leaders[ONE].kill()
    successor = leader(stage, ONE)
    assert successor is not leaders[ONE]
    figures(f"the standby of a killed leader led its shard after {time.monotonic() - began:.1f} s")
    for name in names.values():
        stage.until_counting(name, 50)
        stage.ask(name, "promote")
        stage.until_phase(name, Phase.SUCCEEDED)
    after = lease(stage, TWO)
    same = ("holderIdentity", "leaseTransitions", "acquireTime")
    assert [after[key] for key in same] == [before[key] for key in same], "the other shard was disturbed"
    leaders[ONE].start()


def nobody_leads_beside_another_number_of_shards(stage: ClusterStage, whole: Replica) -> None:
    eventually(lambda: whole.log("other_sharding_leads"), "it saw the others")
    assert not whole.log("lease_taken")
    status, text = eventually(lambda: readiness(whole), "it is as ready as any candidate")
    assert status == 200
    assert f"waits for {suffixed(LEASE, ONE)}" in text


def readiness(replica: Replica) -> tuple[int, str] | None:
    try:
        return answer(replica, "/readyz")
    except OSError:
        return None


def at_rest_nothing_is_asked(stage: ClusterStage, figures: Callable[[str], None]) -> None:
    """With many idle models: watches, their lists once a minute, and the Leases. No pass, no request more."""
    for model in IDLE:
        stage.policy(model, TWO_STEPS, route={"httpRoute": {"name": SHARED, "rule": model}})
    for model in IDLE:
        eventually(lambda model=model: stage.in_force(model), f"{model} has its policy")  # type: ignore[misc]
    counts = {replica.name: 0.0 for replica in stage.replicas if replica.running}

    def quiet() -> bool:
        running = [replica for replica in stage.replicas if replica.running]
        last, now = dict(counts), {replica.name: passes(replica) for replica in running}
        counts.update(now)
        return last == now

    eventually(quiet, "the last pass is made", 60, every=3)
    seen = {name: len(recorded) for name, recorded in stage.recorded.items()}
    time.sleep(_AT_REST_SECONDS)  # nothing can be waited for: that nothing comes is what is looked at
    asked = [each for name, recorded in stage.recorded.items() for each in recorded[seen[name] :]]
    for replica in stage.replicas:
        if replica.running:
            assert passes(replica) == counts[replica.name], f"{replica.name} works on idle models"
    assert [str(each) for each in asked if not is_watching(each) and "/leases" not in each.path] == []
    leases = Counter(each.method for each in asked if "/leases" in each.path)
    figures(
        f"{len(IDLE)} idle models, {_AT_REST_SECONDS:g} s: {dict(leases)} of Leases, no pass, nothing else"
    )


def is_watching(request: Recorded) -> bool:
    """A watch, or the list before it: of a collection, whatever the number of models."""
    last = request.path.rpartition("/")[2]
    return request.method == "GET" and last in (
        "modelrollouts",
        "httproutes",
        "services",
        "endpointslices",
        "configmaps",
    )


def the_number_of_shards_is_changed(stage: ClusterStage, sharded: list[Replica], whole: Replica) -> None:
    borne = {
        model: int(stage.rollout(f"{model}-v3")["metadata"]["annotations"]["serinus.dev/epoch"])
        for model in MODELS.values()
    }
    for replica in sharded[:2]:
        assert replica.stop() in (0, EXIT_DEPOSED)
    assert not whole.log("lease_taken"), "one shard still leads"
    for replica in sharded[2:]:
        assert replica.stop() in (0, EXIT_DEPOSED)
    assert leader(stage, WHOLE) is whole
    assert lease(stage, WHOLE)["leaseTransitions"] > max(borne.values())
    for model in MODELS.values():
        stage.policy(model, TWO_STEPS, route={"httpRoute": {"name": SHARED, "rule": model}})
    for model in MODELS.values():
        name = stage.release(model, "v2", f"{model}-back")
        stage.until_phase(name, Phase.SUCCEEDED)
    assert marks(stage).keys() == {mark_on_routes(WHOLE)}
    sharded[0].start()
    eventually(lambda: len(sharded[0].log("other_sharding_leads")) > 0, "it waits likewise")
    assert leader(stage, WHOLE) is whole
