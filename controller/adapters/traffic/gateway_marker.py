"""The sign on a canary's backendRef that says: Serinus put this here. Pure.

It is a filter that names the version to the backend in a request header. So Serinus' own ref can be told
from one that people wrote, without any record; and Envoy Gateway gives every backend of a rule with such a
filter a cluster of its own, without which nothing could be measured per version. The ref loses it when its
version becomes the stable one. A whole rule that Serinus adds bears a sign of the same kind.

**Source**: Gateway API v1, HTTPHeaderFilter; a list of filters holds one RequestHeaderModifier at most.
"""

from copy import deepcopy

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, sequence, text

HEADER = "x-serinus-version"
AUDIENCE_HEADER = "x-serinus-audience"
"""Of a rule that Serinus added: whose it is, and for whom."""
_TYPE, _FIELD = "RequestHeaderModifier", "requestHeaderModifier"


def is_marked(ref: Obj) -> bool:
    """Whether Serinus put the ref there."""
    return sign_of(ref) is not None


def sign_of(marked: Obj, header: str = HEADER) -> str | None:
    """What the sign on a ref, or on a rule, says; None where there is none."""
    entries = (entry for found in _modifiers(marked) for entry in _set(found))
    return next((text(entry.get("value")) for entry in entries if _is_ours(entry, header)), None)


def marked(ref: Obj, version: str, header: str = HEADER) -> Obj:
    """The ref, or the rule, with this sign, whatever sign it has."""
    ref = unmarked(ref, header)
    entry = {"name": header, "value": version}
    modifiers = _modifiers(ref)
    if modifiers:
        modifiers[0][_FIELD] = {**mapping(modifiers[0].get(_FIELD)), "set": [*_set(modifiers[0]), entry]}
    else:
        ref["filters"] = [*sequence(ref.get("filters")), {"type": _TYPE, _FIELD: {"set": [entry]}}]
    return ref


def unmarked(ref: Obj, header: str = HEADER) -> Obj:
    """The ref, or the rule, without the sign: as it would be if it had never had one."""
    ref = deepcopy(ref)
    if sign_of(ref, header) is None:
        return ref
    for found in _modifiers(ref):
        left = [entry for entry in _set(found) if not _is_ours(entry, header)]
        found[_FIELD] = {**mapping(found.get(_FIELD)), "set": left}
        if not left:
            del found[_FIELD]["set"]
    ref["filters"] = [found for found in sequence(ref["filters"]) if not _is_empty(found)]
    if not ref["filters"]:
        del ref["filters"]
    return ref


def _modifiers(ref: Obj) -> list[Obj]:
    found = [mapping(each) for each in sequence(ref.get("filters"))]
    return [each for each in found if each.get("type") == _TYPE]


def _set(modifier: Obj) -> list[Obj]:
    return [mapping(entry) for entry in sequence(mapping(modifier.get(_FIELD)).get("set"))]


def _is_ours(entry: Obj, header: str) -> bool:
    return text(entry.get("name")).lower() == header


def _is_empty(found: object) -> bool:
    modifier = mapping(found)
    return modifier.get("type") == _TYPE and modifier.get(_FIELD) == {}
