"""What a new leader does first: it stamps its epoch on all that its predecessor may still write.

After that the predecessor, frozen or cut off and believing that it leads, writes nothing: each of its
patches tests an annotation, or a resourceVersion, that is no more.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.fencing import EPOCH_ANNOTATION, epoch_of, take_over
from controller.adapters.kube.resources import Obj, Resource
from controller.errors import Conflict, TargetError, TransientError

log = structlog.get_logger(__name__)

_AT_ONCE = 16
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Estate:
    """One object to take over, and the annotation that bears our epoch on it."""

    resource: Resource
    namespace: str
    name: str
    mark: str = EPOCH_ANNOTATION


async def succeed(
    client: KubeClient,
    epoch: int,
    estates: Collection[Estate],
    known: Callable[[Estate], Obj | None] = lambda _: None,
) -> list[tuple[Estate, Obj]]:
    """Stamp them all; the objects as they are then, without those that are gone or must not be touched.

    ``known`` gives an object as it was last heard of, which saves reading it; if it has changed, it is read.
    Tries each until it is done, for nothing may be written before. Raises `Conflict` when a later leader was
    faster; cancelled when the lease is lost.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(estate: Estate) -> Obj | None:
        async with slots:
            return await _stamped(client, epoch, estate, known(estate))

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [(estate, group.create_task(one(estate))) for estate in estates]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [(estate, obj) for estate, task in tasks if (obj := task.result()) is not None]


async def _stamped(client: KubeClient, epoch: int, estate: Estate, obj: Obj | None) -> Obj | None:
    wait = _FIRST_WAIT_SECONDS
    while True:
        try:
            obj = obj or await client.get(estate.resource, estate.namespace, estate.name)
            return None if obj is None else await take_over(client, estate.resource, obj, epoch, estate.mark)
        except Conflict:
            if obj is not None and epoch_of(obj, estate.mark) > epoch:
                raise
            # it changed since it was read: whoever wrote, the next reading shows it
        except TransientError as error:
            log.warning("succession_delayed", object=f"{estate.namespace}/{estate.name}", error=str(error))
        except TargetError as error:
            # not ours to write, so nothing of ours is written there by anybody
            log.warning("not_taken_over", object=f"{estate.namespace}/{estate.name}", error=str(error))
            return None
        obj = None
        await asyncio.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
