"""Reads one model's route entry back, and finds out whether somebody edited it.

Pure. What the clusters really get counts, not what the metadata says: a hand edit of the weights alone is a
different split. An entry that does not parse is nobody's, never an error: its model has no route.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from controller.adapters.naming import backend_name
from controller.adapters.traffic.envoy_audience import edited, parse_record, treatment
from controller.adapters.traffic.envoy_config import KIND, Json, ModelRoute, render_route, shares
from controller.adapters.traffic.envoy_mirror import copied_permille
from controller.domain.audience import EVERYBODY
from controller.domain.policy import FULL_WEIGHT_PERMILLE, RouteRef
from controller.domain.release import Release, Split
from controller.domain.vocabulary import Reason
from controller.errors import TargetError


def parse_route(entry: Any) -> ModelRoute | None:
    """Read an entry of the matcher tree; None when it is not one of ours, or no longer readable as one."""
    done = _done(entry)
    match _everybody(done):
        case {
            "action": {
                "typed_config": {"metadata": {"filter_metadata": {"dev.serinus": dict(record)}}} as config
            }
        }:
            pass
        case _:
            return None
    parsed = _parse_record(record)
    if parsed is None:
        return None
    actual = _actual_weights(config)
    if actual is None:
        return None
    actual_split = _with_audience(parsed, done, _edited_split(parsed, actual))
    mirror = copied_permille(config, parsed.model, parsed.split)
    if mirror != parsed.split.mirror_permille:
        actual_split = replace(actual_split or parsed.split, mirror_permille=mirror)
    return replace(parsed, actual=actual_split)


def _done(entry: Any) -> Any:
    """What is done with a request whose path is the model's; without a boundary for the path ``/``."""
    match entry:
        case {"matcher": {"on_no_match": _}}:
            return entry
        case {"matcher": {"matcher_list": {"matchers": [{"on_match": done}]}}}:
            return done
    return entry


def _everybody(done: Any) -> Any:
    """What is done with requests of those who are no testers."""
    match done:
        case {"matcher": {"on_no_match": rest}}:
            return rest
    return done


def _with_audience(parsed: ModelRoute, done: Any, actual: Split | None) -> Split | None:
    """The split that the entry really has, where whom it treats how was edited too."""
    found, asked = treatment(done), {}
    if parsed.split.audience != EVERYBODY:
        try:
            asked = treatment(_done(render_route(parsed)[1]))
        except TargetError:  # its path was edited
            asked = {}
    audience = edited(parsed.split.audience, found, asked)
    if audience == parsed.split.audience:
        return actual
    return replace(actual or parsed.split, audience=audience)


def _parse_record(record: Json) -> ModelRoute | None:
    match record:
        case {"model": str(model), "epoch": int(epoch), "route": str(name), "weight": int(weight)}:
            rewrite, latched, mirror = record.get("rewrite"), record.get("latched"), record.get("mirror", 0)
        case _:
            return None
    shares_known = all(type(part) is int and 0 <= part <= FULL_WEIGHT_PERMILLE for part in (weight, mirror))
    if not (rewrite is None or isinstance(rewrite, str)) or not shares_known:
        return None
    try:
        stable, canary = _release(record.get("stable")), _release(record.get("canary"))
        split = Split(stable, canary, weight, parse_record(record), mirror)
        reason = None if latched is None else Reason(latched)
    except ValueError:
        return None
    return ModelRoute(model, RouteRef(KIND, name, rewrite), split, epoch, reason)


def _release(value: Any) -> Release | None:
    if value is None:
        return None
    if not (isinstance(value, list) and value and all(isinstance(part, str) for part in value)):
        raise ValueError("a release is a list of its version and its endpoints")
    return Release(value[0], tuple(value[1:]))


def _actual_weights(config: Json) -> dict[str, int] | None:
    match config:
        case {"direct_response": _}:
            return {}
        case {"route": {"cluster": str(name)}}:
            return {name: FULL_WEIGHT_PERMILLE}
        case {"route": {"weighted_clusters": {"clusters": list(members)}}}:
            pass
        case _:
            return None
    weights: dict[str, int] = {}
    for member in members:
        match member:
            case {"name": str(name), "weight": int(weight)} if weight >= 0:
                weights[name] = weights.get(name, 0) + weight
            case _:
                return None
    return {name: weight for name, weight in weights.items() if weight}


def _edited_split(parsed: ModelRoute, actual: Mapping[str, int]) -> Split | None:
    """None if the clusters get what the recorded split says, else the nearest split that differs from it."""
    split, total = parsed.split, sum(actual.values())
    asked = {backend_name(parsed.model, version): part for version, part in shares(split).items()}
    if asked.keys() == actual.keys() and all(
        part * total == actual[name] * FULL_WEIGHT_PERMILLE for name, part in asked.items()
    ):
        return None
    if not total:
        return Split()
    canary = backend_name(parsed.model, split.canary.version) if split.canary else None
    stable = backend_name(parsed.model, split.stable.version) if split.stable else None
    if not actual.keys() <= {stable, canary}:
        return _foreign_split(actual, total)
    share = FULL_WEIGHT_PERMILLE * actual.get(canary or "", 0)
    # Rounded away from the recorded weight, so that the smallest edit is seen.
    weight = -(-share // total) if share > split.weight_permille * total else share // total
    return replace(split, weight_permille=weight)


def _foreign_split(actual: Mapping[str, int], total: int) -> Split:
    (first, _), *rest = sorted(actual.items(), key=lambda member: -member[1])
    if not rest:
        return Split(stable=Release(first, ()))
    second, weight = rest[0]
    return Split(Release(first, ()), Release(second, ()), FULL_WEIGHT_PERMILLE * weight // total)
