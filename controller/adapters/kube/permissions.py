"""What Serinus must be allowed to do in a cluster: declared beside the code that does it, rendered as RBAC.

Every module that talks to the API has a ``PERMISSIONS``. The manifests are generated from all of them, so a
verb that no code uses is never asked for. **Source**: rbac.authorization.k8s.io/v1, PolicyRule.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from controller.adapters.kube.resources import Obj, Resource
from controller.features import Feature

__all__ = ["Feature", "Permission", "rules"]


@dataclass(frozen=True, slots=True)
class Permission:
    """Verbs on one resource, or on its ``subresource``, needed when ``feature`` is on.

    ``names`` limits them to objects of these names; create cannot be limited so, and list and watch only for
    who selects the one object by its name.
    """

    resource: Resource
    verbs: frozenset[str]
    feature: Feature
    subresource: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Target:
    """What a rule is about."""

    group: str
    resource: str
    names: tuple[str, ...] = ()


def rules(
    permissions: Iterable[Permission], features: Collection[Feature], *, namespaced: bool | None = None
) -> list[Obj]:
    """The RBAC rules for CORE and ``features``: merged, sorted, without surplus.

    ``namespaced`` asks for only those on namespaced resources, which fit into a Role, or for only the others,
    which need a ClusterRole. **Shape**: one rule for each set of verbs in an API group; equal input in any
    order gives equal output.
    """
    granted: dict[_Target, set[str]] = {}
    for permission in permissions:
        wanted = permission.feature is Feature.CORE or permission.feature in features
        if wanted and namespaced in (None, permission.resource.namespaced):
            granted.setdefault(_target(permission), set()).update(permission.verbs)
    for target in granted:
        if target.names:
            granted[target] -= granted.get(_Target(target.group, target.resource), set())
    merged: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for target, verbs in granted.items():
        if verbs:
            merged.setdefault((target.group, target.names, tuple(sorted(verbs))), []).append(target.resource)
    ordered = sorted((group, sorted(found), names, verbs) for (group, names, verbs), found in merged.items())
    return [_rule(group, found, names, verbs) for group, found, names, verbs in ordered]


def _target(permission: Permission) -> _Target:
    plural = permission.resource.plural
    resource = f"{plural}/{permission.subresource}" if permission.subresource else plural
    return _Target(permission.resource.group, resource, tuple(sorted(set(permission.names))))


def _rule(group: str, resources: list[str], names: tuple[str, ...], verbs: tuple[str, ...]) -> Obj:
    rule: Obj = {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}
    if names:
        rule["resourceNames"] = list(names)
    return rule
