"""Requests that the API's own description allows and forbids, made by Schemathesis."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig

from controller.web.application import openapi
from tests.unit.control.stage import progressing
from tests.unit.web.stage import ANN, BEN, CY, MARKER, ORIGIN, STRANGE, Site

TOKENS = (ANN, ANN, ANN, ANN, BEN, CY, None, STRANGE, "", "\x00", "a b")
OPERATIONS = 12


class Bombarded:
    """One site on a loop of its own; what was answered is counted by caller and status."""

    def __init__(self) -> None:
        self.answers: Counter[int] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.site = self._run(self._made())

    def send(self, method: str, path: str, token: str | None, **more: Any) -> None:
        """One request, and all that must hold of every answer."""
        self._run(self._send(method, path, token, more))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _made(self) -> Site:
        site = Site()
        site.begin(progressing())
        site.board.close()  # a stream ends when the present was told
        return site

    async def _send(self, method: str, path: str, token: str | None, more: dict[str, Any]) -> None:
        site = self.site
        site.seconds += 1  # nobody is refused for haste
        before = site.state
        headers = dict(more.pop("headers", {}))
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        raw = [(k.encode("utf-8", "replace"), str(v).encode("utf-8", "replace")) for k, v in headers.items()]
        transport = httpx2.ASGITransport(app=site.app)
        async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            answer = await client.request(method, path, headers=raw, **more)
        self.answers[int(answer.status_code)] += 1
        assert answer.status_code < 500, (method, path, answer.text)
        if token != ANN or method == "GET":
            assert site.state == before, (method, path, token)
        if token not in (ANN, BEN, CY):
            assert answer.status_code == 401, (method, path, answer.status_code)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert set(answer.json()) == {"type", "title", "status", "detail", "hint", "faults"}
        assert MARKER not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"


@contextmanager
def bombarded() -> Iterator[Bombarded]:
    made = Bombarded()
    try:
        yield made
    finally:
        made.close()


def bombard(target: Bombarded, cases: int) -> int:
    """So many requests over all operations, half of them against the description; how many were sent."""
    schema = schemathesis.openapi.from_dict(openapi(), config=SchemathesisConfig.from_dict({}))
    sent = 0
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        for mode in schemathesis.GenerationMode:
            if operation.method == "get" and mode.is_negative and not _can_be_wrong(operation):
                continue
            sent += _operation(target, operation, mode, cases // (2 * OPERATIONS) + 1)
    return sent


def _can_be_wrong(operation: Any) -> bool:
    return bool(operation.query or operation.path_parameters or operation.headers)


def _operation(target: Bombarded, operation: Any, mode: Any, cases: int) -> int:
    sent = 0

    @given(operation.as_strategy(generation_mode=mode), st.sampled_from(TOKENS), st.booleans())
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send(case: Any, token: str | None, there: bool) -> None:
        nonlocal sent
        sent += 1
        if there and case.path_parameters:  # what is there is hit by no accident
            known = {"rollout": "fraud-1", "model": "fraud"}
            case.path_parameters = {name: known[name] for name in case.path_parameters}
            case.query = {name: value for name, value in (case.query or {}).items() if name != "namespace"}
        prepared = case.as_transport_kwargs(base_url=ORIGIN)
        headers = {
            name: value
            for name, value in (prepared.get("headers") or {}).items()
            if name.lower() not in ("authorization", "user-agent", "content-length", "host")
        }
        more = {key: prepared[key] for key in ("params", "json", "data") if prepared.get(key) is not None}
        if "data" in more:
            data = more.pop("data")
            more["content"] = data if isinstance(data, bytes | str) else str(data)
        if "json" in more:
            import json  # noqa: PLC0415 - as a hostile client writes it

            more["content"] = json.dumps(more.pop("json"))
            headers.setdefault("Content-Type", "application/json")
        target.send(prepared["method"], prepared["url"].removeprefix(ORIGIN), token, headers=headers, **more)

    send()
    return sent
