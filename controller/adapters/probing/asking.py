"""One probe: a streamed chat completion through a gateway, and whether its answer is a good one.

**Invariant**: it ends within its time and holds little of the answer, whatever comes; what is told of it is a
sentence of our own. A probe whose version is not known counts for none, and so does one that the gateway
refuses to whoever asks (credentials, too many requests): neither is a version's doing.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2

from controller.adapters.exchange import why
from controller.adapters.probing.chat import ChatAnswer
from controller.domain.probes import ProbeRules

_OK = 200
_REFUSED = frozenset({401, 403, 407, 429})
_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class ProbeGateway:
    """Where a gateway listens, and headers that it asks for."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Probed:
    """One probe, over. ``version`` is as the answer says it, ``fault`` what was wrong. Either may be empty.

    ``refused``: the gateway let it through to no version.
    """

    version: str = ""
    fault: str = ""
    refused: bool = False


async def probe(client: httpx2.AsyncClient, gateway: ProbeGateway, rules: ProbeRules) -> Probed:
    """Send one and read its answer to the end, or to the first fault."""
    try:
        request = _request(client, gateway, rules)
    except (ValueError, httpx2.InvalidURL):
        return Probed(fault="the gateway's address cannot be asked", refused=True)
    found = _Reading(rules)
    try:
        async with asyncio.timeout(rules.timeout.total_seconds()):
            await found.read(client, request)
    except (TimeoutError, httpx2.TimeoutException):
        found.fault = f"no end of the answer within {rules.timeout.total_seconds():g} s"
    except httpx2.HTTPError as error:
        found.fault = "the stream broke off" if found.version else why(error)
    return Probed(found.version, found.fault, found.refused)


class _Reading:
    """What an answer was found to be so far."""

    def __init__(self, rules: ProbeRules) -> None:
        self._rules = rules
        self.version = ""
        self.fault = ""
        self.refused = False

    async def read(self, client: httpx2.AsyncClient, request: httpx2.Request) -> None:
        within = self._rules.first_token.total_seconds()
        try:
            async with asyncio.timeout(within) as first:
                response = await client.send(request, stream=True)
                try:
                    self.version = response.headers.get(self._rules.version_header, "").strip()
                    if self._is_stream(response):
                        await self._follow(response, first)
                finally:
                    await response.aclose()
        except TimeoutError:
            if not first.expired():
                raise
            self.fault = f"no token within {within:g} s"

    def _is_stream(self, response: httpx2.Response) -> bool:
        status, kind = response.status_code, response.headers.get("content-type", "")
        if status != _OK:
            self.fault, self.refused = f"status {status}", status in _REFUSED
        elif not kind.lower().startswith(_STREAM):
            self.fault = "the answer is no event stream"
        return not self.fault

    async def _follow(self, response: httpx2.Response, first: asyncio.Timeout) -> None:
        answer = ChatAnswer()
        async for piece in response.aiter_raw():
            answer.feed(piece)
            if answer.begun:
                first.reschedule(None)
            if answer.done or answer.fault:
                break
        self.fault = answer.end()


def _request(client: httpx2.AsyncClient, gateway: ProbeGateway, rules: ProbeRules) -> httpx2.Request:
    parts = urlsplit(gateway.url)
    path = f"{parts.path.rstrip('/')}{rules.path}".encode("ascii")
    url = httpx2.URL(scheme=parts.scheme, host=parts.hostname or "", port=parts.port, raw_path=path)
    body = {
        "model": rules.served_model,
        "messages": [{"role": "user", "content": rules.prompt}],
        "max_tokens": rules.max_tokens,
        "stream": True,
    }
    headers = {"Content-Type": "application/json", "Accept": _STREAM, **gateway.headers}
    if rules.host:
        headers["Host"] = rules.host
    return client.build_request("POST", url, content=json.dumps(body).encode(), headers=headers)
