"""Asks engines which models and adapters they answer to.

**Invariant**: every engine has an answer in the end, or the reason why not, in words for people and free of
the engine's own text.
"""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta

from controller.adapters.exchange import NoAnswer, endpoint_url, exchange, plain_client
from controller.adapters.workload.kube_adapters import Loaded, Unknown, loaded

_PATH = "/v1/models"
_MOST_BYTES = 1024 * 1024
_DENIED = frozenset({401, 403})
_OK = 200


class ServedModels:
    """``timeout`` is for one engine; ``concurrency`` is how many are asked at once, for all rollouts."""

    def __init__(self, *, timeout: timedelta = timedelta(seconds=3), concurrency: int = 32) -> None:
        self._timeout = timeout
        self._slots = asyncio.Semaphore(concurrency)
        self._client = plain_client()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def of(self, endpoints: Iterable[str]) -> Mapping[str, Loaded]:
        """What each of them has loaded, by ``host:port``."""
        asked = list(dict.fromkeys(endpoints))
        answers = await asyncio.gather(*map(self._ask, asked))
        return dict(zip(asked, answers, strict=True))

    async def _ask(self, endpoint: str) -> Loaded:
        try:
            request = self._client.build_request("GET", endpoint_url(endpoint, _PATH))
        except ValueError as error:
            return Unknown(str(error))
        async with self._slots:
            answer = await exchange(self._client, request, within=self._timeout, most_bytes=_MOST_BYTES)
        if isinstance(answer, NoAnswer):
            return Unknown(answer.message)
        if answer.status in _DENIED:
            return Unknown(f"GET {_PATH} is answered with {answer.status}: it must be open to Serinus")
        if answer.status != _OK:
            return Unknown(f"GET {_PATH} is answered with {answer.status}")
        if answer.truncated:
            return Unknown(f"its answer to GET {_PATH} is larger than {_MOST_BYTES // 1024} KiB")
        return loaded(answer.body)
