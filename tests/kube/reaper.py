"""Ends processes when we die without ending them: a test run that is killed leaves no API server behind."""

import subprocess

# the pipe ends without a line when its writer dies; a line means that all is well
_SCRIPT = 'read -r line && exit 0; kill -KILL "$@"'


class Reaper:
    """Watches over pids from its making on until ``dismiss()``."""

    def __init__(self, *pids: int) -> None:
        self._process = subprocess.Popen(
            ("sh", "-c", _SCRIPT, "sh", *map(str, pids)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what ends our group shall not end it
        )

    def dismiss(self) -> None:
        """Let it go; nothing is killed."""
        self._process.communicate(b"done\n", timeout=10)
