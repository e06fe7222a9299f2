"""The name of the workload and of the Service that Serinus creates for a version. Pure."""

import hashlib
import re

_LONGEST = 63
_DIGITS = 10
_UNSAFE = re.compile(r"[^a-z0-9]+")
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


def copy_name(model: str, version: str) -> str:
    """``MODEL-VERSION`` where that is a valid name of a Service and can be read in one way only.

    Elsewhere (a dot, an upper-case letter, a dash in the version, more than 63 characters) it is shortened,
    and a hash of both keeps it apart from all others. Equal input gives equal names, for ever: the name is
    how a copy is found again. **Source**: RFC 1035 labels, which names of Services are held to.
    """
    plain = f"{model}-{version}"
    if "-" not in version and _NAME.fullmatch(plain):
        return plain
    digest = hashlib.sha256(f"{model}\0{version}".encode()).hexdigest()[:_DIGITS]
    readable = _UNSAFE.sub("-", plain.lower()).strip("-")
    if not readable[:1].isalpha():
        readable = f"m-{readable}"
    return f"{readable[: _LONGEST - _DIGITS - 1].rstrip('-')}-{digest}"
