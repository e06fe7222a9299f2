"""The image's file system, made as the Dockerfile makes it, and run in a chroot in place of a container."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.image.collect import USER
from deploy.local.stack import REPOSITORY, find_program

_DOCKERFILE = REPOSITORY / "Dockerfile"
_UV = REPOSITORY / ".cache" / "uv" / "bin" / "uv"


def last_stage() -> str:
    """The instructions that make the image itself."""
    return _DOCKERFILE.read_text().rpartition("\nFROM ")[2]


def variables() -> dict[str, str]:
    """The image's own environment."""
    [block] = re.findall(r"^ENV ((?:.*\\\n)*.*)$", last_stage(), re.MULTILINE)
    return dict(pair.split("=", 1) for pair in block.replace("\\\n", " ").split())


class Image:
    """A folder that is the whole file system of the daemon. Needs root, for chroot."""

    def __init__(self, folder: Path) -> None:
        if os.getuid() != 0 or not _UV.exists():
            pytest.skip("needs root, and the uv that `make setup` installs")
        self.root = folder / "root"
        venv, owned = folder / "venv", folder / "owned"
        base = Path(sys.base_prefix) / "bin" / "python3"
        sync = (str(_UV), "sync", "--quiet", "--frozen", "--no-dev", "--no-editable", "--python", str(base))
        anew = ("--refresh-package", "serinus", "--reinstall-package", "serinus")  # never an earlier build
        environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(venv)}
        subprocess.run((*sync, *anew), cwd=REPOSITORY, env=environment, check=True, timeout=300)
        script = REPOSITORY / "deploy" / "image" / "collect.py"
        subprocess.run(
            (str(base), str(script), str(venv), str(self.root), str(owned)), check=True, timeout=120
        )
        self.owned = sorted(str(path.relative_to(owned)) for path in owned.rglob("*"))
        shutil.copytree(owned, self.root, dirs_exist_ok=True)
        for path in self.owned:
            os.chown(self.root / path, USER, USER)

    def command(self, *arguments: str) -> tuple[str, ...]:
        """What runs a command inside, as the image's user."""
        return (find_program("chroot"), f"--userspec={USER}:{USER}", str(self.root), *arguments)

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command inside with the image's environment and ``env``, nothing else."""
        return subprocess.run(
            self.command(*arguments),
            env={**variables(), **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
