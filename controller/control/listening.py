"""The socket file: made private before anybody can connect, taken over only from a dead daemon."""

import os
import socket
import stat
from pathlib import Path

from controller.errors import TargetError

_OWNER_ONLY = 0o600
_OWNER_AND_GROUP = 0o660
_FOLDER_OWNER_ONLY = 0o700
_ANSWER_SECONDS = 1.0
_ROOT = 0


def bind_listener(path: Path, gid: int | None) -> socket.socket:
    """A bound socket that does not listen yet, so that no connection comes before its permissions.

    The file belongs to the daemon's user alone, or to the group ``gid`` as well. Raises `TargetError` with
    what stands in the way.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        _prepare_folder(path.parent)
        _clear(path)
        listener.bind(str(path))
        if gid is not None:
            os.chown(path, -1, gid)
        path.chmod(_OWNER_ONLY if gid is None else _OWNER_AND_GROUP)
    except OSError as error:
        listener.close()
        raise TargetError(f"the control socket {path} cannot be made: {error.strerror or error}") from error
    except BaseException:
        listener.close()
        raise
    listener.setblocking(False)  # noqa: FBT003 - the library's own signature
    return listener


def identity(path: Path) -> tuple[int, int] | None:
    """Which file stands there now; None when there is none."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _prepare_folder(folder: Path) -> None:
    folder.mkdir(mode=_FOLDER_OWNER_ONLY, parents=True, exist_ok=True)
    owner = folder.stat().st_uid
    if owner not in (_ROOT, os.geteuid()):
        raise TargetError(
            f"the folder {folder} belongs to another user ({owner}): give the socket another place"
        )


def _clear(path: Path) -> None:
    """Remove what a daemon left that did not end in order."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise TargetError(f"{path} exists and is no socket: move it away, or give the socket another place")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_ANSWER_SECONDS)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except (BlockingIOError, TimeoutError):
            pass  # somebody listens, and is too busy to answer
    raise TargetError(f"another daemon answers at {path}: stop it, or give the socket another place")
