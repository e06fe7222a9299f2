"""Asks the daemon for what the live view shows, no more often than a poll, and no more than has changed."""

from collections.abc import Callable
from dataclasses import dataclass

from controller.control.errors import NotFound
from controller.control.interface import Control
from controller.control.record_view import RecordView
from controller.control.views import EntryView, StatusList, StatusView

LOG_LINES = 6
"""Entries of consequence that are read of each rollout, the newest."""

Choice = Callable[[StatusList], StatusList]
"""What of an answer a person wants to see, in their order."""


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is known of one rollout, which other commands know by ``name``; the log is oldest first."""

    name: str
    status: StatusView
    record: RecordView
    log: tuple[EntryView, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One answer: the rollouts, and the scenes of each where one model is watched (None: where not)."""

    statuses: tuple[StatusView, ...]
    scenes: tuple[Scene, ...] | None

    @property
    def over(self) -> bool:
        """Whether the one model that is watched has nothing left to do."""
        return self.scenes is not None and all(status.terminal for status in self.statuses)


class Feed:
    """Reads one model's rollouts with all that is known of them, or without a ``target`` all there are."""

    def __init__(
        self, client: Control, target: str | None, choose: Choice, name_of: Callable[[StatusView], str]
    ) -> None:
        self._client = client
        self._target = target
        self._choose = choose
        self._name_of = name_of
        self._known: dict[str, Scene] = {}

    def ask(self) -> Found:
        """Raises a `ControlError`, `Unavailable` when nobody answers."""
        statuses = self._choose(self._client.get(self._target)).items
        if self._target is None:
            return Found(statuses, None)
        scenes = [scene for status in statuses if (scene := self._scene(status)) is not None]
        self._known = {scene.name: scene for scene in scenes}
        return Found(statuses, tuple(scenes))

    def _scene(self, status: StatusView) -> Scene | None:
        """None for what was deleted since it was listed."""
        name = self._name_of(status)
        known = self._known.get(name)
        if known is not None and _unchanged(known.status, status):
            return Scene(name, status, known.record, known.log)
        try:
            log = self._client.history(name, LOG_LINES, every=False).items
            return Scene(name, status, self._client.record(name), log)
        except NotFound:
            return None


def _unchanged(known: StatusView, status: StatusView) -> bool:
    """Whether the record is the same: every decision has a number. What no daemon took up has none."""
    return status.seq != 0 and (known.seq, known.updated_at) == (status.seq, status.updated_at)
