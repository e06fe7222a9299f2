"""Who calls, and what they may see: asked of the doorman as rarely as is safe.

**Invariant**: a yes is believed for 10 s, a no for 2 s where it is about a place and not at all where it is
about a token; a word that changes something is asked about anew. What strangers make us ask is bounded, by
address and in all.
"""

import asyncio
import hashlib
import ipaddress
import re
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from http import HTTPStatus

from controller.control.doors import READ, Doorman
from controller.control.errors import NotPermitted
from controller.control.steering import Person
from controller.web.memory import Memory, Monotonic, Rates
from controller.web.problems import Refusal, too_many

BELIEVED_SECONDS = 10.0
DOUBTED_SECONDS = 2.0
REQUESTS_PER_SECOND = 10
BURST = 20
_STRANGERS_BURST = 40
_REVIEWS_AT_ONCE = 8
_MOST_PEOPLE = 1024
_MOST_PLACES = 16_384
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{8,8192}=*")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="serinus"'}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. ``session`` is True where a browser's cookie bears the token."""

    person: Person
    token: str = field(repr=False)
    session: bool = False


class Admission:
    """See the module. Errors of the doorman's pass through: whoever cannot be known is not let in."""

    def __init__(self, doorman: Doorman, monotonic: Monotonic = time.monotonic) -> None:
        self._doorman = doorman
        self._known: Memory[bytes, Person] = Memory(_MOST_PEOPLE, monotonic)
        self._places: Memory[tuple[Person, str], bool] = Memory(_MOST_PLACES, monotonic)
        self._callers = Rates(REQUESTS_PER_SECOND, BURST, monotonic=monotonic)
        self._strangers = Rates(REQUESTS_PER_SECOND, _STRANGERS_BURST, monotonic=monotonic)
        self._reviews = 0
        self._asking = asyncio.Semaphore(_REVIEWS_AT_ONCE)

    async def caller(self, token: str | None, address: str, *, session: bool = False) -> Caller:
        """Who bears the token. Raises `Refusal` for nobody, and for who calls too often."""
        if token is None or not _TOKEN.fullmatch(token):
            self.stranger(address)
            raise unauthenticated()
        digest = hashlib.sha256(token.encode()).digest()
        person = self._known.get(digest)
        if person is None:
            person = await self._person(token, address)
            self._known.put(digest, person, BELIEVED_SECONDS)
        return Caller(person, token, session)

    def count(self, caller: Caller) -> None:
        """A request of theirs. Raises `Refusal` for who calls too often."""
        if wait := self._callers.take(caller.person.name):
            raise too_many(wait, f"more than {REQUESTS_PER_SECOND} requests a second; wait a moment")

    def stranger(self, address: str) -> None:
        """A request of somebody unknown. Raises `Refusal` for an address that calls too often."""
        if wait := self._strangers.take(_network(address)):
            raise too_many(wait, "too many requests without a token that is known; wait a moment")

    async def sight(self, person: Person, namespaces: Collection[str]) -> frozenset[str]:
        """The namespaces whose rollouts they may read. Raises `NotPermitted` when there are none."""
        places = sorted(namespaces)
        allowed = await asyncio.gather(*(self._may_read(person, place) for place in places))
        seen = frozenset(place for place, may in zip(places, allowed, strict=True) if may)
        if places and not seen:
            raise NotPermitted(f"{person.name} may read no rollouts here: ask for the role serinus-viewer")
        return seen

    async def may(self, person: Person, verb: str, namespace: str, name: str = "") -> bool:
        """Whether they may do what changes something. Nothing is remembered."""
        async with self._asking:
            return await self._doorman.may(person, verb, namespace, name)

    async def _person(self, token: str, address: str) -> Person:
        self.stranger(address)
        if self._reviews >= _REVIEWS_AT_ONCE:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "unavailable",
                "too many tokens are looked at; try again in a moment",
                {"Retry-After": "1"},
            )
        self._reviews += 1
        try:
            person = await self._doorman.person(token)
        finally:
            self._reviews -= 1
        if person is None:
            raise unauthenticated()
        self._strangers.give_back(_network(address))
        return person

    async def _may_read(self, person: Person, place: str) -> bool:
        known = self._places.get((person, place))
        if known is not None:
            return known
        async with self._asking:
            may = await self._doorman.may(person, READ, place)
        self._places.put((person, place), may, BELIEVED_SECONDS if may else DOUBTED_SECONDS)
        return may


def unauthenticated() -> Refusal:
    """The one answer to whoever bears no token that counts."""
    return Refusal(
        HTTPStatus.UNAUTHORIZED,
        "unauthenticated",
        "a token is needed that was made for this daemon",
        _CHALLENGE,
    )


def _network(address: str) -> str:
    """Whom an address belongs to: of IPv6 everybody has many."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:  # noqa: PLR2004 - of IP
        return address
    return str(ipaddress.ip_network((found, 64), strict=False))
