"""What people can read: rollouts, their reasons, their logs. Reads the history only, and decides nothing."""

from collections.abc import Sequence

from controller.control.errors import NotFound
from controller.control.record_view import RecordView, record_view
from controller.control.views import (
    EntryList,
    EntryView,
    StatusList,
    StatusView,
    entry_view,
    status_view,
)
from controller.control.why import WhyView, why_view
from controller.domain.model import Rollout
from controller.policy.quantities import shown
from controller.ports import Clock, Policies, RolloutHistory

_MOST_KEPT = 200
"""Rollouts of one model whose logs are read for its history."""
_PAGE = 500
_MODELS_AT_ONCE = 250
"""Models whose rollouts are read together: between two readings others have their turn."""


class Reader:
    """The use cases that change nothing. ``target`` is a model's name, or the id of one of its rollouts.

    All raise `NotFound` for a target that is neither, and `StoreUnavailable` when the store fails.
    """

    def __init__(self, history: RolloutHistory, policies: Policies, clock: Clock) -> None:
        self._history = history
        self._policies = policies
        self._clock = clock

    async def get(self, target: str | None) -> StatusList:
        """Each model's newest rollout, and the older ones that are not over yet."""
        if target is not None:
            found = await self._history.current([target]) or [await self.newest(target)]
            return self._statuses(found)
        models, items = await self._history.models(), list[StatusView]()
        for begin in range(0, len(models), _MODELS_AT_ONCE):
            together = models[begin : begin + _MODELS_AT_ONCE]
            items += self._statuses(await self._history.current(together)).items
        return StatusList(items=tuple(items))

    async def status(self, target: str) -> StatusView:
        """The model's newest rollout, or the one that was named."""
        return status_view(await self.newest(target), self._clock.now())

    async def why(self, target: str) -> WhyView:
        """The same, explained."""
        return why_view(await self.newest(target), self._clock.now())

    async def record(self, target: str) -> RecordView:
        """The same, and the policy that it is judged by."""
        return record_view(await self.newest(target), self._clock.now())

    async def history(self, target: str, limit: int, *, every: bool) -> EntryList:
        """The last ``limit`` log entries, oldest first; only those of consequence unless ``every`` is set."""
        rollouts = await self._history.rollouts(target, _MOST_KEPT) or [await self.newest(target)]
        found: list[EntryView] = []  # newest first
        for rollout in rollouts:
            found += await self._last_entries(rollout, limit - len(found), every=every)
            if len(found) >= limit:
                break
        return EntryList(items=tuple(reversed(found)))

    async def entries(self, rollout_id: str, after_seq: int, limit: int) -> EntryList:
        """A rollout's log after an entry, in order."""
        rollout = await self._history.named(rollout_id)
        if rollout is None:
            raise self._unknown(rollout_id)
        entries = await self._history.entries(rollout.id, after_seq, limit)
        return EntryList(items=tuple(entry_view(rollout, entry) for entry in entries))

    async def rollouts(self, model: str, limit: int) -> StatusList:
        """The model's rollouts, newest first."""
        return self._statuses(await self._history.rollouts(model, limit) or [await self.newest(model)])

    async def newest(self, target: str) -> Rollout:
        """The model's newest rollout, else the rollout of that name."""
        of_model = await self._history.rollouts(target, 1)
        found = of_model[0] if of_model else await self._history.named(target)
        if found is None:
            raise self._unknown(target)
        return found

    def _statuses(self, found: Sequence[Rollout]) -> StatusList:
        now = self._clock.now()
        return StatusList(items=tuple(status_view(each, now) for each in found))

    async def _last_entries(self, rollout: Rollout, limit: int, *, every: bool) -> Sequence[EntryView]:
        """Newest first, read backwards page by page, because most entries are of no consequence."""
        found: list[EntryView] = []
        before = rollout.seq + 1
        while before > 1 and len(found) < limit:
            first = max(before - (min(_PAGE, limit) if every else _PAGE), 1)
            page = await self._history.entries(rollout.id, first - 1, before - first)
            wanted = [entry for entry in reversed(page) if every or entry.notable]
            found += [entry_view(rollout, entry) for entry in wanted[: limit - len(found)]]
            before = first
        return found

    def _unknown(self, target: str) -> NotFound:
        if target in self._policies.current():
            deploy = f"serinus deploy {target} VERSION --endpoint HOST:PORT"
            return NotFound(f"{target} has no rollout yet", deploy)
        return NotFound(f"no model or rollout is called {shown(target)}", "serinus get")


def numbered(model: str, newest: Rollout | None, ended: Rollout | None) -> str:
    """The id of a model's next rollout: they are numbered from 1, whether a release is tried again or new."""
    del ended
    number = newest.id.removeprefix(f"{model}-") if newest else "0"
    return f"{model}-{int(number) + 1 if number.isascii() and number.isdigit() else 1}"


def model_of(target: str) -> str | None:
    """The model that a rollout's id names; None for what is no id."""
    model, _, number = target.rpartition("-")
    return model if model and number.isascii() and number.isdigit() else None
