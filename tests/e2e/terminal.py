"""A command on a terminal of its own, read as it writes."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from deploy.local.stack import REPOSITORY

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_COLUMNS, _ROWS = 100, 30
_SECONDS = 30.0


class Terminal:
    """What was written so far is ``text``, without its colours and movements."""

    def __init__(self, process: "subprocess.Popen[bytes]", reading: int) -> None:
        self._process = process
        self._reading = reading
        self._seen = b""

    @property
    def text(self) -> str:
        return _ESCAPES.sub("", self._seen.decode("utf-8", "replace"))

    def until(self, sign: str) -> None:
        """Read until this was written. AssertionError after a deadline, or when the command has ended."""
        deadline = time.monotonic() + _SECONDS
        while sign not in self.text:
            assert time.monotonic() < deadline, f"{sign!r} was not written:\n{self.text[-4000:]}"
            assert self._read(), f"it ended before {sign!r} was written:\n{self.text[-4000:]}"

    def ended(self) -> int:
        """The exit code, once it ended by itself."""
        while self._read():
            pass
        return self._process.wait(_SECONDS)

    def _read(self) -> bool:
        if select.select([self._reading], [], [], 0.1)[0]:
            try:
                self._seen += os.read(self._reading, 65536)
            except OSError:  # the other end is closed
                return False
        return True


@contextmanager
def on_a_terminal(words: Sequence[str]) -> Iterator[Terminal]:
    """The command, started; killed at the end if it still runs."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SERINUS_")}
    plain = {name: value for name, value in kept.items() if name not in {"NO_COLOR", "COLUMNS", "LINES"}}
    environment = {**plain, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(
        words, cwd=REPOSITORY, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
