"""Who bears which token on one machine: a file of the operator's, a person a line.

    # role      name   token
    operate     ann    kJ0pYb3cV1...
    read        wall   8sV1r0fWq9...

**Invariant**: a token is compared by its digest, stands in no message, and the file is read again whenever
it changed, so that a line that is taken out ends what it allowed. Whose name is that of an account of the
machine is named as that account is at the socket, ``ann(1000)``: nobody counts twice by coming two ways.
"""

import asyncio
import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from controller.control.doors import READ
from controller.control.peers import actor_named
from controller.control.steering import Person
from controller.errors import TargetError

log = structlog.get_logger(__name__)

SHORTEST_TOKEN = 20
LONGEST_TOKEN = 4096
TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""What a header can hold. **Source**: RFC 6750, b64token."""
_LONGEST_FILE_BYTES = 256 * 1024
_LONGEST_NAME = 100
_ROLES = ("read", "operate")
_FIELDS = 3


@dataclass(frozen=True, slots=True)
class _Read:
    """What the file held when it looked like this: ``people`` by the digest of their token."""

    looked: tuple[int, int, int]
    people: Mapping[bytes, Person]


class TokenFile:
    """Implements `Doorman` on one machine. A person's one group is the role."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: _Read | None = None

    def check(self) -> int:
        """How many tokens there are. Raises `TargetError` for a file that cannot be used."""
        return len(self._people())

    async def person(self, token: str) -> Person | None:
        """Who bears the token. Nobody does while the file cannot be used, which is logged."""
        digest = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
        return (await asyncio.to_thread(self._people)).get(digest)

    async def may(self, person: Person, verb: str, namespace: str, name: str = "") -> bool:  # noqa: ARG002
        """Who operates may do everything, who reads may read."""
        return "operate" in person.groups or ("read" in person.groups and verb == READ)

    def _people(self) -> Mapping[bytes, Person]:
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                looked = (found.st_mtime_ns, found.st_size, found.st_ino)
                if self._read is None or self._read.looked != looked:
                    _check_mode(self._path, found.st_mode)
                    content = file.read(_LONGEST_FILE_BYTES + 1)
                    self._read = _Read(looked, _parsed(self._path, content))
        except OSError as error:
            self._read = None
            raise TargetError(f"the token file {self._path} cannot be read: {error.strerror}") from None
        except TargetError:
            self._read = None
            raise
        return self._read.people


def _check_mode(path: Path, mode: int) -> None:
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise TargetError(f"the token file {path} can be read by everybody: chmod 640 {path}")


def _parsed(path: Path, content: bytes) -> Mapping[bytes, Person]:
    """Raises `TargetError` with the number of a line, and never with its text."""
    if len(content) > _LONGEST_FILE_BYTES:
        raise TargetError(f"the token file {path} is longer than {_LONGEST_FILE_BYTES // 1024} KiB")
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise TargetError(f"the token file {path} is not text in UTF-8") from None
    people: dict[bytes, Person] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        fields = line.split()
        fault = _fault(fields)
        digest = hashlib.sha256(fields[-1].encode()).digest()
        if digest in people:
            fault = "the token is another line's as well"
        if fault:
            raise TargetError(f"{path}:{number}: {fault}")
        people[digest] = Person(actor_named(fields[1]), (fields[0],))
    return people


def _fault(fields: list[str]) -> str:
    if len(fields) != _FIELDS:
        return "a line has a role, a name and a token, with blanks between"
    role, name, token = fields
    if role not in _ROLES:
        return f"the role is {' or '.join(_ROLES)}"
    if len(name) > _LONGEST_NAME or not name.isprintable():
        return f"the name has at most {_LONGEST_NAME} letters that can be printed"
    if not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN or not TOKEN.fullmatch(token):
        return (
            f"the token has {SHORTEST_TOKEN} to {LONGEST_TOKEN} letters, digits or . _ ~ + / = -: "
            "make one with openssl rand -hex 32"
        )
    return ""
