"""A reader at a shell: scripts run by bash, in a folder, with what a reader has on the path."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from deploy.local.stack import REPOSITORY

_BASH = ("bash", "-euo", "pipefail", "-c")
PROGRAMS = Path(sys.executable).parent
"""Where `serinus` and `envoy` are, as in the virtual environment of `make setup`."""


class Terminal:
    """Scripts that are run one after the other; `close` ends what they left running.

    ``variables`` come on top of the environment, which has no settings of a Serinus.
    """

    def __init__(self, folder: Path, variables: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("SERINUS_")}
        path = f"{PROGRAMS}:{os.environ['PATH']}"
        self._environment = {**inherited, "PATH": path, "PYTHONPATH": str(REPOSITORY), **(variables or {})}
        self._started: list[subprocess.Popen[bytes]] = []
        self.output = folder / "terminal.log"

    def start(self, script: str) -> "subprocess.Popen[bytes]":
        """Run a script and wait for nothing. Its output goes to a file: what it leaves running writes on."""
        with self.output.open("ab") as output:
            process = subprocess.Popen(
                (*_BASH, script),
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def run(self, script: str, within: float = 60) -> str:
        """Run a script to its end; what it printed. Raises AssertionError if a command of it failed."""
        before = self.output.stat().st_size if self.output.exists() else 0
        code = self.start(script).wait(within)
        with self.output.open("rb") as output:
            output.seek(before)
            said = output.read().decode()
        assert code == 0, f"exit code {code}\n{script}\n{said}"
        return said

    def close(self) -> None:
        """End everything that the scripts started, and wait for what was a script itself."""
        for process in reversed(self._started):
            with suppress(ProcessLookupError):  # all of it has ended
                os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
