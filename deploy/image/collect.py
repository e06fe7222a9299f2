"""Gathers what the daemon's image holds: Python, its virtual environment and the libraries that they load.

There is no shell, no package manager and no other program in it. Run by the Dockerfile, with the interpreter
that the image shall have:

    collect.py VENV ROOT OWNED

``ROOT`` becomes the file system, with the environment at ``/opt/serinus``; ``OWNED`` is the part of it that
belongs to the daemon's user. Libraries are found with ``ldd``, as the loader would find them.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

USER = 65532
_HOME = Path("opt/serinus")
_NO_MODULES = (
    "test",
    "idlelib",
    "tkinter",
    "turtledemo",
    "lib2to3",
    "ensurepip",
    "pydoc_data",
    "site-packages",
)
_NO_EXTENSIONS = ("_tkinter.*", "_test*", "_ctypes_test.*", "_xxtestfuzz.*", "xxlimited*")
_LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x[0-9a-f]+\)")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_CACHE = Path("/etc/ld.so.cache")
_OWNED = ("tmp", "run/serinus", "var/lib/serinus", "etc/serinus/policies")


def collect(venv: Path, root: Path, owned: Path) -> None:
    """Fill both folders, which must not exist."""
    interpreter = Path(sys.executable).resolve()
    _copy_environment(venv, root / _HOME, interpreter)
    _copy_python(Path(sys.base_prefix), interpreter, root)
    for library in _libraries(_binaries(root)):
        _copy_file(library, root)
    for file in (_CERTIFICATES, _CACHE):
        _copy_file(file, root)
    etc = root / "etc"
    (etc / "passwd").write_text(f"serinus:x:{USER}:{USER}::/tmp:/none\n")
    (etc / "group").write_text(f"serinus:x:{USER}:\n")
    (etc / "nsswitch.conf").write_text("hosts: files dns\n")
    for folder in _OWNED:
        (owned / folder).mkdir(parents=True)


def _copy_environment(venv: Path, target: Path, interpreter: Path) -> None:
    shutil.copytree(venv, target, symlinks=True, ignore=shutil.ignore_patterns("bin", "share"))
    programs = target / "bin"
    programs.mkdir()
    for name in ("python", "python3"):
        (programs / name).symlink_to(interpreter)


def _copy_python(base: Path, interpreter: Path, root: Path) -> None:
    _copy_file(interpreter, root)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    shutil.copytree(
        base / "lib" / name,
        root / (base / "lib" / name).relative_to("/"),
        ignore=shutil.ignore_patterns(*_NO_MODULES, *_NO_EXTENSIONS, "config-*"),
    )


def _binaries(root: Path) -> Iterator[Path]:
    """What the loader loads: the interpreter and every extension module."""
    yield Path(sys.executable).resolve()
    yield from root.rglob("*.so")
    yield from root.rglob("*.so.*")


def _libraries(binaries: Iterable[Path]) -> set[Path]:
    """What they are linked to, outside themselves."""
    found: set[Path] = set()
    for binary in binaries:
        listed = subprocess.run(("ldd", str(binary)), capture_output=True, text=True, check=False).stdout
        if "not found" in listed:
            raise SystemExit(f"{binary} lacks a library:\n{listed}")
        found |= {Path(each) for each in _LIBRARY.findall(listed)}
    return found


def _copy_file(file: Path, root: Path) -> None:
    """The file under the name by which it is asked for, which may be a link on this machine."""
    target = root / file.relative_to("/")
    if not target.exists() and not file.is_relative_to(root):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)


if __name__ == "__main__":
    collect(*map(Path, sys.argv[1:]))
