"""The roles of the daemon, and of people, from what the adapters declare that they do.

The manifests of ``deploy/`` are written from here, so that the daemon is allowed what its code asks for and
nothing else. Three scopes: the lease and the pause of everything, in the daemon's own namespace; what belongs
to models, in each namespace where policies may act; and what belongs to no namespace, which only some
features need.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.adapters.kube.permissions import Feature, Permission, rules
from controller.adapters.kube.resources import CONFIG_MAPS, EVENTS, LEASES, MODEL_ROLLOUTS, Obj

EVERYWHERE = "*"
"""In place of a list of namespaces: all of them."""
_AT_HOME = frozenset({LEASES, CONFIG_MAPS})
_RBAC = "rbac.authorization.k8s.io"

WORDS = frozenset({"abort", "approve", "deny", "pause", "promote", "resume", "retry"})
"""What people may say to a rollout."""

PEOPLE: Mapping[str, Sequence[Permission]] = {
    "operator": (
        # no request has these verbs: who speaks through Slack or the HTTP API is asked about by them
        Permission(MODEL_ROLLOUTS, WORDS, Feature.CORE),
        Permission(MODEL_ROLLOUTS, frozenset({"get", "list", "watch", "create", "patch"}), Feature.CORE),
        Permission(EVENTS, frozenset({"get", "list", "watch"}), Feature.CORE),
    ),
    "viewer": (
        Permission(MODEL_ROLLOUTS, frozenset({"get", "list", "watch"}), Feature.CORE),
        Permission(EVENTS, frozenset({"get", "list", "watch"}), Feature.CORE),
    ),
}
"""What people need: to release and to steer, or to look on."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Rules by where they hold. **Shape**: as `rules` gives them; empty where nothing is needed."""

    leader: list[Obj]
    """In the daemon's own namespace."""
    namespaced: list[Obj]
    """In each namespace where policies may act."""
    cluster: list[Obj]
    """On what belongs to no namespace."""


def rights(permissions: Iterable[Permission], features: Collection[Feature]) -> Rights:
    """All that the daemon needs with these features."""
    everything = tuple(permissions)
    own = [each for each in everything if each.resource in _AT_HOME]
    others = [each for each in everything if each.resource not in _AT_HOME]
    return Rights(
        leader=rules(own, features, namespaced=True),
        namespaced=rules(others, features, namespaced=True),
        cluster=rules(others, features, namespaced=False),
    )


def added_by(permissions: Iterable[Permission], feature: Feature) -> Rights:
    """What a feature needs beyond the core. Two features may both need the same."""
    everything = tuple(permissions)
    core = {
        (each.resource, each.subresource, each.names): each.verbs
        for each in _merged(each for each in everything if each.feature is Feature.CORE)
    }
    more = []
    for each in _merged(each for each in everything if each.feature is feature):
        known = core.get((each.resource, each.subresource, ()), frozenset())
        if verbs := each.verbs - known - core.get((each.resource, each.subresource, each.names), frozenset()):
            more.append(Permission(each.resource, verbs, feature, each.subresource, each.names))
    return rights(more, {feature})


def roles(
    permissions: Iterable[Permission],
    features: Collection[Feature],
    *,
    namespaces: Sequence[str],
    home: str,
    name: str = "serinus",
) -> list[Obj]:
    """The roles and bindings of the service account ``name`` in the namespace ``home``.

    ``namespaces`` are those where policies may act, or only `EVERYWHERE`.
    """
    permissions = tuple(permissions)
    granted = rights(permissions, features)
    subject = {"kind": "ServiceAccount", "name": name, "namespace": home}
    found = _role(f"{name}-leader", home, granted.leader, subject)
    if EVERYWHERE in namespaces:
        found += _role(name, None, granted.namespaced, subject)
    for namespace in namespaces:
        if namespace != EVERYWHERE:
            found += _role(name, namespace, granted.namespaced, subject)
    for feature in features:
        if more := added_by(permissions, feature).cluster:
            found += _role(f"{name}-{kebab(feature)}", None, more, subject)
    return found


def role(name: str, namespace: str | None, granted: Sequence[Obj]) -> Obj:
    """A Role, or without a namespace a ClusterRole."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role" if namespace else "ClusterRole",
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "rules": list(granted),
    }


def binding(granted: Obj, subject: Obj) -> Obj:
    """What gives a role to a service account, where the role holds."""
    return {
        "apiVersion": granted["apiVersion"],
        "kind": f"{granted['kind']}Binding",
        "metadata": dict(granted["metadata"]),
        "roleRef": {"apiGroup": _RBAC, "kind": granted["kind"], "name": granted["metadata"]["name"]},
        "subjects": [subject],
    }


def kebab(feature: Feature) -> str:
    """A feature's name as a part of an object's: ``inferencePools`` is ``inference-pools``."""
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in feature)


def _role(name: str, namespace: str | None, granted: Sequence[Obj], subject: Obj) -> list[Obj]:
    made = role(name, namespace, granted)
    return [made, binding(made, subject)]


def _merged(permissions: Iterable[Permission]) -> list[Permission]:
    """One permission for each resource, subresource and names."""
    found: dict[tuple[object, ...], Permission] = {}
    for each in permissions:
        key = (each.resource, each.subresource, each.names)
        verbs = each.verbs | (found[key].verbs if key in found else frozenset())
        found[key] = Permission(each.resource, verbs, each.feature, each.subresource, each.names)
    return list(found.values())
