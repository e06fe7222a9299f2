"""Sends golden requests to one copy, past the gateway, and compares what it answers.

**Invariant**: whatever a copy or the golden file does, the result is a text for people and never an
exception. What an answer says gets there only through `check_answer`, bounded and printable.
"""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx2

from controller.adapters.addressing import addressed
from controller.adapters.exchange import Answer, NoAnswer, endpoint_url, exchange, plain_client
from controller.domain.release import Release
from controller.policy.golden import GoldenFile, GoldenRequest, check_answer
from controller.policy.golden_file import parse_golden
from controller.policy.loader import beside
from controller.policy.source import UnreadableError

_MOST_BYTES = 1024 * 1024
_MOST_REMEMBERED = 64


class GoldenSender:
    """Golden files are found from ``policies_folder``."""

    def __init__(self, policies_folder: Path) -> None:
        self._read = beside(policies_folder)
        self._parsed: dict[tuple[str, str, str], GoldenFile] = {}
        self.client = plain_client()

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    def golden(self, name: str, model: str) -> GoldenFile | str:
        """The golden file, or why there is none. Reads; parses only what has changed."""
        try:
            raw = self._read(name)
        except UnreadableError as error:
            return f"golden file {name}: {error}"
        key = name, model, hashlib.sha256(raw).hexdigest()
        if (known := self._parsed.get(key)) is not None:
            return known
        golden = parse_golden(raw, name, model)
        if not isinstance(golden, GoldenFile):
            return f"golden file {golden[0]}"
        while len(self._parsed) >= _MOST_REMEMBERED:
            self._parsed.pop(next(iter(self._parsed)), None)
        self._parsed[key] = golden
        return golden

    async def ask(
        self, endpoint: str, golden: GoldenFile, request: GoldenRequest, release: Release
    ) -> Answer | NoAnswer:
        """One golden request to one copy of the release."""
        headers = {**dict(request.headers), "Content-Type": "application/json"}
        body = addressed(request, release).body

        def build(url: httpx2.URL) -> httpx2.Request:
            return self.client.build_request("POST", url, content=body, headers=headers)

        return await self.send(endpoint, golden.path, build, golden.timeout)

    async def send(
        self, endpoint: str, path: str, build: Callable[[httpx2.URL], httpx2.Request], within: timedelta
    ) -> Answer | NoAnswer:
        """A request of any kind to one copy."""
        try:
            request = build(endpoint_url(endpoint, path))
        except ValueError as error:
            return NoAnswer(str(error))
        return await exchange(self.client, request, within=within, most_bytes=_MOST_BYTES)


async def fault_of(request: GoldenRequest, answer: Answer | NoAnswer) -> str | None:
    """In what an answer falls short; None if it will do."""
    if isinstance(answer, NoAnswer):
        return answer.message
    if answer.truncated:
        return f"the answer is larger than {_MOST_BYTES // 1024} KiB"
    # In a thread, for a hostile answer may take long to compare.
    fault = await asyncio.to_thread(check_answer, request, answer.status, answer.body, answer.latency)
    return None if fault is None else _printable(fault)


def _printable(text: str) -> str:
    """Without control characters, and without lone surrogates, which no store can keep."""
    return "".join(character if character.isprintable() else " " for character in text)
