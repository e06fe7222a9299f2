"""From a file's bytes to a text that is safe to parse: bounded, UTF-8, printable.

A policy folder is written by many people. Nothing is read but regular files inside the folder, so that a
link or a pipe in it can neither block the daemon nor show somebody else's secrets in an error message.
"""

import errno
import os
import re
import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath

from controller.policy.faults import Mark, PolicyFault, Source

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UTF16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"


class UnreadableError(OSError):
    """A file that cannot be read, with the reason in words for people."""


def read_within(folder: Path, name: str, most_bytes: int) -> bytes:
    """Read a file of a folder, following links only where they stay inside.

    **Shape**: at most ``most_bytes`` + 1 bytes, so that a file that is too large can be told.
    Raises `UnreadableError`.
    """
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\0" in name:
        raise UnreadableError("the file must lie in the folder of the policy")
    if len(pure.parts) == 1:
        with suppress(OSError):  # a link, or what is told below: the way of it is worked out for those alone
            return _read_regular(folder / name, most_bytes)
    try:
        home, target = folder.resolve(strict=True), (folder / name).resolve(strict=True)
        content = _read_regular(target, most_bytes) if target.is_relative_to(home) else None
    except FileNotFoundError as error:
        raise UnreadableError("the file does not exist") from error
    except RuntimeError as error:
        raise UnreadableError("the file is a loop of links") from error
    except OSError as error:
        raise UnreadableError(f"the file cannot be read: {(error.strerror or str(error)).lower()}") from error
    if content is None:
        raise UnreadableError("the file leads outside the folder of the policy")
    return content


def decode(raw: bytes, path: str, most_bytes: int) -> Source | PolicyFault:
    """The text of a file, or why it is none."""
    nowhere = Source(path)
    if len(raw) > most_bytes:
        return PolicyFault(
            nowhere, Mark(), "", f"the file is larger than {most_bytes // 1024} KiB", "shorten it"
        )
    if raw.startswith(_UTF16_OR_32) or b"\0" in raw[:4]:
        return PolicyFault(
            nowhere, Mark(), "", "the file is not UTF-8 but UTF-16 or UTF-32", "save it as UTF-8"
        )
    raw = raw.removeprefix(_UTF8_MARK)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        mark = _mark(raw[: error.start].decode("utf-8", "replace"))
        sentence = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        return PolicyFault(nowhere, mark, "", sentence, "save the file as UTF-8")
    source = Source(path, text, tuple(text.splitlines()))
    if match := _UNPRINTABLE.search(text):
        what = "a NUL byte" if match[0] == "\0" else f"the control character U+{ord(match[0]):04X}"
        return PolicyFault(source, _mark(text[: match.start()]), "", f"{what} is not text", "remove it")
    return source


def _read_regular(path: Path, most_bytes: int) -> bytes:
    # Without O_NONBLOCK, opening a pipe waits for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read(most_bytes + 1)


def _mark(before: str) -> Mark:
    """The place right after a text."""
    lines = (before + ".").splitlines()
    return Mark(len(lines), len(lines[-1]))
