"""Installs engines in virtual environments of their own, hash-checked: Serinus does not depend on them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from deploy.local.stack import REPOSITORY, StackError

if TYPE_CHECKING:
    from pathlib import Path


def install_engine(name: str) -> Path:
    """The folder of the engine's environment, installed on the first call. Raises StackError.

    What is in it stands in ``serving/NAME-requirements.txt``.
    """
    folder = REPOSITORY / ".cache" / f"{name}-venv"
    requirements = REPOSITORY / "deploy" / "local" / "serving" / f"{name}-requirements.txt"
    stamp = folder / "requirements.txt"
    if stamp.exists() and stamp.read_bytes() == requirements.read_bytes():
        return folder
    uv = str(REPOSITORY / ".cache" / "uv" / "bin" / "uv")
    environment = {**os.environ, "VIRTUAL_ENV": str(folder)}
    for command in (
        (uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)),
        (uv, "pip", "install", "--quiet", "--require-hashes", "-r", str(requirements)),
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            msg = f"{name} could not be installed:\n{done.stderr[-2000:]}"
            raise StackError(msg)
    shutil.copy(requirements, stamp)
    return folder
