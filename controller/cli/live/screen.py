"""Draws the live view until what is watched is over: on a screen of its own, which is given back at the end.

The last picture stays in the terminal. A daemon that does not answer any more is said to be silent, and asked
again for as long as somebody watches; one that never answered is an error at once.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import FrameType
from typing import NoReturn

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.text import Text

from controller.cli.live import fleet, tree
from controller.cli.live.feed import Feed, Found
from controller.cli.live.glyphs import Glyphs, glyphs_for
from controller.cli.live.layout import cut, fitted, wrapped
from controller.cli.polling import Pace
from controller.cli.session import Session
from controller.control.errors import Unavailable
from controller.domain.wording import printable

POLL_SECONDS = 1.5
_FRAME_SECONDS = 0.5
"""From picture to picture: countdowns go on, and a new size of the terminal is followed."""
_TERMINATED = 128


@dataclass(frozen=True, slots=True)
class Frame:
    """What is drawn at one instant. ``silent_seconds`` is None while the daemon answers."""

    session: Session
    title: str | None
    empty: str
    """What is said where there is no rollout."""
    found: Found
    now: datetime
    silent_seconds: float | None
    glyphs: Glyphs
    left_free: int = 0
    """Lines of the terminal's height that it must not take."""

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> RenderResult:
        """The lines, as the terminal's size is now."""
        for line in self.lines(options.max_width, options.size.height - self.left_free):
            line.no_wrap, line.overflow = True, "crop"
            yield line

    def lines(self, width: int, height: int) -> list[Text]:
        """The picture, none of whose lines is wider, and which has no more of them than ``height``."""
        head = self._head(width)
        return [*head, *self._body(width, max(height - len(head), 0))][: max(height, 1)]

    def _head(self, width: int) -> list[Text]:
        clock = f"{self.now:%H:%M:%S} UTC"
        title = Text(printable(self.title or fleet.totals(self.found.statuses)), style="bold")
        if title.cell_len + len(clock) + 1 <= width:
            title.append(clock.rjust(width - title.cell_len), style="not bold dim")
        head = [cut(title, width, self.glyphs)]
        if self.silent_seconds is not None:
            text = f"the daemon has not answered for {self.silent_seconds:.0f}s; asking again"
            said = Text(f"{self.glyphs.attention} {text}", style="bold yellow")
            head.append(cut(said, width, self.glyphs))
        return head

    def _body(self, width: int, height: int) -> list[Text]:
        if self.found.scenes is not None:
            scenes, as_called = self.found.scenes, self.session.as_called

            def drawn(level: int) -> list[Text]:
                return tree.lines(scenes, self.now, width, level, self.glyphs, as_called)

            return fitted(drawn, tree.LEVELS, width, height, self.glyphs)
        if not self.found.statuses:
            return [Text(line) for line in wrapped(self.empty, width, max(height, 1), self.glyphs)]
        statuses, name_of = self.found.statuses, self.session.name_of
        return fleet.lines(statuses, name_of, self.now, width, height, self.glyphs)


@dataclass(frozen=True, slots=True)
class Picture:
    """What stands on the screen, and how it is put there: ``now`` is read for each frame."""

    session: Session
    console: Console
    title: str | None
    empty: str
    glyphs: Glyphs
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def frame(self, found: Found, silent_seconds: float | None) -> Frame:
        """As of now."""
        return Frame(self.session, self.title, self.empty, found, self.now(), silent_seconds, self.glyphs)


def watch_live(session: Session, feed: Feed, title: str | None, empty: str) -> None:
    """Draw over and over; ends with the rollout when one model is watched. Raises a `ControlError`.

    ``title`` is what is watched, None for the totals; ``empty`` is said where there is no rollout.
    """
    with suppress(AttributeError):  # letters of a name that the terminal lacks must not end it
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    console = Console(markup=False, highlight=False, emoji=False)
    picture = Picture(session, console, title, empty, glyphs_for(console.encoding))
    with _terminated_as_interrupted():
        draw(picture, feed, Pace(POLL_SECONDS))


def draw(picture: Picture, feed: Feed, pace: Pace) -> None:
    """The loop: a frame twice a second, a question ``pace.poll_seconds`` after each answer."""
    found, heard = feed.ask(), pace.monotonic()
    frame, asked, silent = picture.frame(found, None), heard, False
    console = picture.console
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(frame, refresh=True)
                if found.over:
                    return
                pace.sleep(min(_FRAME_SECONDS, pace.poll_seconds))
                if pace.monotonic() - asked >= pace.poll_seconds:
                    silent = True
                    with suppress(Unavailable):
                        found, heard, silent = feed.ask(), pace.monotonic(), False
                    asked = pace.monotonic()
                frame = picture.frame(found, pace.monotonic() - heard if silent else None)
    finally:
        console.print(replace(frame, left_free=1))  # for the prompt, or the picture's head is out of sight


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the process only once the terminal has its screen and its cursor back."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(_TERMINATED + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
