"""Requests sent straight to the canary, past the gateway, before anybody is served by it.

**Invariant**: every copy is asked, for copies can differ; whatever a copy or the golden file does, the result
is a report for people and never an exception. What an answer says reaches a report only through
`check_answer`, bounded and printable.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import TypeVar

import httpx2

from controller.adapters.exchange import Answer, NoAnswer
from controller.adapters.golden_sending import GoldenSender, fault_of
from controller.domain.model import Rollout
from controller.domain.observation import ValidationReport, WarmUpReport
from controller.domain.release import Release
from controller.policy.golden import GoldenFile

T = TypeVar("T")

_ENDPOINTS_AT_ONCE = 4
_READINESS_TIMEOUT = timedelta(seconds=10)
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How one endpoint did: it is left alone after its first failure."""

    passed: int
    failure: str | None = None


class HttpValidator:
    """Implements `Validator`. Golden files are found from ``policies_folder``.

    Without a golden file, warm-up requests are GETs of ``readiness_path``.
    """

    def __init__(self, policies_folder: Path, *, readiness_path: str = "/v2/health/ready") -> None:
        self._sender = GoldenSender(policies_folder)
        self._readiness_path = readiness_path

    async def close(self) -> None:
        """Close the connections."""
        await self._sender.close()

    async def validate(self, rollout: Rollout, endpoints: Sequence[str]) -> ValidationReport:
        """Send the policy's golden requests to every copy and compare the answers."""
        validation = rollout.policy.validation
        if validation is None:
            return ValidationReport(ok=True, passed=0, failed=0)
        golden = await asyncio.to_thread(self._sender.golden, validation.golden, rollout.model)
        if isinstance(golden, str):
            return ValidationReport(ok=False, passed=0, failed=0, message=golden)
        if not endpoints:
            return ValidationReport(ok=False, passed=0, failed=0, message=_no_endpoint(rollout.release))
        outcomes = await _at_each(
            endpoints, lambda endpoint: self._ask_all(endpoint, golden, rollout.release)
        )
        failures = [outcome.failure for outcome in outcomes if outcome.failure]
        return ValidationReport(
            ok=not failures,
            passed=sum(outcome.passed for outcome in outcomes),
            failed=len(failures),
            message=failures[0] if failures else "",
        )

    async def warm_up(self, rollout: Rollout, endpoints: Sequence[str]) -> WarmUpReport:
        """Send the policy's uncounted warm-up requests to every copy.

        Not ok only when a copy answered none of them, or all with server errors: the first may well fail.
        """
        policy = rollout.policy
        if not policy.warm_up_requests:
            return WarmUpReport(ok=True)
        if not endpoints:
            return WarmUpReport(ok=False, message=_no_endpoint(rollout.release))
        golden: GoldenFile | str | None = None
        if policy.validation is not None:
            golden = await asyncio.to_thread(self._sender.golden, policy.validation.golden, rollout.model)
        if isinstance(golden, str):
            return WarmUpReport(ok=False, message=golden)

        async def warm(endpoint: str) -> str | None:
            return await self._warm(endpoint, golden, rollout)

        failures = [failure for failure in await _at_each(endpoints, warm) if failure]
        return WarmUpReport(ok=not failures, message=failures[0] if failures else "")

    async def _ask_all(self, endpoint: str, golden: GoldenFile, release: Release) -> _Outcome:
        for passed, request in enumerate(golden.requests):
            answer = await self._sender.ask(endpoint, golden, request, release)
            fault = await fault_of(request, answer)
            if fault is not None:
                return _Outcome(passed, f"golden request {request.name} at {endpoint}: {fault}")
        return _Outcome(len(golden.requests))

    async def _warm(self, endpoint: str, golden: GoldenFile | None, rollout: Rollout) -> str | None:
        """Why the endpoint is not warm; None when it answered one request or more without a server error."""
        number, last, warm = rollout.policy.warm_up_requests, "", False
        if golden is None:
            asking = (self._ask_readiness(endpoint) for _ in range(number))
        else:
            asking = (
                self._sender.ask(endpoint, golden, each, rollout.release)
                for each in islice(cycle(golden.requests), number)
            )
        for ask in asking:
            answer = await ask
            if isinstance(answer, NoAnswer):
                last = answer.message
            elif answer.status >= _SERVER_ERROR:
                last = f"status {answer.status}"
            else:
                warm = True
        return None if warm else f"all {number} warm-up requests to {endpoint} failed, the last with: {last}"

    async def _ask_readiness(self, endpoint: str) -> Answer | NoAnswer:
        def build(url: httpx2.URL) -> httpx2.Request:
            return self._sender.client.build_request("GET", url)

        return await self._sender.send(endpoint, self._readiness_path, build, _READINESS_TIMEOUT)


async def _at_each(endpoints: Sequence[str], ask: Callable[[str], Awaitable[T]]) -> Sequence[T]:
    """The results in the order of the endpoints, a few of which are asked at once."""
    slots = asyncio.Semaphore(_ENDPOINTS_AT_ONCE)

    async def bounded(endpoint: str) -> T:
        async with slots:
            return await ask(endpoint)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(bounded(endpoint)) for endpoint in endpoints]
    return [task.result() for task in tasks]


def _no_endpoint(release: Release) -> str:
    return f"{release.version} has no endpoint to ask."
