"""Writes what the manifests and the chart say about rights, from what the adapters declare that they do.

Run it from the root of the repository after an adapter's ``PERMISSIONS`` or the ModelRollout changed:
``python -m deploy.kubernetes.generate``. A test keeps the files current.
"""

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from controller.adapters.kube.declared import PERMISSIONS
from controller.adapters.kube.permissions import Feature, rules
from controller.adapters.kube.rbac import PEOPLE, Rights, added_by, binding, kebab, rights, role, roles
from controller.adapters.kube.resources import LEASES

Obj = dict[str, Any]

HERE = Path(__file__).parent
CHART = HERE.parent / "helm" / "serinus"
CRD = HERE / "crd" / "serinus.dev_modelrollouts.yaml"
"""Written by `python -m controller.adapters.kube.crd`."""
HOME = "serinus"
"""The daemon's own namespace in the kustomize base."""
MODELS = "ml"
"""The namespace of the models in the overlay for one namespace, to be changed by whoever uses it."""
LEASE_NAME = "LEASE_NAME"
"""Stands in the chart's file of rights for the name that a value gives."""

_NAMES = {"app.kubernetes.io/name": "serinus", "app.kubernetes.io/instance": "serinus"}
_AGGREGATE = {"operator": ("admin", "edit"), "viewer": ("view",)}
_ORIGIN = "# Written by python -m deploy.kubernetes.generate\n"
WHAT: Mapping[Feature, str] = {
    Feature.WORKLOADS: "Serinus makes, scales and retires workloads.",
    Feature.CAPACITY: "Before copies are made, the nodes are asked what is free.",
    Feature.INFERENCE_POOLS: "Backends may be InferencePools.",
    Feature.GRPC_ROUTES: "GRPCRoutes are split too.",
    Feature.INFERENCE_SERVICES: "Models of KServe's InferenceServices are rolled out.",
    Feature.LLM_INFERENCE_SERVICES: "KServe's LLMInferenceServices are split.",
    Feature.ISTIO: "VirtualServices of Istio are split too, between Services or subsets.",
    Feature.AI_GATEWAY: "AIGatewayRoutes of Envoy AI Gateway are split too.",
    Feature.KNATIVE: "Knative Services are split too, between their revisions.",
    Feature.GATEWAY_CLASSES: "Before requests are copied, it is asked whether the gateway says that it can.",
    Feature.INFERENCE_MODEL_REWRITES: "LoRA adapters are rolled out inside an InferencePool.",
    Feature.DISCOVERY: "A newly labelled version begins a release by itself.",
    Feature.STATEFUL_SETS: "Versions may run as StatefulSets.",
    Feature.LEADER_WORKER_SETS: "Versions may run as LeaderWorkerSets.",
    Feature.API: "Who bears a token at the HTTP API is asked for, and what they may.",
    Feature.SLACK_CALLBACKS: "Whether whoever presses a button in Slack may steer is asked for.",
}
"""What each feature brings, in a sentence."""
FEATURES = tuple(WHAT)


def files() -> dict[Path, str]:
    """The content of every generated file."""
    core = rights(PERMISSIONS, ())
    subject = {"kind": "ServiceAccount", "name": "serinus", "namespace": HOME}
    leader = role("serinus-leader", HOME, core.leader)
    written = {
        HERE / "base" / "leader.yaml": _yaml(*map(_labelled, (leader, binding(leader, subject)))),
        HERE / "overlays" / "namespace" / "models" / "rights.yaml": _yaml(*_in(MODELS)),
        HERE / "overlays" / "cluster" / "rights.yaml": _yaml(*_in("*")),
        CHART / "files" / "rights.yaml": _yaml(_chart_rights(core)),
        CHART / "files" / "crd.yaml": CRD.read_text(encoding="utf-8"),
    }
    for feature in FEATURES:
        written |= _component(feature)
    return written


def variable(feature: Feature) -> str:
    """The environment variable by which a component switches its feature on."""
    return f"FEATURE_{kebab(feature).replace('-', '_').upper()}"


def _in(namespace: str) -> list[Obj]:
    daemon = roles(PERMISSIONS, (), namespaces=[namespace], home=HOME)
    people = []
    for who, needed in PEOPLE.items():
        made = role(f"serinus-{who}", None if namespace == "*" else namespace, rules(needed, ()))
        if namespace == "*":
            made["metadata"]["labels"] = {
                f"rbac.authorization.k8s.io/aggregate-to-{to}": "true" for to in _AGGREGATE[who]
            }
        people.append(made)
    served = [each for each in daemon if not each["metadata"]["name"].endswith("-leader")]
    return [_labelled(each) for each in (*served, *people)]


def _component(feature: Feature) -> dict[Path, str]:
    """Adds rules to the role, whether it is a Role or a ClusterRole, and switches the feature on."""
    more = added_by(PERMISSIONS, feature)
    folder = HERE / "components" / kebab(feature)
    patches: list[Obj] = []
    if more.namespaced:
        operations = [{"op": "add", "path": "/rules/-", "value": rule} for rule in more.namespaced]
        target = {"group": "rbac.authorization.k8s.io", "kind": "(Cluster)?Role", "name": "serinus"}
        patches.append({"target": target, "patch": _text(_dump(operations))})
    switched = {"name": variable(feature), "value": f',"{feature}"'}
    container = {"name": "serinus", "env": [switched]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "serinus", "namespace": HOME},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    patches.append({"patch": _text(_dump(deployment))})
    kustomization: Obj = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
    written = {}
    if more.cluster:
        kustomization["resources"] = ["cluster-role.yaml"]
        subject = {"kind": "ServiceAccount", "name": "serinus", "namespace": HOME}
        made = role(f"serinus-{kebab(feature)}", None, more.cluster)
        written[folder / "cluster-role.yaml"] = _yaml(*map(_labelled, (made, binding(made, subject))))
    kustomization["patches"] = patches
    written[folder / "kustomization.yaml"] = f"# {WHAT[feature]}\n{_yaml(kustomization)}"
    return written


def _chart_rights(core: Rights) -> Obj:
    leader = [
        {**rule, "resourceNames": [LEASE_NAME]}
        if "resourceNames" in rule and rule["resources"] == [LEASES.plural]
        else rule
        for rule in core.leader
    ]
    features = {feature.value: _scopes(added_by(PERMISSIONS, feature)) for feature in FEATURES}
    people = {who: rules(needed, ()) for who, needed in PEOPLE.items()}
    return {"leader": leader, "core": _scopes(core), **features, "people": people}


def _scopes(granted: Rights) -> Obj:
    return {"namespaced": granted.namespaced, "cluster": granted.cluster}


def _labelled(made: Obj) -> Obj:
    metadata = made["metadata"]
    return {**made, "metadata": {**metadata, "labels": {**_NAMES, **metadata.get("labels", {})}}}


def _yaml(*documents: Obj) -> str:
    return _ORIGIN + "---\n".join(map(_dump, documents))


def _dump(document: Obj | Sequence[Obj]) -> str:
    yaml = YAML()
    yaml.width = 110
    stream = StringIO()
    yaml.dump(document, stream)
    text: str = stream.getvalue()
    return text


def _text(content: str) -> str:
    literal: str = LiteralScalarString(content)
    return literal


if __name__ == "__main__":
    for path, content in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
