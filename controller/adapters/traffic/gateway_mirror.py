"""Copies of requests for a canary that no user has: the RequestMirror filter of the model's rule. Pure.

While requests are copied the canary has no backendRef of Serinus' in the rule: a weight of 0 leaks on some
gateways. Filters that copy requests to other backends are their owners', and stay.

**Source**: Gateway API v1, HTTPRequestMirrorFilter, the same for GRPCRoute: ``percent`` (0 to 100) or
``fraction``, all requests without either; older definitions know neither, and drop them.
"""

from collections.abc import Iterator

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.adapters.traffic.gateway_rule import Pair, ref_of_backend
from controller.adapters.traffic.layout import Layout
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.release import Backend, BackendKind, RoutedModel

_TYPE, _FIELD = "RequestMirror", "requestMirror"
_PERCENT = 10
"""In thousandths."""


def unmirrored_by_kind(layout: Layout, routed: RoutedModel) -> str:
    """Why requests cannot be copied to the canary's backend; empty where they can."""
    if not layout.mirrors:
        return f"a {layout.kind} cannot copy requests"
    backend = routed.canary.backend if routed.canary else None
    if backend is not None and backend.kind is BackendKind.INFERENCE_POOL:
        return "requests cannot be copied to an InferencePool in a way that every gateway knows"
    return ""


def mirror_places(pair: Pair, routed: RoutedModel) -> tuple[int, ...]:
    """Where in the rule's filters those are that copy requests to the canary."""
    return tuple(place for place, _ in _ours(pair, routed))


def mirrored_permille(pair: Pair, routed: RoutedModel) -> int:
    """The share of requests that the rule copies to the canary, rounded up."""
    return min(sum(_permille(body) for _, body in _ours(pair, routed)), FULL_WEIGHT_PERMILLE)


def without_copies(pair: Pair, routed: RoutedModel) -> Obj:
    """The rule without the filters that copy requests to the canary: as it is at every weight."""
    places, body = mirror_places(pair, routed), pair.rule.body
    left = [each for place, each in enumerate(sequence(body.get("filters"))) if place not in places]
    bare = {name: value for name, value in body.items() if name != "filters" or left or not places}
    return {**bare, "filters": left} if places and left else bare


def mirror_patch(pair: Pair, routed: RoutedModel, ref: Obj, permille: int) -> list[Obj]:
    """The operations that make the rule copy this share to the canary; empty when it does.

    ``ref`` names the canary's backend. Filters that have to go are tested to be of their type.
    """
    root = pair.rule.root
    filters, places = sequence(pair.rule.body.get("filters")), mirror_places(pair, routed)
    if not permille:
        return _removed(root, places, all_of_them=len(places) == len(filters))
    wanted = _filter(ref, permille)
    if not places:
        path, value = (f"{root}/filters/-", wanted) if filters else (f"{root}/filters", [wanted])
        return [*_named(pair), {"op": "add", "path": path, "value": value}]
    if len(places) == 1 and mirrored_permille(pair, routed) == permille:
        return []
    first, *others = places
    path = f"{root}/filters/{first}"
    replaced = [{"op": "replace", "path": path, "value": wanted}]
    return [_test(path), *replaced, *_removed(root, tuple(others), all_of_them=False)]


def _filter(ref: Obj, permille: int) -> Obj:
    share: Obj = {}
    if permille % _PERCENT:
        share = {"fraction": {"numerator": permille, "denominator": FULL_WEIGHT_PERMILLE}}
    elif permille < FULL_WEIGHT_PERMILLE:
        share = {"percent": permille // _PERCENT}
    named = {key: ref[key] for key in ("group", "kind", "namespace", "name", "port") if key in ref}
    return {"type": _TYPE, _FIELD: {"backendRef": named, **share}}


def _removed(root: str, places: tuple[int, ...], *, all_of_them: bool) -> list[Obj]:
    """From the last on, so that places stay right; a list that would be empty goes as a whole."""
    if not places:
        return []
    tests = [_test(f"{root}/filters/{place}") for place in places]
    if all_of_them:
        return [*tests, {"op": "remove", "path": f"{root}/filters"}]
    return [*tests, *({"op": "remove", "path": f"{root}/filters/{place}"} for place in reversed(places))]


def _test(path: str) -> Obj:
    return {"op": "test", "path": f"{path}/type", "value": _TYPE}


def _named(pair: Pair) -> list[Obj]:
    name = pair.rule.name
    return [{"op": "test", "path": f"{pair.rule.root}/name", "value": name}] if name else []


def _ours(pair: Pair, routed: RoutedModel) -> Iterator[tuple[int, Obj]]:
    """Filters that copy requests to the canary's backend, with their places."""
    backend = routed.canary.backend if routed.canary and pair.rule.layout.mirrors else None
    for place, found in enumerate(map(mapping, sequence(pair.rule.body.get("filters")))):
        body = mapping(found.get(_FIELD))
        if text(found.get("type")) == _TYPE and backend is not None and _is_of(body, backend, pair, routed):
            yield place, body


def _is_of(body: Obj, backend: Backend, pair: Pair, routed: RoutedModel) -> bool:
    ref = ref_of_backend(mapping(body.get("backendRef")), routed.namespace, pair.rule.layout)
    return ref.is_of(backend, routed.namespace)


def _permille(body: Obj) -> int:
    fraction = mapping(body.get("fraction"))
    if fraction:
        whole = number(fraction.get("denominator")) or 100
        return -(-FULL_WEIGHT_PERMILLE * number(fraction.get("numerator")) // whole)
    percent = body.get("percent")
    return number(percent) * _PERCENT if percent is not None else FULL_WEIGHT_PERMILLE
