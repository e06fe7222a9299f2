"""``serinus watch`` outside a terminal: a line for each change."""

from collections.abc import Callable, Iterator

from controller.cli import phrases
from controller.cli.output import as_json, write
from controller.cli.polling import Pace, answers
from controller.cli.session import Session
from controller.control.interface import Control
from controller.control.views import EntryView, StatusList, StatusView

POLL_SECONDS = 1.0
_ALWAYS_SHOWN = frozenset({"approval_given", "approval_denied", "gate_passed"})
"""Events that a person waits for though nothing moves: one of several words that are needed."""


def watch_lines(
    session: Session,
    client: Control,
    target: str | None,
    pace: Pace,
    choose: Callable[[StatusList], StatusList],
    *,
    as_records: bool,
) -> None:
    """Write a line for each change: what stands at first, then every entry that moves something.

    ``choose`` says which rollouts of an answer are followed. With ``as_records`` a line is a JSON object: a
    status first, then log entries.
    """

    def show(name: str, what: StatusView | EntryView) -> None:
        write((as_json(what) if as_records else phrases.line_of(what, name)) + "\n")

    follower = _Follower(client, show)

    def ask() -> StatusList:
        found = choose(client.get(target))
        for status in found.items:
            follower.follow(session.name_of(status), status)
        return found

    for _ in _until_over(ask, target, pace):
        pass


class _Follower:
    """Reads the log of each rollout from where it was read last, so that no change is missed.

    What no daemon has taken up yet has no log: of that the status alone is followed.
    """

    def __init__(self, client: Control, show: Callable[[str, StatusView | EntryView], None]) -> None:
        self._client = client
        self._show = show
        self._read_to: dict[str, int] = {}
        self._shown: dict[str, tuple[object, ...]] = {}

    def follow(self, name: str, status: StatusView) -> None:
        """Show what is new about the rollout, which other commands know by ``name``."""
        unlogged = status.seq == 0 and _facts(status) != self._shown.get(name)
        if name not in self._read_to or unlogged:
            self._read_to[name] = status.seq
            self._shown[name] = _facts(status)
            self._show(name, status)
        while self._read_to[name] < status.seq:
            page = self._client.entries(name, self._read_to[name]).items
            if not page:
                return
            for entry in page:
                if _facts(entry) != self._shown[name] or entry.event in _ALWAYS_SHOWN:
                    self._show(name, entry)
                    self._shown[name] = _facts(entry)
            self._read_to[name] = page[-1].seq


def _facts(what: StatusView | EntryView) -> tuple[object, ...]:
    return what.phase, what.reason, what.step, what.weight


def _until_over(ask: Callable[[], StatusList], target: str | None, pace: Pace) -> Iterator[StatusList]:
    """What is answered at each poll; ends when the one model that is watched has nothing left to do."""
    for found in answers(ask, pace):
        yield found
        if target is not None and all(status.terminal for status in found.items):
            return
