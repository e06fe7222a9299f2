"""Writes to ModelRollouts: fenced, conditional, and in the cache before anybody reads again.

**Invariant**: a write is made to the very version of the object that it was decided on, in our epoch, or it
is not made. After a lost race the newest object is in the cache; after a write whose outcome is unknown, the
object is read again before it is read from the cache.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.errors import Deposed, Forbidden, NotFound, NotServed, Rejected
from controller.adapters.kube.fencing import Leadership, epoch_of, fence, stamp
from controller.adapters.kube.identity import Key, key_of
from controller.adapters.kube.mirror import Mirror
from controller.adapters.kube.modelrollout import FINALIZER
from controller.adapters.kube.resources import MODEL_ROLLOUTS, Obj
from controller.adapters.kube.untrusted import mapping, sequence
from controller.adapters.store.kubernetes_index import claims_over, version_of
from controller.errors import Conflict, StoreUnavailable, TransientError

_INSTALL = "install it: kubectl apply -f serinus.dev_modelrollouts.yaml"


class Writer:
    """Every method raises `Conflict` and `StoreUnavailable`, and `Deposed` when we may no longer lead."""

    def __init__(self, client: KubeClient, cache: Mirror, leadership: Leadership) -> None:
        self._client = client
        self._cache = cache
        self._leadership = leadership
        self._doubtful: set[Key] = set()

    @property
    def epoch(self) -> int:
        """Ours."""
        return self._leadership.epoch

    async def base(self, obj: Obj) -> Obj:
        """The object as a whole, as a new status must be based on: what the cache slimmed is read anew.

        Raises `Conflict` when it is no longer at the version that was read.
        """
        if not claims_over(obj):
            return obj
        key = key_of(obj)
        found = await self.read(key)
        if found is None or version_of(found) != version_of(obj):
            raise Conflict(f"ModelRollout {key} is no longer at version {version_of(obj)}.")
        return found

    async def claimed(self, obj: Obj, *, finalizer: bool) -> Obj:
        """The object bearing our epoch, and the finalizer if asked for, written in one go if it lacks any."""
        unclaimed = epoch_of(obj) < self.epoch
        tests = [_same_version(obj)] if unclaimed else fence(obj, self.epoch)  # or a conflict
        operations = stamp(obj, self.epoch, None) if unclaimed else []
        if finalizer and FINALIZER not in _finalizers(obj):
            operations += _added_finalizer(obj)
        return await self._patch(obj, [*tests, *operations]) if operations else obj

    async def status(self, obj: Obj, status: Obj) -> Obj:
        """Replace the object's status; it bears our epoch already. The object as it is then."""
        operations = [*fence(obj, self.epoch), {"op": "add", "path": "/status", "value": status}]
        return await self._patch(obj, operations, subresource="status")

    async def released(self, obj: Obj) -> None:
        """Take our finalizer away; the object goes if nobody else holds it."""
        finalizers = _finalizers(obj)
        if FINALIZER not in finalizers:
            return
        path = f"/metadata/finalizers/{finalizers.index(FINALIZER)}"
        operations = [
            *fence(obj, self.epoch),
            {"op": "test", "path": path, "value": FINALIZER},
            {"op": "remove", "path": path},
        ]
        await self._patch(obj, operations)
        if finalizers == [FINALIZER]:  # the answer is the object as it would be
            self._learn(key_of(obj), None)

    async def read(self, key: Key) -> Obj | None:
        """The object as the server has it, whole; the cache knows it then. None when it is gone."""
        with _translated(key):
            found = await self._client.get(MODEL_ROLLOUTS, key.namespace, key.name)
        self._learn(key, found)
        return found

    def doubt(self, key: Key) -> None:
        """Have the object read anew before it is read from the cache."""
        self._doubtful.add(key)

    async def settle(self, keys: Iterable[Key]) -> bool:
        """Read anew what a write was lost on; whether there was anything of the kind.

        Where that fails too the cache is left as it is: a write that is based on it only costs a conflict.
        """
        doubtful = self._doubtful.intersection(keys) if self._doubtful else ()
        for key in doubtful:
            with suppress(StoreUnavailable):
                await self.read(key)
        return bool(doubtful)

    async def _patch(self, obj: Obj, operations: Sequence[Obj], subresource: str | None = None) -> Obj:
        key = key_of(obj)
        try:
            with _translated(key):
                written = await self._client.json_patch(
                    MODEL_ROLLOUTS, key.namespace, key.name, operations, subresource=subresource
                )
        except Conflict:
            self.doubt(key)
            await self.settle([key])
            raise
        except StoreUnavailable:
            self.doubt(key)
            raise
        self._learn(key, written)
        return written

    def _learn(self, key: Key, found: Obj | None) -> None:
        self._doubtful.discard(key)
        if not self._cache.follows(key.namespace):
            raise StoreUnavailable(f"ModelRollout {key} is in a namespace that this Serinus does not serve.")
        if found is None:
            self._cache.drop(key.namespace, key.name)
        else:
            self._cache.put(found)


@contextmanager
def _translated(key: Key) -> Iterator[None]:
    try:
        yield
    except (Conflict, Deposed):
        raise
    except NotServed as error:
        raise StoreUnavailable(f"The API server has no ModelRollouts; {_INSTALL} ({error})") from error
    except NotFound as error:
        raise Conflict(f"ModelRollout {key} is gone.") from error
    except Rejected as error:
        raise StoreUnavailable(
            f"The API server refuses the record of ModelRollout {key}. "
            f"If its resource definition is of another version, {_INSTALL} ({error})"
        ) from error
    except Forbidden as error:
        raise StoreUnavailable(str(error)) from error
    except TransientError as error:
        raise StoreUnavailable(str(error), error.retry_after) from error


def _same_version(obj: Obj) -> Obj:
    return {"op": "test", "path": "/metadata/resourceVersion", "value": version_of(obj)}


def _finalizers(obj: Obj) -> list[str]:
    return sequence(mapping(obj.get("metadata")).get("finalizers"))


def _added_finalizer(obj: Obj) -> list[Obj]:
    if _finalizers(obj):
        return [{"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER}]
    return [{"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]}]
