"""The command as a process: terminals, pipes that close, Ctrl-C, and what help costs to import."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from controller.cli.main import app
from controller.domain.vocabulary import Phase, Reason
from tests.unit.cli.test_backtest import POLICY, known
from tests.unit.control.stage import Stage, ended, progressing, serving
from tests.unit.metrics.test_prometheus_source import serving as serving_prometheus

ROOT = Path(__file__).parents[3]
ESCAPE = b"\x1b"
DEADLINE_SECONDS = 30.0


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    stage = Stage()
    stage.begin(progressing())
    with serving(stage, tmp_path / "sock") as path:
        yield environment_of(SERINUS_SOCKET=str(path), TERM="xterm-256color")


def environment_of(**changes: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, **changes}


def every_command() -> list[list[str]]:
    """The words of every command there is, groups and what is in them."""

    def below(group: TyperGroup, words: list[str]) -> list[list[str]]:
        found = []
        for name, each in group.commands.items():
            found.append([*words, name])
            found += below(each, [*words, name]) if isinstance(each, TyperGroup) else []
        return found

    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return below(root, [])


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "controller", *words]


def on_a_terminal(
    words: list[str], environment: dict[str, str], until: bytes = b"", with_signal: int = signal.SIGINT
) -> tuple[int, bytes]:
    """Exit code and output on a terminal of its own. Signals the command once it wrote ``until``."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(words, cwd=ROOT, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen, deadline = b"", time.monotonic() + DEADLINE_SECONDS
    try:
        while time.monotonic() < deadline:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    seen += os.read(ours, 65536)
                except OSError:  # the other end is closed
                    break
            if until and until in seen:
                process.send_signal(with_signal)
                until = b""
        return process.wait(DEADLINE_SECONDS), seen
    finally:
        process.kill()
        os.close(ours)


def test_a_terminal_gets_colours_and_no_color_takes_them_away(environment: dict[str, str]) -> None:
    code, coloured = on_a_terminal(command("status", "fraud"), environment)
    assert code == 0
    assert ESCAPE in coloured
    for words, extra in (
        (["status", "fraud", "--no-color"], {}),
        (["status", "fraud"], {"NO_COLOR": "1"}),
        (["status", "fraud"], {"TERM": "dumb"}),
        (["pause", "nobody"], {"NO_COLOR": "1"}),
        (["--help"], {"NO_COLOR": "1", "FORCE_COLOR": "1"}),
        (["deploy"], {"NO_COLOR": "1"}),
    ):
        _, plain = on_a_terminal(command(*words), {**environment, **extra})
        assert plain, words
        assert ESCAPE not in plain, words


