"""Versions that answer at known addresses, wherever they run: ready is what says so itself.

**Invariant**: a release is ready only when every one of its endpoints just answered 2xx. Whatever else an
endpoint does is "not ready" with the reason, never an exception.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from controller.adapters.exchange import Answer, NoAnswer, endpoint_url, exchange, plain_client
from controller.domain.model import Rollout
from controller.domain.observation import Readiness
from controller.domain.release import Release

READINESS_PATHS = ("/v2/health/ready", "/health")
"""Open Inference Protocol v2 (Triton, MLServer, KServe); engines with OpenAI's API (vLLM, TGI, SGLang)."""

_MOST_BYTES = 4096
_NOT_FOUND = 404
_SHOWN = 3


class EndpointWorkload:
    """Implements `Workload` by asking each endpoint.

    ``probe_paths`` are tried in order, the next only where an endpoint answers 404. ``timeout`` is for one
    endpoint, all its paths together; ``concurrency`` is how many endpoints of one release are asked at once.
    """

    def __init__(
        self,
        probe_paths: Sequence[str] = READINESS_PATHS,
        *,
        timeout: timedelta = timedelta(seconds=2),
        concurrency: int = 16,
    ) -> None:
        if not probe_paths:
            raise ValueError("a readiness probe needs at least one path")
        self._paths = tuple(probe_paths)
        self._timeout = timeout
        self._concurrency = concurrency
        self._client = plain_client()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def supply(self, rollout: Rollout, share_permille: int) -> None:
        """Nothing to do: these copies are somebody else's."""

    async def readiness(self, rollout: Rollout, release: Release) -> Readiness:  # noqa: ARG002 - other workloads need the rollout
        """Whether every endpoint of the release answers 2xx on its readiness path now."""
        if not release.endpoints:
            return Readiness(ready=False, message=f"{release.version} has no endpoint to ask.")
        slots = asyncio.Semaphore(self._concurrency)

        async def ask(endpoint: str) -> str | None:
            async with slots:
                return await self._refusal(endpoint)

        answers = await asyncio.gather(*(ask(endpoint) for endpoint in release.endpoints))
        refusals = [answer for answer in answers if answer]
        if not refusals:
            return Readiness(ready=True, endpoints=release.endpoints)
        more = f"; and {len(refusals) - _SHOWN} more" if len(refusals) > _SHOWN else ""
        return Readiness(
            ready=False,
            message=f"{len(refusals)} of {len(answers)} endpoints of {release.version} not ready: "
            f"{'; '.join(refusals[:_SHOWN])}{more}",
        )

    async def _refusal(self, endpoint: str) -> str | None:
        """Why the endpoint is not ready; None when it is."""
        limit = f"no answer within {self._timeout.total_seconds():g} s"
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                path, answer = await self._first_known_path(endpoint)
        except TimeoutError:
            return f"{endpoint}: {limit}"
        except ValueError as error:
            return str(error)
        if isinstance(answer, NoAnswer):
            return f"{endpoint}: {answer.message}"
        if answer.status == _NOT_FOUND:
            return f"{endpoint} answered 404 on {' and '.join(self._paths)}"
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - the class of success
            return f"{endpoint} answered {answer.status} on {path}"
        return None

    async def _first_known_path(self, endpoint: str) -> tuple[str, Answer | NoAnswer]:
        for path in self._paths:
            request = self._client.build_request("GET", endpoint_url(endpoint, path))
            answer = await exchange(self._client, request, within=self._timeout, most_bytes=_MOST_BYTES)
            if isinstance(answer, NoAnswer) or answer.status != _NOT_FOUND:
                break
        return path, answer
