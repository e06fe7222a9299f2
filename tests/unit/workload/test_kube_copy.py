"""The clone of a workload: what it takes over, what it leaves, and that nothing of stable's reaches it."""

from copy import deepcopy
from typing import Any

import pytest

from controller.adapters.workload.kube_copy import Original, Wanted, asked, copy_of
from controller.adapters.workload.kube_isolation import Reach
from controller.adapters.workload.kube_labels import pods_of, selects
from controller.domain.release import Image
from controller.errors import TargetError
from tests.kube_workloads import Obj, autoscaler, budget, deployment, meta, service

MARKS = {
    "serinus.dev/model": "fraud",
    "serinus.dev/version": "v7",
    "serinus.dev/rollout": "fraud-v7",
    "serinus.dev/created": "true",
}
IDENTITY = {key: value for key, value in MARKS.items() if not key.endswith("created")}


V7 = Image("registry/fraud:v7")


def wanted(image: Image = V7, replicas: int = 1, **more: Any) -> Wanted:
    fields = {"name": "fraud-v7", "model": "fraud", "version": "v7", "rollout": "fraud-v7", **more}
    return Wanted(image=image, replicas=replicas, **fields)


def original(
    stable: Obj | None = None,
    before: Obj | None = None,
    *,
    hpa: Obj | None = None,
    pdb: Obj | None = None,
    others: list[Reach] | None = None,
) -> Original:
    stable, before = stable or deployment(), before or service()
    reaches = [
        Reach("Deployment fraud-v6", stable["spec"]["selector"]),
        Reach("Service fraud-v6", pods_of(before)),
        *(others or []),
    ]
    return Original(stable, before, hpa, pdb, reaches, copies=4)


def copied(source: Original, what: Wanted | None = None) -> dict[str, Obj]:
    """The objects by kind."""
    return {each["kind"]: each for each in copy_of(source, what or wanted())}


def pod_labels(objects: dict[str, Obj]) -> dict[str, str]:
    labels: dict[str, str] = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    return labels


def test_deployment_and_service_under_the_new_name_with_selectors_of_their_own() -> None:
    made = copied(original())
    assert list(made) == ["Service", "Deployment"]
    for each in made.values():
        assert each["metadata"]["name"] == "fraud-v7"
        assert each["metadata"]["namespace"] == "ml"
        assert MARKS.items() <= each["metadata"]["labels"].items()
    assert made["Deployment"]["spec"]["selector"] == {"matchLabels": IDENTITY}
    assert made["Service"]["spec"]["selector"] == IDENTITY
    assert IDENTITY.items() <= pod_labels(made).items()
    assert made["Deployment"]["spec"]["replicas"] == 1
    assert made["Deployment"]["metadata"]["annotations"]["serinus.dev/copies"] == "4"


def test_the_only_container_gets_the_image_and_keeps_the_rest() -> None:
    (container,) = copied(original())["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container == {
        "name": "server",
        "image": "registry/fraud:v7",
        "ports": [{"containerPort": 8080}],
    }


def test_arguments_are_replaced_and_variables_added_or_replaced_in_place() -> None:
    stable = deployment()
    server = stable["spec"]["template"]["spec"]["containers"][0]
    server["args"] = ["--old"]
    server["env"] = [{"name": "A", "valueFrom": {"secretKeyRef": {}}}, {"name": "B", "value": "$(A)"}]
    image = Image("i:7", args=("--new",), env=(("A", "1"), ("C", "3")))
    (container,) = copied(original(stable), wanted(image))["Deployment"]["spec"]["template"]["spec"][
        "containers"
    ]
    assert container["args"] == ["--new"]
    assert container["env"] == [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)"},
        {"name": "C", "value": "3"},
    ]


def test_no_arguments_at_all_can_be_asked_for() -> None:
    stable = deployment()
    stable["spec"]["template"]["spec"]["containers"][0]["args"] = ["--old"]
    made = copied(original(stable), wanted(Image("i:7", args=())))
    assert made["Deployment"]["spec"]["template"]["spec"]["containers"][0]["args"] == []


