"""The names of what is there, for completion. Light to import: every command's arguments refer to it.

**Invariant**: completion never waits longer than a second, never says anything, and leaves nothing running.
"""

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Callable, Sequence

import typer

_SECONDS = 1.0
_CHUNK_BYTES = 1 << 16


def live_names(context: typer.Context, incomplete: str) -> list[str]:
    """Models and rollouts that begin so; none when they cannot be told in time."""
    from controller.cli.session import Session  # noqa: PLC0415 - which names this function
    from controller.cli.way import line_so_far  # noqa: PLC0415 - as above

    session = Session(line_so_far(context.find_root()))

    def ask() -> list[str]:
        found = session.client().get().items
        names = {name for status in found for name in (status.model, session.name_of(status))}
        return sorted(name for name in names if name.startswith(incomplete))

    return within(_SECONDS, ask)


def within(seconds: float, ask: Callable[[], Sequence[str]]) -> list[str]:
    """What ``ask`` answers, or nothing: it runs in a child process that is killed when the time is over.

    A child, because name servers, libraries and the loading of code cannot be interrupted otherwise.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(writing, ask)
    os.close(writing)
    try:
        return _names(_read(reading, time.monotonic() + seconds))
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(
                child, signal.SIGKILL
            )  # with what it started: a credential plugin may ask for a password
        os.kill(child, signal.SIGKILL)  # it may not have had the time to found the group
        os.waitpid(child, 0)


def _answer(writing: int, ask: Callable[[], Sequence[str]]) -> None:
    """In the child: it must not return into the parent's code, nor write where the shell reads."""
    try:
        os.setsid()
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)  # whatever libraries print would stand in the line being typed
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            json.dump(list(ask()), pipe)
    finally:
        os._exit(0)


def _read(reading: int, deadline: float) -> bytes:
    """All that is written before the deadline; nothing if it is not complete by then."""
    chunks: list[bytes] = []
    while select.select([reading], [], [], max(deadline - time.monotonic(), 0))[0]:
        chunk = os.read(reading, _CHUNK_BYTES)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
    return b""


def _names(answer: bytes) -> list[str]:
    """Of a child that died in the middle there is nothing to read."""
    try:
        return [name for name in json.loads(answer) if isinstance(name, str) and name.isprintable()]
    except ValueError:
        return []
