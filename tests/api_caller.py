"""A caller of the HTTP API: requests and a stream of events, with nothing but the standard library."""

import json
import threading
import time
import uuid
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

ROOT = "/api/v1"


class Caller:
    """Somebody with a token, or without; ``port`` is on loopback."""

    def __init__(self, port: int, token: str | None) -> None:
        self.port = port
        self._headers = {"Authorization": f"Bearer {token}"} if token is not None else {}

    def get(self, path: str, **query: str) -> tuple[int, Any]:
        """Status and answer."""
        return self._ask("GET", f"{path}?{urlencode(query)}" if query else path, None)

    def act(
        self, rollout: str, kind: str, request_id: str | None = None, **more: Any
    ) -> tuple[int, dict[str, Any]]:
        """Say a word to a rollout."""
        body = {"kind": kind, "request_id": request_id or str(uuid.uuid4()), **more}
        return self._ask("POST", f"/rollouts/{rollout}/actions", body)

    def deploy(self, model: str, version: str, **more: Any) -> tuple[int, dict[str, Any]]:
        """Begin a rollout."""
        body = {"version": version, "request_id": str(uuid.uuid4()), **more}
        return self._ask("POST", f"/models/{model}/rollouts", body)

    def follow(self, **query: str) -> "Following":
        """Events, for as long as the context lasts."""
        return Following(self.port, f"{ROOT}/events?{urlencode(query)}", self._headers)

    def _ask(self, method: str, path: str, body: object) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=40)
        try:
            headers = {**self._headers, **({"Content-Type": "application/json"} if body else {})}
            connection.request(method, ROOT + path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            is_json = "json" in answer.headers["content-type"]
            return answer.status, json.loads(text) if is_json else text
        finally:
            connection.close()


class Following:
    """A stream; ``events`` are kind, data and the monotonic time at which each came."""

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self.events: list[tuple[str, dict[str, Any], float]] = []
        self.status = 0
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self._request = (path, headers)
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        path, headers = self._request
        self._connection.request("GET", path, headers=headers)
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            if self._connection.sock is not None:
                self._connection.sock.shutdown(2)
        self._thread.join(10)
        self._connection.close()

    def _read(self) -> None:
        kind = ""
        with suppress(OSError, HTTPException, ValueError):
            while line := self._answer.readline():
                name, _, value = line.decode().strip().partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    self.events.append((kind, json.loads(value), time.monotonic()))