@pytest.mark.parametrize(("with_signal", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("words", [("watch", "fraud"), ("get", "fraud", "--watch")], ids=" ".join)
def test_a_live_picture_gives_the_terminal_back_however_it_is_ended(
    environment: dict[str, str], words: tuple[str, ...], with_signal: int, code: int
) -> None:
    ended, picture = on_a_terminal(command(*words), environment, b"1,234", with_signal)
    assert ended == code
    assert ESCAPE in picture
    assert b"errors" in picture
    assert b"Traceback" not in picture
    end = picture[picture.rindex(b"\x1b[?1049l") :]
    assert b"\x1b[?25h" in picture[picture.rindex(b"\x1b[?25l") :], "the cursor is given back"
    assert b"fraud-1" in end, "the last picture stays"


LINES: Mapping[str, tuple[str, ...]] = {
    "approve": ("approve", "fraud"),
    "backtest": ("backtest", "no.yaml"),
    "completion": ("completion", "zsh"),
    "convert": ("convert", "no.yaml"),
    "deny": ("deny", "fraud", "--reason", "no"),
    "deploy": ("deploy", "fraud", "v9", "--endpoint", "h:1"),
    "explain": ("explain", "steps"),
    "lint": ("lint", "no.yaml"),
    "notify": ("notify",),
    "notify test": ("notify", "test", "nobody"),
    "run": ("run", "--settings", "no.toml"),
    "watch": ("watch", "fraud-1"),
    **{name: (name,) for name in ("doctor", "get", "schema", "version")},
}
"""What is typed of each command; of those that are not here, the model is all they take."""
MODEL_ALONE = {"abort", "diff", "history", "pause", "promote", "report", "resume", "retry", "status", "why"}
FORCED = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "GITHUB_ACTIONS": "true", "TTY_COMPATIBLE": "1"}
ON_A_TERMINAL = """
import gc, os, sys
from controller.adapters import registry
from controller.app import run
from controller.cli import following, tables, watching
from controller.cli.backtest import report, running
from controller.cli.cluster import client
from controller.cli.doctor import looking, machine, table
from controller.cli.main import main
from controller.control import client, diff_view
from controller.report import collecting, markdown
gc.freeze()
for line in sys.argv[1].split("|"):
    for words in (line, line.split()[0] + " --help"):
        child = os.fork()
        if not child:
            sys.argv = ["serinus", *words.split()]
            try: main()
            finally:
                sys.stdout.flush(), sys.stderr.flush()
                os._exit(0)  # the end of an interpreter with so much in it takes longer than the command
        os.waitpid(child, 0)
"""


def test_every_command_is_typed_below() -> None:
    assert {" ".join(words) for words in every_command()} == LINES.keys() | MODEL_ALONE


@pytest.mark.parametrize(
    ("on_terminal", "changes", "option"),
    [
        (False, FORCED, ""),
        (True, {"NO_COLOR": "1", **FORCED}, ""),
        (True, {"TERM": "dumb"}, ""),
        (True, {}, " --no-color"),
    ],
    ids=["pipe", "NO_COLOR", "dumb", "--no-color"],
)
def test_no_command_writes_an_escape_byte(
    tmp_path: Path, on_terminal: bool, changes: dict[str, str], option: str
) -> None:
    """All commands and their help, each in a child of one process that has imported what they need."""
    stage = Stage()
    stage.begin(ended(Phase.SUCCEEDED, Reason.PROMOTED))
    stage.begin(replace(progressing("v3", 2), id="fraud-2"))
    lines = [" ".join(LINES.get(" ".join(words), (*words, "fraud"))) for words in every_command()]
    script = [sys.executable, "-c", ON_A_TERMINAL, "|".join(line + option for line in lines)]
    with serving(stage, tmp_path / "sock") as path:
        there = {"SERINUS_SOCKET": str(path), "TERM": "xterm-256color", "HOME": str(tmp_path), **changes}
        environment = environment_of(**there)
        if on_terminal:
            code, written = on_a_terminal(script, environment)
        else:
            done = subprocess.run(script, cwd=ROOT, env=environment, capture_output=True, check=False)
            code, written = done.returncode, done.stdout + done.stderr
    assert code == 0, written
    assert ESCAPE not in written
    assert written.count(b"Usage: serinus ") >= len(lines) - 1, "each gave its help"
    for told in (b"fraud-1", b"fraud-2", b"policy", b"error: ", b"Succeeded"):
        assert told in written


@pytest.mark.parametrize(
    ("changes", "bar"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_long_work_shows_a_bar_only_where_it_may_move_the_cursor(
    tmp_path: Path, changes: dict[str, str], bar: bool
) -> None:
    file = tmp_path / "fraud.yaml"
    file.write_text(POLICY)
    with serving_prometheus(known("v1")) as url:
        words = ("backtest", str(file), "--prometheus", url, "--since", "2h", "--rollouts", "2")
        environment = environment_of(**{"TERM": "xterm-256color", "HOME": str(tmp_path), **changes})
        code, written = on_a_terminal(command(*words), environment)
    assert code == 0, written
    assert (b"100 %" in written, ESCAPE in written) == (bar, bar)
    assert b"as good as stable" in written


def test_a_reader_that_goes_away_ends_the_command_quietly(environment: dict[str, str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command("status", "fraud", "-o", "json"),
        cwd=ROOT, env=environment, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=30,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_ctrl_c_in_a_pipe_ends_with_130_and_says_nothing(environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        command("watch"), cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert b"fraud-1" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, b"")


HELP_OF_ALL = """
import sys
from controller.cli.main import main
COMMANDS = {commands}
for words in [[], *COMMANDS]:
    sys.argv = ['serinus', *words, '--help']
    try: main()
    except SystemExit as end: assert not end.code, words
heavy = {'pydantic', 'rich', 'ruamel', 'structlog', 'asyncio', 'httpx2', 'apscheduler', 'kubernetes'}
print('HEAVY', sorted(heavy & set(sys.modules)))
"""


def test_help_imports_nothing_heavy_whatever_the_command() -> None:
    script = HELP_OF_ALL.replace("{commands}", repr(every_command()))
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment_of(),
        capture_output=True,
        check=True,
        timeout=30,
    )
    lines = done.stdout.decode().splitlines()
    assert lines[-1] == "HEAVY []"
    assert len([line for line in lines if line.startswith("Usage: serinus ")]) == 1 + len(every_command())


@pytest.mark.parametrize("words", [("status", "fraud", "--help"), ("-n", "ml", "status", "-h")])
def test_help_after_other_words_is_given_too(words: tuple[str, ...]) -> None:
    done = subprocess.run(command(*words), cwd=ROOT, env=environment_of(), capture_output=True, check=True)
    assert done.stdout.decode().startswith("Usage: serinus status ")


def test_a_daemon_without_the_api_imports_nothing_of_it() -> None:
    script = (
        "import sys\n"
        "import controller.app, controller.app.machine, controller.app.cluster\n"
        "sys.exit('fastapi' in sys.modules or 'controller.web' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment_of(), check=False, timeout=60
    )
    assert done.returncode == 0


def test_an_ascii_terminal_gets_the_text_all_the_same(environment: dict[str, str]) -> None:
    plain = {**environment, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        command("status", "fraud"), cwd=ROOT, env=plain, capture_output=True, check=True, timeout=30
    )
    assert b"StepRunning" in done.stdout