def test_a_named_container_gets_the_image_and_the_others_stay() -> None:
    stable = deployment()
    stable["spec"]["template"]["spec"]["containers"].insert(0, {"name": "proxy", "image": "proxy:1"})
    made = copied(original(stable), wanted(Image("i:7", container="server")))
    containers = made["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert [each["image"] for each in containers] == ["proxy:1", "i:7"]
    with pytest.raises(TargetError, match="no container x, but proxy, server"):
        copied(original(stable), wanted(Image("i:7", container="x")))


def test_the_original_is_not_changed() -> None:
    source = original(hpa=autoscaler(), pdb=budget())
    before = deepcopy(source)
    made = copy_of(source, wanted())
    for each in made:
        each["spec"].clear()
    assert source == before


def test_marks_of_the_server_and_of_owners_are_left_behind() -> None:
    stable = deployment()
    stable["metadata"] |= {
        "uid": "u",
        "resourceVersion": "7",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [{}],
        "ownerReferences": [{"kind": "ModelRollout", "name": "x"}],
        "finalizers": ["x/y"],
        "selfLink": "/x",
        "annotations": {"deployment.kubernetes.io/revision": "4", "team": "ml"},
    }
    stable["status"] = {"replicas": 4}
    stable["spec"]["paused"] = True
    stable["spec"]["template"]["metadata"]["creationTimestamp"] = None
    stable["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] = "abc"
    made = copied(original(stable))
    copy = made["Deployment"]
    assert set(copy) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(copy["metadata"]) == {"name", "namespace", "labels", "annotations"}
    assert set(copy["metadata"]["annotations"]) == {"team", "serinus.dev/copies", "serinus.dev/asked"}
    assert "paused" not in copy["spec"]
    assert set(copy["spec"]["template"]["metadata"]) == {"labels"}
    assert "pod-template-hash" not in pod_labels(made)


@pytest.mark.parametrize(
    "mark",
    [
        "argocd.argoproj.io/tracking-id",
        "argocd.argoproj.io/instance",
        "kustomize.toolkit.fluxcd.io/name",
        "helm.toolkit.fluxcd.io/namespace",
        "meta.helm.sh/release-name",
        "helm.sh/chart",
        "app.kubernetes.io/managed-by",
        "kubectl.kubernetes.io/last-applied-configuration",
        "applyset.kubernetes.io/part-of",
        "external-dns.alpha.kubernetes.io/hostname",
        "cloud.google.com/neg",
    ],
)
def test_marks_by_which_others_track_or_publish_are_left_behind(mark: str) -> None:
    stable, before, hpa, pdb = deployment(), service(), autoscaler(), budget()
    for each in (stable, before, hpa, pdb):
        each["metadata"] |= {"labels": {mark: "x", "team": "ml"}, "annotations": {mark: "x"}}
    stable["spec"]["template"]["metadata"]["annotations"] = {mark: "x", "scrape": "yes"}
    stable["spec"]["template"]["metadata"]["labels"][mark] = "x"
    made = copied(original(stable, before, hpa=hpa, pdb=pdb))
    for each in made.values():
        assert mark not in each["metadata"]["labels"]
        assert mark not in each["metadata"].get("annotations", {})
        assert each["metadata"]["labels"]["team"] == "ml"
    template = made["Deployment"]["spec"]["template"]["metadata"]
    assert template["annotations"] == {"scrape": "yes"}
    assert mark not in template["labels"]


INSTANCE = "app.kubernetes.io/instance"


@pytest.mark.parametrize(
    ("annotations", "labels", "kept"),
    [
        ({}, {}, False),  # Argo CD may track by it
        ({"argocd.argoproj.io/tracking-id": "fraud:apps/Deployment:ml/fraud-v6"}, {}, True),
        ({"meta.helm.sh/release-name": "fraud"}, {}, True),
        ({}, {"kustomize.toolkit.fluxcd.io/name": "apps"}, True),
    ],
)
def test_the_instance_label_stays_only_where_nobody_tracks_by_it(
    annotations: Obj, labels: Obj, kept: bool
) -> None:
    before = service()
    before["metadata"] |= {"labels": {INSTANCE: "fraud", **labels}, "annotations": annotations}
    assert (INSTANCE in copied(original(before=before))["Service"]["metadata"]["labels"]) is kept


def test_a_service_is_cloned_for_inside_the_cluster_only() -> None:
    before = service()
    before["spec"] |= {
        "type": "LoadBalancer",
        "clusterIP": "10.96.0.7",
        "clusterIPs": ["10.96.0.7"],
        "healthCheckNodePort": 30001,
        "externalTrafficPolicy": "Local",
        "externalIPs": ["192.0.2.7"],
        "loadBalancerIP": "192.0.2.8",
        "loadBalancerSourceRanges": ["10.0.0.0/8"],
        "sessionAffinity": "ClientIP",
    }
    before["spec"]["ports"][0]["nodePort"] = 30000
    before["status"] = {"loadBalancer": {}}
    copy = copied(original(before=before))["Service"]
    assert copy["spec"] == {
        "type": "ClusterIP",
        "selector": IDENTITY,
        "sessionAffinity": "ClientIP",
        "ports": [{"name": "http", "port": 8080, "targetPort": 8080, "protocol": "TCP"}],
    }
    assert "status" not in copy


def test_a_headless_service_stays_headless() -> None:
    before = service()
    before["spec"] |= {"clusterIP": "None", "clusterIPs": ["None"]}
    spec = copied(original(before=before))["Service"]["spec"]
    assert spec["clusterIP"] == "None"
    assert "clusterIPs" not in spec


def test_a_selector_of_stable_that_would_match_is_evaded_by_another_value() -> None:
    stable = deployment(labels={"app": "fraud", "tier": "ml"})
    stable["spec"]["selector"] = {"matchLabels": {"app": "fraud"}}
    made = copied(original(stable, service(selector={"app": "fraud"})))
    assert pod_labels(made) == {"app": "fraud-v7", "tier": "ml", **MARKS}


def test_a_version_label_says_the_new_version_and_the_name_stays() -> None:
    stable = deployment(labels={"app": "fraud", "version": "v6"})
    made = copied(original(stable, service(selector={"app": "fraud", "version": "v6"})))
    assert pod_labels(made) == {"app": "fraud", "version": "v7", **MARKS}


def test_any_service_that_would_select_the_copy_is_evaded() -> None:
    stable = deployment(labels={"app": "fraud", "tier": "ml", "version": "v6"})
    apex = Reach("Service apex", {"matchLabels": {"app": "fraud"}})
    every = Reach("Service every", {"matchLabels": {"tier": "ml"}})
    other = Reach("Service other", {"matchLabels": {"app": "fraud-v7"}})
    made = copied(original(stable, service(selector={"version": "v6"}), others=[apex, every, other]))
    labels = pod_labels(made)
    for reach in (apex, every, other):
        assert not selects(reach.selector, labels)
    assert labels["tier"] == "fraud-v7"
    assert "app" not in labels  # its other value is taken


@pytest.mark.parametrize(
    ("expression", "label"),
    [
        ({"key": "app", "operator": "Exists"}, None),
        ({"key": "app", "operator": "In", "values": ["fraud", "x"]}, "fraud-v7"),
        ({"key": "canary", "operator": "NotIn", "values": ["yes"]}, "fraud"),
        ({"key": "canary", "operator": "DoesNotExist"}, "fraud"),
    ],
)
def test_expressions_are_evaded_too(expression: Obj, label: str | None) -> None:
    stable = deployment(labels={"app": "fraud"})
    selector = {"matchExpressions": [expression]}
    stable["spec"]["selector"] = selector
    made = copied(original(stable, service(selector={"app": "elsewhere"})))
    assert not selects(selector, pod_labels(made))
    assert pod_labels(made).get("app") == label


def test_a_selector_that_cannot_be_evaded_refuses_the_copy() -> None:
    others = [Reach("Service ready-made", {"matchLabels": {"serinus.dev/version": "v7"}})]
    with pytest.raises(TargetError, match="Service ready-made would select the pods of fraud-v7"):
        copied(original(others=others))


def test_a_copy_of_a_copy_is_of_its_own_version() -> None:
    first = copied(original())
    again = original(first["Deployment"], first["Service"])
    second = copied(again, wanted(Image("i:8"), name="fraud-v8", version="v8", rollout="fraud-v8"))
    labels = pod_labels(second)
    assert labels["serinus.dev/version"] == "v8"
    assert not selects({"matchLabels": first["Service"]["spec"]["selector"]}, labels)
    assert not selects({"matchLabels": second["Service"]["spec"]["selector"]}, pod_labels(first))


def test_a_workload_is_not_cloned_from_itself() -> None:
    first = copied(original())
    with pytest.raises(TargetError, match="was created by this rollout"):
        copied(original(first["Deployment"], first["Service"]))


@pytest.mark.parametrize("version", ["", "v" * 64, "v7!", "-v7"])
def test_what_cannot_be_a_label_is_refused(version: str) -> None:
    with pytest.raises(TargetError, match=r"cannot be the label serinus\.dev/version"):
        copied(original(), wanted(version=version))


def test_rules_about_its_own_pods_mean_the_copys_pods() -> None:
    own = {
        "matchLabels": {"app": "fraud"},
        "matchExpressions": [{"key": "app", "operator": "In", "values": ["fraud"]}],
    }
    cache = {"matchLabels": {"app": "feature-store"}}
    stable = deployment(
        labels={"app": "fraud"},
        topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "zone", "labelSelector": own}],
        affinity={
            "podAffinity": {"required": [{"labelSelector": cache, "topologyKey": "host"}]},
            "podAntiAffinity": {"preferred": [{"podAffinityTerm": {"labelSelector": own}}]},
            "nodeAffinity": {"x": [1, "y"]},
        },
    )
    spec = copied(original(stable, service(selector={"app": "fraud"})))["Deployment"]["spec"]["template"][
        "spec"
    ]
    new = {
        "matchLabels": {"app": "fraud-v7"},
        "matchExpressions": [{"key": "app", "operator": "In", "values": ["fraud-v7"]}],
    }
    assert spec["topologySpreadConstraints"][0]["labelSelector"] == new
    anti = spec["affinity"]["podAntiAffinity"]["preferred"][0]["podAffinityTerm"]
    assert anti["labelSelector"] == new
    assert spec["affinity"]["podAffinity"]["required"][0]["labelSelector"] == cache
    assert spec["affinity"]["nodeAffinity"] == {"x": [1, "y"]}


