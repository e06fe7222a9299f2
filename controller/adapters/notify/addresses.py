"""Where a destination's host really is, and whether we may go there.

An address of the settings may lead to a name that somebody else controls: it is resolved once for each
attempt, every address that it has is checked, and the connection goes to the very address that was checked,
so that no second answer of the name server can move it.

**Source**: the special-purpose registries of IANA, as `ipaddress` knows them; RFC 6052 for 64:ff9b::/96 and
RFC 3056 for 2002::/16, which carry an IPv4 address.
"""

import asyncio
import socket
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpx2

Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether it is on the internet, whatever it is wrapped in: neither local, private nor reserved."""
    carried = _carried(address)
    return address.is_global and not address.is_multicast if carried is None else is_public(carried)


async def resolve(host: str, port: int, within: timedelta) -> list[Address]:
    """All addresses of a host, in the resolver's order. Raises `OSError`, and `TimeoutError`."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(within.total_seconds()):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(where[0].partition("%")[0]) for *_, where in found if isinstance(where[0], str)]


def pinned(request: httpx2.Request, address: Address) -> httpx2.Request:
    """The request going to this address, under its own name for TLS and for the server."""
    host = request.url.host
    literal = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
    request.url = request.url.copy_with(host=literal)
    request.extensions = {**request.extensions, "sni_hostname": host}
    return request


def _carried(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour
