"""Keeps a deposed leader from writing, object by object, because the API server knows no leaders.

**Invariant**: a write by epoch N is made only to an object that bears epoch N, and only to the very state of
it that was read. A new leader first stamps its higher epoch on the object (`take_over`). Whoever read it
before the stamp fails the test on the resourceVersion; whoever reads it afterwards sees the higher epoch and
gives up. So a leader that was frozen right after its lease check, and wakes much later, writes nothing.

The annotation also holds the latch of a rollback that no record knows of: ``"7 CheckFailed"``. On a route
that several shards write, each has an annotation of its own, its ``mark``.
"""

import re
from typing import Protocol

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.resources import Obj, Resource
from controller.domain.vocabulary import Reason
from controller.errors import Conflict, InvariantError

EPOCH_ANNOTATION = "serinus.dev/epoch"

_SHARDED = re.compile(r"serinus\.dev/epoch(?:-[1-9]\d?(-of-[1-9]\d?))?", re.ASCII)

LARGEST_EPOCH = 999_999_999
"""What is larger was not written by an elector, and counts as none."""

_VALUE = re.compile(r"(0|[1-9]\d{0,8})(?: ([A-Za-z]{1,64}))?", re.ASCII)
_REASONS = {reason.value: reason for reason in Reason}


class Leadership(Protocol):
    """The right to write, as `Elector` holds it."""

    @property
    def epoch(self) -> int:
        """The number of this reign; it rises with each change of leaders."""
        ...

    def check(self) -> None:
        """Raise `Deposed` when somebody else could be leading by now."""
        ...


def epoch_of(obj: Obj, mark: str = EPOCH_ANNOTATION) -> int:
    """The epoch that the object bears; 0 when it bears none, or nothing that we would write."""
    found = _VALUE.fullmatch(_annotation(obj, mark) or "")
    return int(found[1]) if found else 0


def latch_of(obj: Obj, mark: str = EPOCH_ANNOTATION) -> Reason | None:
    """The reason of a rollback that was made without a record, until the next regular write."""
    return _REASONS.get(_latch_word(obj, mark) or "")


def fence(obj: Obj, epoch: int, mark: str = EPOCH_ANNOTATION) -> list[Obj]:
    """The tests that a JSON Patch of the object begins with.

    Raises `Conflict` when the object bears a higher epoch, and `InvariantError` when it bears a lower one:
    `take_over` comes first.
    """
    borne = epoch_of(obj, mark)
    if borne > epoch:
        raise _outrun(obj, borne, epoch)
    if borne < epoch:
        raise InvariantError(f"{_name(obj)} bears epoch {borne} and is written in epoch {epoch}")
    return [same_version(obj), {"op": "test", "path": path_of(mark), "value": _annotation(obj, mark)}]


async def take_over(
    client: KubeClient, resource: Resource, obj: Obj, epoch: int, mark: str = EPOCH_ANNOTATION
) -> Obj:
    """Stamp the epoch on an object that bears a lower one; the object as it is then. Keeps a latch.

    The marks of another sharding, which has no leaders any more, go; a latch among them is taken along.
    Raises `Conflict` when the object changed since it was read, or bears a higher epoch.
    """
    borne = epoch_of(obj, mark)
    if borne > epoch:
        raise _outrun(obj, borne, epoch)
    if borne == epoch:
        return obj
    metadata, others = obj["metadata"], _of_other_shardings(obj, mark)
    words = [word for each in (mark, *others) if (word := _latch_word(obj, each))]
    operations = [same_version(obj), *_annotated(obj, epoch, words[0] if words else None, mark)]
    operations += [{"op": "remove", "path": path_of(each)} for each in others]
    return await client.json_patch(resource, metadata.get("namespace"), metadata["name"], operations)


def stamp(obj: Obj, epoch: int, latch: Reason | None, mark: str = EPOCH_ANNOTATION) -> list[Obj]:
    """The operations that write the epoch, with a latch or, for None, without; to follow `fence`."""
    return _annotated(obj, epoch, latch.value if latch else None, mark)


def path_of(mark: str) -> str:
    """The annotation in a JSON Patch. **Source**: RFC 6901, 3: ``/`` in a key is written ``~1``."""
    return f"/metadata/annotations/{mark.replace('/', '~1')}"


def _annotated(obj: Obj, epoch: int, word: str | None, mark: str) -> list[Obj]:
    value = f"{epoch} {word}" if word else str(epoch)
    if obj["metadata"].get("annotations"):
        return [{"op": "add", "path": path_of(mark), "value": value}]
    return [{"op": "add", "path": "/metadata/annotations", "value": {mark: value}}]


def _of_other_shardings(obj: Obj, mark: str) -> list[str]:
    """Our marks on the object that are of another number of shards than this one."""
    ours = _SHARDED.fullmatch(mark)
    found = [(name, _SHARDED.fullmatch(name)) for name in sorted(obj["metadata"].get("annotations") or {})]
    return [name for name, match in found if ours and match and match[1] != ours[1]]


def _latch_word(obj: Obj, mark: str) -> str | None:
    """As it stands, also when a newer Serinus wrote a reason that this one does not know."""
    found = _VALUE.fullmatch(_annotation(obj, mark) or "")
    return found[2] if found else None


def _annotation(obj: Obj, mark: str) -> str | None:
    value = (obj["metadata"].get("annotations") or {}).get(mark)
    return value if isinstance(value, str) else None


def same_version(obj: Obj) -> Obj:
    """The test that the object is as it was read; all that guards one that may not bear an epoch."""
    return {"op": "test", "path": "/metadata/resourceVersion", "value": obj["metadata"]["resourceVersion"]}


def _outrun(obj: Obj, borne: int, epoch: int) -> Conflict:
    return Conflict(f"{_name(obj)} was taken over by the leader of epoch {borne}; ours is {epoch}")


def _name(obj: Obj) -> str:
    metadata = obj["metadata"]
    return f"{obj.get('kind', 'object')} {metadata.get('namespace', '')}/{metadata.get('name', '')}"
