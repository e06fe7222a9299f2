"""How often is asked and drawn, a daemon that goes and comes back, and the terminal afterwards."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console, ConsoleDimensions

from controller.cli.choosing import Choice
from controller.cli.live.feed import Feed
from controller.cli.live.glyphs import ASCII, UNICODE, Glyphs, bar, glyphs_for
from controller.cli.live.screen import Picture, draw
from controller.cli.polling import Pace
from controller.cli.session import Session
from controller.cli.way import Line
from controller.control.client import ControlClient
from controller.control.errors import Unavailable
from controller.control.record_view import RecordView
from controller.control.views import EntryList, StatusList
from controller.domain.vocabulary import Phase, Reason
from tests.fakes import EPOCH
from tests.unit.cli.cluster_stage import a_cluster
from tests.unit.cli.live.scenes import drawn
from tests.unit.control.stage import Stage, progressing, serving

ENTER, LEAVE, SHOW_CURSOR = "\x1b[?1049h", "\x1b[?1049l", "\x1b[?25h"


class Counting(ControlClient):
    """Counts what is asked."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[str] = []

    def get(self, target: str | None = None) -> StatusList:
        self.asked.append("get")
        return super().get(target)

    def record(self, target: str) -> RecordView:
        self.asked.append("record")
        return super().record(target)

    def history(self, target: str, limit: int, *, every: bool) -> EntryList:
        self.asked.append("history")
        return super().history(target, limit, every=every)


class Terminal:
    """A terminal of 80 by 24, a clock that only sleeping moves, and what happens in each sleep."""

    def __init__(self, path: Path, target: str | None = "fraud") -> None:
        self.client = Counting(path)
        self.out = io.StringIO()
        self.console = Console(file=self.out, force_terminal=True, width=80, height=24, color_system=None)
        self.seconds = 0.0
        self.scenes: dict[float, Callable[[], object]] = {}
        self._target = target

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        assert self.seconds < 120, "it never ends"
        self.scenes.pop(self.seconds, lambda: None)()

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.seconds)

    def watch(self) -> str:
        """All that was written until it ended by itself."""
        session = Session(Line())
        picture = Picture(session, self.console, self._target, "nothing yet", UNICODE, self.now)
        feed = Feed(self.client, self._target, Choice().of, session.name_of)
        draw(picture, feed, Pace(1.5, 60.0, self.sleep, lambda: self.seconds))
        return self.out.getvalue()

    @property
    def frames(self) -> list[str]:
        """Each from the top of the screen on."""
        return self.out.getvalue().split("\x1b[H")[1:]


@contextmanager
def a_daemon(path: Path) -> Iterator[Stage]:
    stage = Stage()
    stage.begin(progressing())
    with serving(stage, path):
        yield stage


def end(stage: Stage) -> Callable[[], object]:
    return lambda: stage.move("fraud-1", phase=Phase.ROLLED_BACK, reason=Reason.CHECK_FAILED, message="over")


def test_it_ends_with_the_rollout_and_the_last_picture_stays(tmp_path: Path) -> None:
    with a_daemon(tmp_path / "sock") as stage:
        terminal = Terminal(tmp_path / "sock")
        terminal.scenes[4.0] = end(stage)
        written = terminal.watch()
    assert written.startswith(ENTER)
    assert SHOW_CURSOR in written
    rest = written[written.index(LEAVE) :]
    assert "fraud-1  RolledBack" in rest
    assert "CheckFailed: over" in rest


def test_the_countdown_is_drawn_twice_a_second_and_the_daemon_asked_every_poll(tmp_path: Path) -> None:
    with a_daemon(tmp_path / "sock") as stage:
        terminal = Terminal(tmp_path / "sock")
        terminal.scenes[6.0] = end(stage)
        terminal.watch()
    assert terminal.client.asked.count("get") == 1 + 4, "at 0, 1.5, 3, 4.5 and 6 s"
    assert len(terminal.frames) >= 12
    assert [f"in {left}s: step 2 of 2" in "".join(terminal.frames) for left in (30, 29, 28, 27)] == [True] * 4


