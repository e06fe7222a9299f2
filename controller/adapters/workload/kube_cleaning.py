"""Takes from an object what belongs to that object alone, so that the rest can become another one. Pure.

What goes: what the API server wrote, marks by which somebody else tracks, prunes or publishes the object, and
every ownerReference, for the copy outlives its record.

**Source**: Argo CD, "Resource Tracking"; Flux, kustomize- and helm-controller; Helm, "Labels and
Annotations"; kubectl's ApplySets (KEP-3659); the documentation of each other tool named here.
"""

from copy import deepcopy

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping
from controller.adapters.workload.kube_labels import annotations_of, labels_of

INSTANCE = "app.kubernetes.io/instance"

_FOREIGN_PREFIXES = (
    # who deletes what it does not find in Git
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "applyset.kubernetes.io/",
    "config.k8s.io/",
    "configsync.gke.io/",
    "configmanagement.gke.io/",
    "kapp.k14s.io/",
    "fleet.cattle.io/",
    "objectset.rio.cattle.io/",
    # who deletes what its release does not have
    "meta.helm.sh/",
    "helm.sh/",
    # whose addresses and names are the original's
    "external-dns.alpha.kubernetes.io/",
    "tailscale.com/",
    "deployment.kubernetes.io/",
    # ours, of the version that is copied
    "serinus.dev/",
)
_FOREIGN = frozenset(
    {
        "app.kubernetes.io/managed-by",
        "kubectl.kubernetes.io/last-applied-configuration",
        "cloud.google.com/neg",
        "cloud.google.com/neg-status",
        "pod-template-hash",
        "controller-revision-hash",
    }
)
_TRACKED_OTHERWISE = ("argocd.argoproj.io/tracking-id", "meta.helm.sh/release-name")

_ALLOCATED = (
    "clusterIPs",
    "externalIPs",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "allocateLoadBalancerNodePorts",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
)


def foreign(key: str) -> bool:
    """Whether a label or an annotation of this key must not stand on a copy."""
    return key in _FOREIGN or key.startswith(_FOREIGN_PREFIXES)


def own(marks: dict[str, str]) -> dict[str, str]:
    """Labels or annotations without the foreign ones."""
    return {key: value for key, value in marks.items() if not foreign(key)}


def object_labels(original: Obj) -> dict[str, str]:
    """The labels that a copy of the object keeps.

    ``app.kubernetes.io/instance`` is the label of many charts, and the one by which Argo CD can be told to
    track: a copy with it would be pruned. It stays only where another mark shows what tracks it.
    """
    labels = own(labels_of(original))
    marks = annotations_of(original)
    flux = any(key.startswith("kustomize.toolkit.fluxcd.io/") for key in labels_of(original))
    if not flux and not any(each in marks for each in _TRACKED_OTHERWISE):
        labels.pop(INSTANCE, None)
    return labels


def bare(original: Obj, name: str) -> Obj:
    """A new object of the same kind and spec, in the same namespace, without labels; nothing is shared."""
    metadata: Obj = {"name": name}
    namespace = mapping(original.get("metadata")).get("namespace")
    if namespace is not None:
        metadata["namespace"] = namespace
    annotations = own(annotations_of(original))
    if annotations:
        metadata["annotations"] = annotations
    kept = {key: deepcopy(value) for key, value in original.items() if key not in ("metadata", "status")}
    return {**kept, "metadata": metadata}


def inside(service_spec: Obj) -> Obj:
    """A Service's spec for inside the cluster only: nobody outside may reach a version before its validation.

    A headless Service stays headless: that is a choice, not an address.
    """
    kept = {key: value for key, value in service_spec.items() if key not in _ALLOCATED}
    if kept.get("clusterIP") != "None":
        kept.pop("clusterIP", None)
    if "type" in kept:
        kept["type"] = "ClusterIP"
    if isinstance(kept.get("ports"), list):
        kept["ports"] = [_without_node_port(mapping(port)) for port in kept["ports"]]
    return kept


def _without_node_port(port: Obj) -> Obj:
    return {key: value for key, value in port.items() if key != "nodePort"}
