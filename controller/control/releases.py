"""A release as people type it, checked before anything is done with it.

Versions become names of backends at the gateway and endpoints are connected to, so both are held to a
narrow form.
"""

import ipaddress
import re
from collections.abc import Sequence

from controller.control.errors import InvalidRequest
from controller.domain.release import Release
from controller.policy.quantities import shown

MOST_ENDPOINTS = 64

_VERSION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_ENDPOINT = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([^\[\]:/@\s]{1,253})):([0-9]{1,5})")
_NUMERIC = re.compile(r"[0-9.]+")
_HIGHEST_PORT = 65_535


def parse_release(version: str, endpoints: Sequence[str]) -> Release:
    """The release that was asked for. Raises `InvalidRequest` naming the first fault."""
    if not _VERSION.fullmatch(version):
        raise InvalidRequest(
            f"the version {shown(version)} is not a name: use at most 64 letters, digits, dots, _ and -, "
            "with a letter or a digit at both ends"
        )
    if not 0 < len(endpoints) <= MOST_ENDPOINTS:
        raise InvalidRequest(
            f"{len(endpoints)} endpoints were given: a release has 1 to {MOST_ENDPOINTS}, each as HOST:PORT"
        )
    parsed = tuple(_endpoint(text) for text in endpoints)
    doubled = next((each for each in parsed if parsed.count(each) > 1), None)
    if doubled is not None:
        raise InvalidRequest(f"the endpoint {doubled} was given twice: name each copy once")
    return Release(version, parsed)


def _endpoint(text: str) -> str:
    """In one spelling for one address: lower case, no leading zeros. Raises `InvalidRequest`."""
    match = _ENDPOINT.fullmatch(text)
    host = _host(match[1], match[2]) if match else None
    if match is None or host is None:
        raise InvalidRequest(
            f"the endpoint {shown(text)} is not HOST:PORT, such as 10.0.0.7:8080 or [fd00::7]:8080"
        )
    port = int(match[3])
    if not 0 < port <= _HIGHEST_PORT:
        raise InvalidRequest(f"the port of the endpoint {shown(text)} is not between 1 and {_HIGHEST_PORT}")
    return f"{host}:{port}"


def _host(bracketed: str | None, named: str | None) -> str | None:
    try:
        if bracketed is not None:
            return f"[{ipaddress.IPv6Address(bracketed)}]"
        assert named is not None
        if _NUMERIC.fullmatch(named):
            return str(ipaddress.IPv4Address(named))
    except ValueError:
        return None
    return named.lower() if _HOST.fullmatch(named) else None
