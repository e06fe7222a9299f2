"""The command as a process: terminals, pipes that close, Ctrl-C, and what help costs to import."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.control.stage import Stage, progressing, serving

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


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "controller", *words]


def on_a_terminal(words: list[str], environment: dict[str, str], until: bytes = b"") -> tuple[int, bytes]:
    """Exit code and output on a terminal of its own. Interrupts the command once it wrote ``until``."""
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
                process.send_signal(signal.SIGINT)
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


def test_watching_on_a_terminal_is_a_live_picture_that_ctrl_c_ends(environment: dict[str, str]) -> None:
    code, picture = on_a_terminal(command("watch", "fraud"), environment, until=b"1,234")
    assert code == 130
    assert ESCAPE in picture
    assert b"errors" in picture
    assert b"Traceback" not in picture
    end = picture[picture.rindex(b"\x1b[?1049l") :]
    assert b"\x1b[?25h" in picture[picture.rindex(b"\x1b[?25l") :], "the cursor is given back"
    assert b"fraud-1" in end, "the last picture stays"


def test_a_pipe_never_gets_escapes_whatever_the_environment_says(environment: dict[str, str]) -> None:
    forced = {**environment, "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "GITHUB_ACTIONS": "true"}
    for words in (["status", "fraud"], ["--help"], ["pause", "nobody"], ["get", "-o", "nonsense"]):
        done = subprocess.run(
            command(*words), cwd=ROOT, env=forced, capture_output=True, check=False, timeout=30
        )
        assert ESCAPE not in done.stdout + done.stderr


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


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from controller.cli.main import main\n"
        "sys.argv = ['serinus', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'pydantic', 'rich', 'ruamel', 'structlog', 'asyncio', 'httpx2', 'apscheduler', 'jinja2'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment_of(),
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.decode().splitlines()[-1] == "HEAVY []"


def test_an_ascii_terminal_gets_the_text_all_the_same(environment: dict[str, str]) -> None:
    plain = {**environment, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        command("status", "fraud"), cwd=ROOT, env=plain, capture_output=True, check=True, timeout=30
    )
    assert b"StepRunning" in done.stdout
