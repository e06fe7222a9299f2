"""Takes in what people write into ModelRollouts: new releases, requests, deletions.

Runs before each pass over a model, by the same worker, so that the two never meet. Whatever cannot be
followed is answered in the object's status: a release that has to wait says for what, a request that is
refused says why. Everything is done by level, from what the objects hold now: to lose an event costs nothing.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from controller.adapters.kube.identity import key_of, scoped_request_id
from controller.adapters.kube.modelrollout import (
    ModelRolloutSpec,
    RequestSpec,
    creator_of,
    parse_request,
    parse_spec,
    release_of,
)
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping
from controller.control.errors import ControlError
from controller.control.policies import PolicyFiles
from controller.domain.commands import announce, refuse_release
from controller.domain.model import CommandKind, Entry, Rollout
from controller.domain.policy import Policy
from controller.domain.release import Backend, Release
from controller.domain.vocabulary import Phase, Reason
from controller.errors import InvariantError
from controller.ports import RolloutStore

log = structlog.get_logger(__name__)

_LOOK_AGAIN = timedelta(seconds=15)
"""How soon a release that waits for a backend is looked at again; a watch is usually faster."""


class Objects(Protocol):
    """The ModelRollouts as objects: what people wrote, and the answers to it."""

    def unaccepted(self, model: str) -> Sequence[Obj]:
        """Those without a rollout, oldest first; not those that are being deleted."""
        ...

    def asking(self, model: str) -> Sequence[tuple[Obj, Rollout | None]]:
        """Those with a request that was not answered yet, and their rollout."""
        ...

    def deleting(self, model: str) -> Sequence[tuple[Obj, Rollout | None]]:
        """Those that wait for our finalizer, and their rollout."""
        ...

    async def mark(
        self, obj: Obj, *, phase: Phase, reason: Reason, message: str, policy_valid: bool | None
    ) -> None:
        """Say why there is no rollout. Writes nothing if that is said already."""
        ...

    async def refuse(self, obj: Obj, request: RequestSpec, message: str) -> None:
        """Answer a request that is not followed."""
        ...

    async def adopt(self, obj: Obj, rollout: Rollout, entry: Entry) -> None:
        """Begin the object's rollout."""
        ...

    async def observe(self, model: str) -> None:
        """Write to those whose spec changed without a new word that it was seen; `kubectl wait` asks."""
        ...

    async def release_finalizer(self, obj: Obj) -> None:
        """Let the object be deleted."""
        ...


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a backend cannot be named yet."""

    reason: Reason
    message: str


FindBackend = Callable[[str, ModelRolloutSpec], Backend | Unfit | None]
"""The backend of a release in a namespace: the one that it will be given, or that bears its labels.

None where the spec names its own.
"""


Follow = Callable[[Rollout, CommandKind, str, str, str, int | None], Awaitable[object]]
"""A person's word to exactly this rollout: what, by whom, under which request id, why, to which asking.