def test_autoscaler_and_budget_are_cloned_for_the_copy() -> None:
    hpa = autoscaler(least=2, most=3)
    hpa["spec"]["metrics"] = [
        {"type": "Object", "object": {"describedObject": {"kind": "Service", "name": "fraud-v6"}}},
        {"type": "Resource", "resource": {"name": "cpu"}},
    ]
    made = copied(original(hpa=hpa, pdb=budget()), wanted(replicas=4))
    assert list(made) == ["Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Deployment"]
    copy = made["HorizontalPodAutoscaler"]
    assert copy["spec"]["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "fraud-v7",
    }
    assert (copy["spec"]["minReplicas"], copy["spec"]["maxReplicas"]) == (4, 4)
    assert copy["metadata"]["annotations"] == {"serinus.dev/min-replicas": "2"}
    assert copy["spec"]["metrics"][0]["object"]["describedObject"]["name"] == "fraud-v7"
    assert copy["spec"]["metrics"][1] == hpa["spec"]["metrics"][1]
    assert made["PodDisruptionBudget"]["spec"] == {"minAvailable": 1, "selector": {"matchLabels": IDENTITY}}


def test_the_first_minimum_is_handed_on_through_copies_of_copies() -> None:
    hpa = autoscaler(least=2)
    first = copied(original(hpa=hpa), wanted(replicas=8))
    source = original(first["Deployment"], first["Service"], hpa=first["HorizontalPodAutoscaler"])
    second = copied(source, wanted(name="fraud-v8", version="v8", rollout="fraud-v8"))
    annotations = second["HorizontalPodAutoscaler"]["metadata"]["annotations"]
    assert annotations["serinus.dev/min-replicas"] == "2"


def test_an_autoscaler_of_somebody_else_refuses_the_copy() -> None:
    hpa = autoscaler()
    hpa["metadata"]["ownerReferences"] = [{"kind": "ScaledObject", "name": "fraud"}]
    with pytest.raises(TargetError, match="ScaledObject fraud scales the stable Deployment fraud-v6"):
        copied(original(hpa=hpa))


def test_a_budget_that_covers_the_copy_anyway_is_not_cloned() -> None:
    pdb = budget()
    pdb["spec"]["selector"] = {}
    assert "PodDisruptionBudget" not in copied(original(pdb=pdb))


def test_what_is_asked_for_has_a_digest_of_its_own() -> None:
    images = [
        Image("i:7"),
        Image("i:8"),
        Image("i:7", args=()),
        Image("i:7", env=(("A", "1"),)),
        Image("i:7", container="server"),
    ]
    assert len({asked(each) for each in images}) == len(images)
    assert asked(Image("i:7")) == asked(Image("i:7"))


def test_metadata_without_labels_will_do() -> None:
    stable = deployment()
    stable["metadata"] = meta("fraud-v6")
    del stable["metadata"]["labels"]
    assert copied(original(stable))["Deployment"]["metadata"]["labels"] == MARKS
