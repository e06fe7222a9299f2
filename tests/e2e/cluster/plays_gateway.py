"""Plays about the route: what is not ours on it, who else writes to it, and gateways that do not obey."""

import json
from copy import deepcopy
from typing import Any

from controller.domain.vocabulary import Phase, Reason
from tests.e2e.cluster.casting import play
from tests.e2e.cluster.plays_people import at_the_second_step
from tests.e2e.cluster.policies import TWO_STEPS
from tests.e2e.cluster.routes import copies_of
from tests.e2e.cluster.stage import ClusterStage
from tests.kube.manifests import PORT, backend, deployment, route

Obj = dict[str, Any]

POOLS = "inference.networking.k8s.io"


@play
def foreign_parts(stage: ClusterStage, model: str) -> None:
    """Other rules, filters and backends of the route are the same, byte for byte, after a whole rollout."""
    stage.policy(
        model,
        TWO_STEPS,
        route={"httpRoute": {"name": model, "rule": "main", "stable": f"{model}-v1"}},
    )
    other = f"{model}-other"
    stage.serve(other, "v1", "models/echo:v1")
    stage.serve(model, "v1", "models/tumor:v1")
    stage.until_ready(f"{model}-v1")
    stage.until_ready(f"{other}-v1")
    manifest = crowded(stage.namespace, model, f"{other}-v1")
    text = json.dumps(manifest)
    stage.kubectl("apply", "-f", "-", objects=[manifest])
    stage.adopt_route(model, f"{model}-v1", rule=1)
    stage.candidate(model, "v2", "models/tumor:v2")
    stage.wait(stage.release(model, "v2"), "Promoted")
    after = stage.route_of(model)
    assert after["metadata"]["annotations"].keys() - stage.before[model]["metadata"][
        "annotations"
    ].keys() == {"serinus.dev/epoch"}
    expected = deepcopy(stage.before[model]["spec"])
    expected["rules"][1]["backendRefs"][1]["name"] = f"{model}-v2"
    assert after["spec"] == expected
    shown = stage.difference(text)
    assert [line.split(":")[0] for line in shown[:2]] == ["-  generation", "+  generation"], shown
    assert shown[2:] == [f"-      name: {model}-v2", f"+      name: {model}-v1"], shown


