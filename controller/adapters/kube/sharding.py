"""What a shard calls its own in a cluster: its Lease, and its mark on a route that other shards write too.

A ModelRollout belongs to one shard, so all shardings share one mark on it, and a leader of an earlier
sharding finds itself outrun there. Each Lease counts epochs of its own; a shard's epoch is counted on from
the highest that any of its objects bears (`Elector`), so the mark of a ModelRollout rises from sharding to
sharding, too.
"""

import re
from collections.abc import Iterable

from controller.adapters.kube.fencing import EPOCH_ANNOTATION, epoch_of
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, text
from controller.domain.sharding import Shard

_SUFFIX = re.compile(r"(?:-[1-9]\d?-of-([1-9]\d?))?", re.ASCII)


def suffixed(name: str, shard: Shard) -> str:
    """A name for each shard; the name itself where there is only one."""
    return name if shard.alone else f"{name}-{shard.index}-of-{shard.count}"


def count_in(found: str, name: str) -> int | None:
    """Of how many shards a name is that `suffixed` may have made of ``name``; None for any other."""
    suffix = _SUFFIX.fullmatch(found.removeprefix(name)) if found.startswith(name) else None
    return int(suffix[1] or 1) if suffix else None


def mark_on_routes(shard: Shard) -> str:
    """The annotation that holds the shard's epoch on a route."""
    return suffixed(EPOCH_ANNOTATION, shard)


def highest_epoch(shard: Shard, rollouts: Iterable[Obj], routes: Iterable[Obj]) -> int:
    """The highest that any object of the shard's bears; 0 when none does."""
    own = (obj for obj in rollouts if shard.owns(text(mapping(obj.get("spec")).get("model"))))
    mark = mark_on_routes(shard)
    borne = [*(epoch_of(obj) for obj in own), *(epoch_of(obj, mark) for obj in routes)]
    return max(borne, default=0)
