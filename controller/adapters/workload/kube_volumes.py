"""Volumes that one node, or one pod, has for itself: a second set of pods could not start with them. Pure.

**Source**: core/v1 PersistentVolumeClaim, ``accessModes``; the volume types that attach to a single node.
"""

from collections.abc import Mapping

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, sequence, text

_SHARED_MODES = frozenset({"ReadWriteMany", "ReadOnlyMany"})
_SINGLE_DISKS = ("awsElasticBlockStore", "azureDisk", "cinder", "gcePersistentDisk", "rbd", "iscsi", "fc")


def claims_of(template: Obj) -> tuple[str, ...]:
    """The PersistentVolumeClaims that pods of the template share, in order."""
    named = (text(mapping(each.get("persistentVolumeClaim")).get("claimName")) for each in _volumes(template))
    return tuple(dict.fromkeys(name for name in named if name))


def unshared(template: Obj, claims: Mapping[str, Obj]) -> str | None:
    """Why a copy of the pods could not have the same volumes; None when it could.

    ``claims`` are the claims by name, as far as they exist; one that does not is left to the scheduler.
    """
    for name in claims_of(template):
        spec = mapping(claims.get(name, {}).get("spec"))
        modes = [text(each) for each in sequence(spec.get("accessModes"))]
        if modes and not _SHARED_MODES.intersection(modes):
            return f"its volume claim {name} is {' and '.join(modes)}: no second workload can mount it"
    for volume in _volumes(template):
        kind = next((each for each in _SINGLE_DISKS if each in volume), None)
        if kind is not None and mapping(volume[kind]).get("readOnly") is not True:
            return f"its volume {text(volume.get('name'))} ({kind}) can be mounted on one node only"
    return None


def _volumes(template: Obj) -> list[Obj]:
    return [mapping(each) for each in sequence(mapping(template.get("spec")).get("volumes"))]