def test_a_new_size_of_the_terminal_is_followed_with_the_next_frame(tmp_path: Path) -> None:
    with a_daemon(tmp_path / "sock") as stage:
        terminal = Terminal(tmp_path / "sock")

        def resize() -> None:
            terminal.console.size = ConsoleDimensions(40, 9)

        terminal.scenes[2.0] = resize
        terminal.scenes[6.0] = end(stage)
        terminal.watch()
    sizes = [(max(map(len, lines)), len(lines)) for lines in map(str.splitlines, terminal.frames[2:8])]
    assert sizes[:3] == [(80, 24)] * 3
    assert sizes[-2:] == [(40, 9)] * 2


def test_what_has_not_changed_is_not_read_again(tmp_path: Path) -> None:
    with a_daemon(tmp_path / "sock") as stage:
        terminal = Terminal(tmp_path / "sock")
        terminal.scenes[6.0] = end(stage)
        terminal.watch()
    assert terminal.client.asked.count("record") == 2
    assert terminal.client.asked.count("history") == 2


def test_a_daemon_that_restarts_is_said_to_be_silent_and_picked_up_again(tmp_path: Path) -> None:
    stage, path = Stage(), tmp_path / "sock"
    stage.begin(progressing())
    first, second = serving(stage, path), serving(stage, path)
    first.__enter__()
    terminal = Terminal(path)
    terminal.scenes[2.0] = lambda: first.__exit__(None, None, None)
    terminal.scenes[70.0] = second.__enter__
    terminal.scenes[80.0] = end(stage)
    written = terminal.watch()
    second.__exit__(None, None, None)
    assert "the daemon has not answered for 2s; asking again" in written
    assert "the daemon has not answered for 60s; asking again" in written, "however long that takes"
    assert "has not answered" not in terminal.frames[-1]
    assert "RolledBack" in terminal.frames[-1]


def test_a_daemon_that_never_answered_is_an_error_at_once_and_nothing_is_drawn(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "none")
    with pytest.raises(Unavailable):
        terminal.watch()
    assert terminal.out.getvalue() == ""


def test_all_models_are_watched_until_somebody_ends_it(tmp_path: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with a_daemon(tmp_path / "sock") as stage:
        terminal = Terminal(tmp_path / "sock", None)
        terminal.scenes[3.0] = end(stage)
        terminal.scenes[9.0] = stop
        with pytest.raises(KeyboardInterrupt):
            terminal.watch()
    written = terminal.out.getvalue()
    assert "1 rollout: 1 moving" in written
    assert "1 rollout: 1 at rest" in written[written.index(LEAVE) :]
    assert SHOW_CURSOR in written
    assert set(terminal.client.asked) == {"get"}


def test_what_is_deleted_while_it_is_watched_is_left_out(tmp_path: Path) -> None:
    with a_daemon(tmp_path / "sock"):
        client = Counting(tmp_path / "sock")
        feed = Feed(client, "fraud", Choice().of, lambda status: f"no-{status.rollout}")
        assert feed.ask().scenes == ()


def test_in_a_cluster_rollouts_are_named_with_their_namespace_also_what_no_daemon_took_up() -> None:
    with a_cluster() as cluster:
        cluster.begin("fraud-v2")
        cluster.apply("fraud-v3", version="v3")
        client = cluster.client(namespace=None)
        found = Feed(client, "ml/fraud", Choice().of, lambda status: f"ml/{status.rollout}").ask()
    text = "\n".join(drawn(found, 120, 50))
    assert "○ ml/fraud-v3  Pending" in text
    assert "▶ ml/fraud-v2  Progressing" in text
    assert "no daemon has taken it up" in text


@pytest.mark.parametrize(
    ("encoding", "glyphs"),
    [("utf-8", UNICODE), ("ascii", ASCII), ("latin-1", ASCII), (None, ASCII), ("nonsense", ASCII)],
)
def test_a_terminal_gets_letters_that_it_has(encoding: str | None, glyphs: Glyphs) -> None:
    assert glyphs_for(encoding) is glyphs


@pytest.mark.parametrize(
    ("percent", "drawn"),
    [(0, "...."), (0.1, "#..."), (50, "##.."), (99.9, "###."), (100, "####")],
)
def test_a_bar_never_says_nothing_of_something_nor_all_of_less(percent: float, drawn: str) -> None:
    assert bar(percent, 4, ASCII) == drawn
