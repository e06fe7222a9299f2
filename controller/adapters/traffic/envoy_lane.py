"""One writer for one of Envoy's files: what many models want at the same time becomes one write.

When Envoy refuses a write, it is taken back at once, so that no restart of Envoy meets it, and its changes
are tried again in halves until the ones to blame stand alone. A model that was to blame is tried alone the
next time too: nobody else waits for it.

**Invariant**: whoever submits gets exactly one answer, and no refused change stays in the file.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from controller.adapters.traffic.envoy_admin import EnvoyAdmin, Outcome, Resource
from controller.adapters.traffic.envoy_changes import ClusterChange, RouteChange, Step, Written
from controller.errors import ControllerError, TargetError, TransientError

log = structlog.get_logger(__name__)

C = TypeVar("C", bound=RouteChange | ClusterChange)


@dataclass(frozen=True, slots=True, eq=False)
class _Request(Generic[C]):
    change: C
    answer: asyncio.Future[Outcome]

    def resolve(self, outcome: Outcome) -> None:
        if not self.answer.done():
            self.answer.set_result(outcome)

    def fail(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)
            self.answer.exception()  # a caller that was cancelled does not fetch it


class Lane(Generic[C]):
    """``write`` and ``undo`` are those of `EnvoyFolder`, made awaitable."""

    def __init__(
        self,
        resource: Resource,
        admin: EnvoyAdmin,
        write: Callable[[Sequence[C]], Awaitable[Written[C]]],
        undo: Callable[[Sequence[Step[C]]], Awaitable[str]],
    ) -> None:
        self._resource = resource
        self._admin = admin
        self._write = write
        self._undo = undo
        self._pending: list[_Request[C]] = []
        self._blamed: set[str] = set()
        self._drain: asyncio.Task[None] | None = None

    async def submit(self, change: C) -> Outcome:
        """Have the change written and taken by Envoy: ACCEPTED, or DOWN when it will read it at its start.

        Raises `Conflict`; `TargetError` when Envoy refuses the change or the change cannot be written;
        `TransientError` when Envoy does not answer in time (the file holds the change) or the disk fails.
        """
        request = _Request(change, asyncio.get_running_loop().create_future())
        self._pending.append(request)
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._run())
        return await request.answer

    async def close(self) -> None:
        """Stop; whoever waits gets a `TransientError`."""
        if self._drain is not None:
            self._drain.cancel()
            await asyncio.wait({self._drain})

    async def _run(self) -> None:
        batch: list[_Request[C]] = []
        try:
            while self._pending:
                # While Envoy answers, those who come at the same time join.
                refused_before = await self._admin.rejections_before(self._resource)
                batch, self._pending = self._pending, []
                alone = [each for each in batch if each.change.model in self._blamed]
                await self._settle([each for each in batch if each not in alone], refused_before)
                for each in alone:
                    await self._settle_after([each])
        except BaseException:
            stopped = TransientError("the gateway's writer stopped: the change may be written or not")
            for each in batch + self._pending:
                each.fail(stopped)
            raise

    async def _settle_after(self, batch: Sequence[_Request[C]]) -> None:
        await self._settle(batch, await self._admin.rejections_before(self._resource))

    async def _settle(self, batch: Sequence[_Request[C]], refused_before: int | None) -> None:
        try:
            written = await self._write([each.change for each in batch])
        except ControllerError as error:
            for each in batch:
                each.fail(error)
            return
        open_requests = self._answer_the_rest(batch, written)
        if not open_requests:
            return
        outcome = await self._admin.wait_for(self._resource, written.version, refused_before)
        if outcome is Outcome.REJECTED:
            await self._isolate(open_requests, written)
            return
        for each in open_requests:
            self._answer(each, outcome)

    def _answer_the_rest(self, batch: Sequence[_Request[C]], written: Written[C]) -> list[_Request[C]]:
        """Answer the requests that needed no writing or may not be written; give the others."""
        refused = {id(change): error for change, error in written.refused}
        stepped = {id(step.change) for step in written.steps}
        for each in batch:
            if error := refused.get(id(each.change)):
                each.fail(error)
            elif id(each.change) not in stepped:
                each.resolve(Outcome.ACCEPTED)
        return [each for each in batch if id(each.change) in stepped]

    def _answer(self, request: _Request[C], outcome: Outcome) -> None:
        if outcome is Outcome.SILENT:
            request.fail(TransientError(f"{self._resource} is written, but Envoy did not confirm it in time"))
            return
        self._blamed.discard(request.change.model)
        request.resolve(outcome)

    async def _isolate(self, batch: Sequence[_Request[C]], written: Written[C]) -> None:
        try:
            version = await self._undo(written.steps)
        except ControllerError as error:
            for each in batch:
                each.fail(error)
            return
        if len(batch) == 1:
            self._quarantine(batch[0])
            return
        if await self._admin.wait_for(self._resource, version, None) is not Outcome.ACCEPTED:
            stuck = TransientError(f"Envoy refused {self._resource}, and has not gone back to it as it was")
            for each in batch:
                each.fail(stuck)
            return
        middle = len(batch) // 2
        await self._settle_after(batch[:middle])
        await self._settle_after(batch[middle:])

    def _quarantine(self, request: _Request[C]) -> None:
        model = request.change.model
        self._blamed.add(model)
        log.warning("gateway_refused", model=model, file=str(self._resource))
        request.fail(
            TargetError(
                f"Envoy refuses the configuration of {model} in {self._resource}: "
                "the old one stays in force, Envoy's log says why"
            )
        )