Raises `ControlError`.
"""
Clean = Callable[[Rollout], Awaitable[timedelta | None]]
"""Removes what was created for a rollout that is over; how soon to ask again, None when nothing is left."""
Recorded = Callable[[Rollout, Entry], None]


class Inbox:
    """See the module. ``allows`` says in which namespaces policies may act."""

    def __init__(  # noqa: PLR0913 - one for each thing outside
        self,
        objects: Objects,
        store: RolloutStore,
        policies: PolicyFiles,
        *,
        allows: Callable[[str], bool],
        find: FindBackend,
        follow: Follow,
        clean: Clean,
        recorded: Recorded,
    ) -> None:
        self._objects = objects
        self._store = store
        self._policies = policies
        self._allows = allows
        self._find = find
        self._follow = follow
        self._clean = clean
        self._recorded = recorded

    async def take_in(self, model: str) -> timedelta | None:
        """Everything that people want of the model now; how soon to look again, if time alone can change it.

        Raises what the store raises: the pass is tried again, and begins here.
        """
        waits = [await self._bury(obj, rollout) for obj, rollout in self._objects.deleting(model)]
        waits += [await self._accept(model, obj) for obj in self._objects.unaccepted(model)]
        for obj, rollout in self._objects.asking(model):
            await self._answer(obj, rollout)
        await self._objects.observe(model)
        return min((wait for wait in waits if wait is not None), default=None)

    async def _bury(self, obj: Obj, rollout: Rollout | None) -> timedelta | None:
        """Weight 0 first, then what was created, then the record."""
        if rollout is not None and not rollout.phase.terminal:
            request_id = f"deleted-{obj['metadata'].get('uid', '')}"[:64]
            await self._follow(
                rollout, CommandKind.ABORT, "deletion", scoped_request_id(key_of(obj), request_id), "", None
            )
            return None
        left = None if rollout is None else await self._clean(rollout)
        if left is None:
            await self._objects.release_finalizer(obj)
        return left

    async def _accept(self, model: str, obj: Obj) -> timedelta | None:
        if mapping(obj.get("status")).get("phase") == Phase.NOT_DEPLOYED:
            return (
                None  # once refused, always refused: what serves may change, and nobody would expect it then
            )
        spec = parse_spec(obj)
        if isinstance(spec, list):
            await self._refuse(obj, Reason.SPEC_INVALID, "; ".join(spec))
            return None
        policy = self._policy(model, key_of(obj).namespace)
        if isinstance(policy, str):
            await self._postpone(obj, Reason.WAITING_FOR_POLICY, policy, policy_valid=False)
            return None
        found = self._find(policy.namespace, spec)
        if isinstance(found, Unfit):
            await self._postpone(obj, found.reason, found.message, policy_valid=True)
            return _LOOK_AGAIN
        await self._begin(obj, policy, release_of(spec, found))
        return None

    async def _begin(self, obj: Obj, policy: Policy, release: Release) -> None:
        opened = await self._store.open_rollouts(policy.model)
        same = next((s.rollout for s in opened if s.rollout.release.version == release.version), None)
        refusal = refuse_release(release, await self._store.serving(policy.model), same)
        if refusal is not None:
            await self._refuse(obj, Reason.ALREADY_SERVING, refusal.message)
            return
        name = key_of(obj).name
        rollout = Rollout(
            name, policy.model, release, policy, created_at=created_at(obj), created_by=creator_of(obj)
        )
        decision = announce(rollout)
        if decision.entry is None:
            error = "a new rollout always has an entry"
            raise InvariantError(error)
        await self._objects.adopt(obj, decision.rollout, decision.entry)
        log.info("rollout_accepted", model=policy.model, rollout=name, version=release.version)
        self._recorded(decision.rollout, decision.entry)

    async def _answer(self, obj: Obj, rollout: Rollout | None) -> None:
        request = parse_request(obj)
        if request is None:
            return
        if isinstance(request, list):
            log.info("request_not_understood", object=str(key_of(obj)), faults=request)
            return
        if rollout is None:
            await self._objects.refuse(
                obj, request, "it has not begun yet; to withdraw it, delete the object"
            )
            return
        try:
            request_id = scoped_request_id(key_of(obj), request.id)
            kind = CommandKind(request.action)
            await self._follow(rollout, kind, request.actor, request_id, request.note, request.asking)
        except ControlError as error:
            hint = f" ({error.hint})" if error.hint else ""
            await self._objects.refuse(obj, request, f"{error.message}{hint}")

    def _policy(self, model: str, namespace: str) -> Policy | str:
        """The policy that rules the model there, or why none does."""
        if not self._allows(namespace):
            return f"this Serinus may not act in the namespace {namespace}: its operator must allow it"
        policy = self._policies.current().get(model)
        if policy is None:
            faults = [str(fault) for each in self._policies.problems().values() for fault in each]
            known = f"; not valid: {faults[0]}" if faults else ""
            return f"no valid policy file is for the model {model}{known}"
        if policy.namespace != namespace:
            return f"the policy of {model} is for the namespace {policy.namespace}, not for {namespace}"
        return policy

    async def _postpone(self, obj: Obj, reason: Reason, message: str, *, policy_valid: bool) -> None:
        await self._objects.mark(
            obj, phase=Phase.PENDING, reason=reason, message=message, policy_valid=policy_valid
        )

    async def _refuse(self, obj: Obj, reason: Reason, message: str) -> None:
        await self._objects.mark(
            obj, phase=Phase.NOT_DEPLOYED, reason=reason, message=message, policy_valid=None
        )


def created_at(obj: Obj) -> datetime:
    """When the object was created, by the API server's clock."""
    written = obj["metadata"].get("creationTimestamp")
    try:
        return datetime.fromisoformat(written)
    except (TypeError, ValueError):
        return datetime.fromtimestamp(0, UTC)