def crowded(namespace: str, model: str, other: str) -> Obj:
    """A route as teams have them: the model's rule is the second of three, stable its second backend."""
    stable = {**backend(f"{model}-v1", 40), "port": PORT}
    stable["filters"].append(
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "x-a", "value": "b"}]}}
    )
    made = route(namespace, model, [backend(other, 10, header=False), stable])
    made["metadata"] |= {"labels": {"team": "a"}, "annotations": {"note": "ours: do not touch"}}
    main = made["spec"]["rules"][0]
    main["name"] = "main"
    main["filters"].append(
        {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x-internal"]}}
    )
    main["timeouts"] = {"request": "10s"}
    admin = {
        "name": "admin",
        "matches": [{"path": {"type": "Exact", "value": f"/admin/{model}"}, "method": "GET"}],
        "backendRefs": [backend(other, 3), backend(f"{model}-v1", 1)],
    }
    rest = {
        "matches": [{"path": {"type": "PathPrefix", "value": f"/rest/{model}"}}],
        "backendRefs": [backend(other)],
    }
    made["spec"]["rules"] = [admin, main, rest]
    return made


@play
def copied(stage: ClusterStage, model: str) -> None:
    """Requests are copied to a version before the first of them is given to it; then it is promoted."""
    stage.policy(model, ({"shadow": "50%", "for": "1s", "min_requests": 5}, *TWO_STEPS))
    stage.in_service(model)
    stage.candidate(model, "v2", "models/tumor:v2")
    name = stage.release(model, "v2")
    stage.wait(name, "Promoted")
    routes = [each.obj for each in stage.writes() if (each.kind, each.name) == ("httproutes", model)]
    given = [(copies_of(each, stage.backends[model]), _given(each, f"{model}-v2")) for each in routes]
    changes = [now for index, now in enumerate(given) if not index or now != given[index - 1]]
    assert (500, 0) in changes, changes
    after = changes[changes.index((500, 0)) + 1 :]
    assert after[0] == (0, 200), changes
    assert not any(copies for copies, _ in after), changes


def _given(route_: Obj, name: str) -> int:
    refs = route_["spec"]["rules"][0]["backendRefs"]
    return sum(ref.get("weight", 1) for ref in refs if ref["name"] == name)


@play
def drift(stage: ClusterStage, model: str) -> None:
    """Somebody else changes the weights: the rollout stands still, and says who it was."""
    name = at_the_second_step(stage, model)
    edit(stage, model, "argocd-controller")
    told = stage.until_phase(name, Phase.FROZEN)["status"]
    assert told["reason"] == Reason.DRIFT_DETECTED
    assert "argocd-controller" in told["message"]
    assert next(each for each in told["conditions"] if each["type"] == "DriftFree")["status"] == "False"
    assert set(stage.weights(model).values()) == {900, 100}, "nobody fights over the route"
    stage.ask(name, "abort")
    assert stage.until_over(name)["status"]["phase"] == Phase.ABORTED
    assert stage.route_of(model)["spec"] == stage.before[model]["spec"]


@play
def drift_restored(stage: ClusterStage, model: str) -> None:
    """Where the policy says so, foreign weights are put back, and the rollout goes on."""
    name = at_the_second_step(stage, model, on_drift="restore")
    edit(stage, model, "kustomize-controller")
    stage.until_weights(model, {500})
    stage.until_counting(name, 50)
    stage.ask(name, "promote")
    stage.wait(name, "Promoted")


def edit(stage: ClusterStage, model: str, manager: str) -> None:
    """kubectl patch, as a GitOps tool's field manager."""
    refs = stage.route_of(model)["spec"]["rules"][0]["backendRefs"]
    patch = [
        {"op": "replace", "path": f"/spec/rules/0/backendRefs/{index}/weight", "value": weight}
        for index, weight in zip(range(len(refs)), (900, 100), strict=True)
    ]
    words = ("--type=json", f"--patch={json.dumps(patch)}", f"--field-manager={manager}")
    stage.kubectl("patch", "httproute", model, *words)


@play
def dishonest_gateway(stage: ClusterStage, model: str) -> None:
    """A gateway that says Accepted and sends everything to stable is found out."""
    manners = stage.simulator.gateway
    stage.simulator.change(manners, dishonest=manners.dishonest | {model})
    stage.policy(model, TWO_STEPS)
    stage.in_service(model)
    stage.candidate(model, "v2", "models/echo:v2")
    name = stage.release(model, "v2")
    stage.until(name, lambda status: status.get("reason") == Reason.ROUTE_NOT_HONOURED, "found out")
    assert stage.weights(model)[f"{model}-v2"] <= 200
    stage.ask(name, "abort")
    assert stage.until_over(name)["status"]["phase"] == Phase.ABORTED


@play
def silent_gateway(stage: ClusterStage, model: str) -> None:
    """A gateway that does not say Accepted is waited for."""
    stage.policy(model, TWO_STEPS)
    stage.in_service(model)
    stage.candidate(model, "v2", "models/echo:v2")
    manners = stage.simulator.gateway
    stage.simulator.change(manners, silent=manners.silent | {model})
    name = stage.release(model, "v2")
    waits = stage.until(name, lambda status: status.get("reason") == Reason.WAITING_FOR_GATEWAY, "waiting")
    assert waits["status"]["weightPercent"] == 20
    stage.simulator.change(manners, silent=manners.silent - {model})
    stage.wait(name, "Promoted")


@play
def pools(stage: ClusterStage, model: str) -> None:
    """The backends are InferencePools."""
    stage.policy(model, TWO_STEPS)
    stage.serve(f"{model}-picker", "v1", "models/echo:v1")
    for version in ("v1", "v2"):
        stage.apply(
            deployment(stage.namespace, model, version, f"models/tumor:{version}"),
            pool(stage.namespace, model, version),
        )
    stage.until_ready(f"{model}-v1")
    stage.route(model, {"group": POOLS, "kind": "InferencePool", "name": f"{model}-v1"})
    stage.backends[model].names += [f"{model}-v1", f"{model}-v2"]
    name = stage.release(model, "v2", backend={"kind": "InferencePool", "name": f"{model}-v2"})
    stage.wait(name, "Promoted")
    assert stage.route_of(model)["spec"]["rules"][0]["backendRefs"][0]["kind"] == "InferencePool"
    assert list(stage.weights(model)) == [f"{model}-v2"]


def pool(namespace: str, model: str, version: str) -> Obj:
    name = f"{model}-{version}"
    labels = {"serinus.dev/model": model, "serinus.dev/version": version}
    return {
        "apiVersion": f"{POOLS}/v1",
        "kind": "InferencePool",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "targetPorts": [{"number": PORT}],
            "endpointPickerRef": {"name": f"{model}-picker-v1", "port": {"number": PORT}},
        },
    }
