"""A file that is replaced as a whole and never needs disk space to be replaced.

Beside the live file lies a spare of at least its size. New content is written over the spare, in blocks that
it has already, and the two are exchanged in one step of the kernel. So a full disk stops no rollback, a crash
at any point leaves the old content or the new, and the previous content is kept for one exchange more.
Content is padded with spaces, which mean nothing in JSON.

**Invariant**: the live file is complete at every moment; only the spare is ever half written.
"""

import ctypes
import errno
import os
from pathlib import Path

_BLOCK_BYTES = 4096
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_libc = ctypes.CDLL(None, use_errno=True)


def swap_names(one: Path, other: Path) -> None:
    """Give each of two files the other's name, atomically. Raises `OSError`.

    **Source** renameat2(2) with RENAME_EXCHANGE, which Python does not offer; on ext4, xfs, btrfs, tmpfs and
    overlayfs.
    """
    names = os.fsencode(one), os.fsencode(other)
    if _libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) != 0:
        code = ctypes.get_errno()
        reason = os.strerror(code)
        if code in (errno.EINVAL, errno.ENOSYS):
            reason = "the file system cannot exchange two files; use ext4, xfs, btrfs, tmpfs or overlayfs"
        raise OSError(code, reason, str(one))


class ExchangedFile:
    """One such file. The spare has a folder of its own: writing it wakes nobody who watches the live file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.spare = path.parent / "spare" / path.name

    def read(self) -> bytes:
        """The live content, padding included. Raises `OSError`."""
        return self.path.read_bytes()

    def read_previous(self) -> bytes:
        """What the spare holds: the content before the last exchange, or a write that was cut off."""
        return self.spare.read_bytes()

    def signature(self) -> tuple[int, ...]:
        """What differs when the live file was replaced or edited. Raises `OSError`."""
        found = self.path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def prepare(self, content: bytes) -> None:
        """Create what is missing: the live file with ``content``, and the spare. Raises `OSError`."""
        self.spare.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            _overwrite(self.spare, content)
            self.spare.rename(self.path)
        if not self.spare.exists():
            self.spare.touch()
        self._reserve(self.path.stat().st_size)
        _sync_folder(self.path.parent)

    def replace(self, content: bytes, headroom: int) -> None:
        """Make ``content`` live.

        ``headroom`` is by how many bytes later content may outgrow this one without new disk space; it is
        reserved while there is some. Raises `OSError` when the content fits neither files nor disk: the live
        content is then the old one.
        """
        try:
            self._reserve(len(content) + headroom)
        except OSError:
            if min(self.path.stat().st_size, self.spare.stat().st_size) < len(content):
                raise
        _overwrite(self.spare, content)
        self.restore()

    def restore(self) -> None:
        """Exchange live and spare: the previous content is live again. Raises `OSError`."""
        swap_names(self.spare, self.path)
        _sync_folder(self.path.parent)
        _sync_folder(self.spare.parent)

    def _reserve(self, size: int) -> None:
        """Make both files at least ``size`` bytes long. Spaces at the end of the live file harm no reader."""
        size = -(-size // _BLOCK_BYTES) * _BLOCK_BYTES
        for path in (self.spare, self.path):
            missing = size - path.stat().st_size
            if missing > 0:
                with path.open("ab", buffering=0) as file:
                    _write(file.fileno(), b" " * missing)


def _overwrite(path: Path, content: bytes) -> None:
    """Write over a file in place and pad it to the size that it has."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _write(handle, content.ljust(os.fstat(handle).st_size))
    finally:
        os.close(handle)


def _write(handle: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]
    os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
