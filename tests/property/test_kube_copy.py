"""Clones of random workloads: nothing of stable reaches them, no foreign mark stays, the rest is kept."""

from copy import deepcopy
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from controller.adapters.workload.kube_copy import Original, Wanted, copy_of
from controller.adapters.workload.kube_isolation import Reach
from controller.adapters.workload.kube_labels import pods_of
from controller.domain.release import Image
from controller.errors import TargetError

Obj = dict[str, Any]

KEYS = ["app", "tier", "version", "app.kubernetes.io/name", "app.kubernetes.io/instance", "zone"]
FOREIGN = [
    "argocd.argoproj.io/instance",
    "kustomize.toolkit.fluxcd.io/name",
    "helm.sh/chart",
    "meta.helm.sh/release-name",
    "app.kubernetes.io/managed-by",
    "pod-template-hash",
    "deployment.kubernetes.io/revision",
    "kubectl.kubernetes.io/last-applied-configuration",
]
SERVER_SET = ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"]
VALUES = st.sampled_from(["fraud", "ml", "v6", "v7", "fraud-v7", ""])
LABELS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4)
MARKS = st.dictionaries(st.sampled_from(KEYS + FOREIGN), VALUES, max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "labelSelector"]), inner)
    ),
    max_leaves=5,
)
EXPRESSIONS = st.one_of(
    st.builds(
        lambda key, operator, values: {"key": key, "operator": operator, "values": values},
        st.sampled_from(KEYS),
        st.sampled_from(["In", "NotIn"]),
        st.lists(VALUES, min_size=1, max_size=2),
    ),
    st.builds(
        lambda key, operator: {"key": key, "operator": operator},
        st.sampled_from(KEYS),
        st.sampled_from(["Exists", "DoesNotExist"]),
    ),
)
WANTED = Wanted("fraud-v7", "fraud", "v7", "fraud-v7", Image("new:7", args=("a",), env=(("A", "1"),)), 3)


@st.composite
def metadata(draw: st.DrawFn, name: str) -> Obj:
    found: Obj = {"name": name, "namespace": "ml", "labels": draw(MARKS), "annotations": draw(MARKS)}
    for key in draw(st.lists(st.sampled_from([*SERVER_SET, "ownerReferences", "finalizers"]), max_size=4)):
        found[key] = "x"
    return found


@st.composite
def deployments(draw: st.DrawFn) -> Obj:
    labels = {**draw(MARKS), "app": draw(VALUES)}
    keys = draw(st.lists(st.sampled_from(sorted(labels)), min_size=1, unique=True))
    selector: Obj = {"matchLabels": {key: labels[key] for key in keys}}
    if draw(st.booleans()):
        selector["matchExpressions"] = draw(st.lists(EXPRESSIONS, max_size=2))
    containers = [
        {
            "name": f"c{n}",
            "image": "old:6",
            **draw(st.fixed_dictionaries({}, optional={"args": JSON, "ports": JSON})),
        }
        for n in range(draw(st.integers(1, 3)))
    ]
    rest = draw(st.dictionaries(st.sampled_from(["volumes", "affinity", "tolerations"]), JSON, max_size=2))
    more = draw(st.dictionaries(st.sampled_from(["strategy", "minReadySeconds", "paused"]), JSON, max_size=2))
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": draw(metadata("fraud-v6")),
        "spec": {
            **more,
            "replicas": draw(st.integers(0, 9)),
            "selector": selector,
            "template": {
                "metadata": {"labels": labels, "annotations": draw(MARKS)},
                "spec": {**rest, "containers": containers},
            },
        },
        "status": draw(JSON),
    }


@st.composite
def services(draw: st.DrawFn, labels: Obj, name: str) -> Obj:
    """A Service whose selector is a part of some pods' labels, or any other."""
    keys = draw(st.lists(st.sampled_from(sorted(labels)), min_size=1, unique=True))
    selector = draw(st.just({key: labels[key] for key in keys}) | LABELS)
    extras = ["clusterIP", "clusterIPs", "healthCheckNodePort", "externalIPs", "sessionAffinity"]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": draw(metadata(name)),
        "spec": {
            "selector": selector,
            "ports": [{"port": 80, "nodePort": 30000}],
            **dict.fromkeys(draw(st.lists(st.sampled_from(extras))), "x"),
        },
    }


@st.composite
def originals(draw: st.DrawFn) -> Original:
    stable = draw(deployments())
    labels = stable["spec"]["template"]["metadata"]["labels"]
    before = draw(services(labels, "fraud-v6"))
    others = draw(st.lists(services(labels, "other"), max_size=3))
    reaches = [Reach("Deployment", stable["spec"]["selector"])]
    reaches += [Reach(f"Service {n}", pods_of(each)) for n, each in enumerate([before, *others])]
    return Original(stable, before, None, None, reaches, copies=2)


def matches(selector: Obj, labels: Obj) -> bool:
    """As the API server decides it, written down a second time."""
    conditions = [labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()]
    for each in selector.get("matchExpressions", []):
        has, value = each["key"] in labels, labels.get(each["key"])
        conditions.append(
            {
                "In": has and value in each.get("values", []),
                "NotIn": not has or value not in each.get("values", []),
                "Exists": has,
                "DoesNotExist": not has,
            }[each["operator"]]
        )
    return bool(conditions) and all(conditions)


def plain(source: Original) -> bool:
    """Whether only equalities are selected by, and so another value always helps."""
    return all(not each.selector.get("matchExpressions") for each in source.reaches)


@settings(max_examples=120, deadline=None)
@given(originals())
def test_a_copy_is_apart_bears_no_foreign_mark_and_keeps_everything_else(source: Original) -> None:
    before = deepcopy(source)
    try:
        service, deployment = copy_of(source, WANTED)
    except TargetError:
        assert not plain(source)
        event("refused")
        return
    assert source == before
    template = deployment["spec"]["template"]
    labels = template["metadata"]["labels"]
    for reach in source.reaches:
        assert not matches(reach.selector, labels)
    own = deployment["spec"]["selector"]
    assert service["spec"]["selector"] == own["matchLabels"]
    assert matches(own, labels)
    assert not matches(own, source.deployment["spec"]["template"]["metadata"]["labels"])
    for each in (service, deployment, template):
        marked = {**each["metadata"]["labels"], **each["metadata"].get("annotations", {})}
        assert not set(marked) & set(FOREIGN)
        assert not set(each["metadata"]) - {"name", "namespace", "labels", "annotations"}
        assert "status" not in each
    assert not {"clusterIP", "clusterIPs", "healthCheckNodePort", "externalIPs"} & set(service["spec"])
    assert service["spec"]["ports"] == [{"port": 80}]
    kept(source.deployment["spec"], deployment["spec"])


def kept(stable: Obj, copy: Obj) -> None:
    changed = {"replicas", "selector", "template", "paused"}
    assert {key: value for key, value in copy.items() if key not in changed} == {
        key: value for key, value in stable.items() if key not in changed
    }
    old, new = stable["template"]["spec"], copy["template"]["spec"]
    assert new["containers"][0] == {
        **old["containers"][0],
        "image": "new:7",
        "args": ["a"],
        "env": [{"name": "A", "value": "1"}],
    }
    assert new["containers"][1:] == old["containers"][1:]
    assert set(new) == set(old)
    for key in set(old) - {"containers"}:
        assert new[key] == old[key]
    marks = stable["template"]["metadata"]["annotations"]
    annotations = copy["template"]["metadata"].get("annotations", {})
    assert annotations == {key: value for key, value in marks.items() if key not in FOREIGN}
