"""What a log line holds of an error: where it was, and no value that was there."""

import subprocess
import sys

import pytest

MARKER = "M4RKER-of-a-secret"
FAILING = """
import logging, sys
import structlog
from controller import logs

def broken(token):
    local = token * 2
    raise ValueError("no")

logs.configure(sys.argv[1], "info")
try:
    broken(sys.stdin.read())
except ValueError:
    structlog.get_logger("ours").exception("pass_broke")
    logging.getLogger("theirs").exception("a library failed")
"""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_values_of_variables(log_format: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILING, log_format], input=MARKER, capture_output=True, text=True, check=True
    )
    assert "pass_broke" in done.stderr
    assert "a library failed" in done.stderr
    assert done.stderr.count("broken") >= 2, "the place is shown"
    assert MARKER not in done.stderr
