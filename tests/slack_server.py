"""A server on loopback that plays Slack's API: it keeps messages, and answers with errors when told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Slack:
    """What Slack knows: its messages by timestamp, and the calls in order."""

    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    ephemerals: list[dict[str, Any]] = field(default_factory=list)
    """What one person was told alone, in order."""
    tokens: set[str] = field(default_factory=set)
    refusals: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    """Answers that come before any other."""
    url: str = ""

    def play(self, method: str, call: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        self.calls.append((method, call))
        if self.refusals:
            return self.refusals.pop(0)
        if method == "chat.update":
            if call["ts"] not in self.messages:
                return self.no("message_not_found")
            self.messages[call["ts"]] = call
            return self.yes(call["ts"])
        if method == "chat.postEphemeral":
            self.ephemerals.append(call)
            return self.yes("1764000000.000000")
        ts = f"1764000000.{len(self.messages) + 1:06}"
        self.messages[ts] = call
        return self.yes(ts)

    @staticmethod
    def yes(ts: str) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, json.dumps({"ok": True, "channel": "C01", "ts": ts}).encode()

    @staticmethod
    def no(error: str, status: int = 200, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return status, headers, json.dumps({"ok": False, "error": error}).encode()

    @property
    def roots(self) -> list[dict[str, Any]]:
        return [message for message in self.messages.values() if "thread_ts" not in message]

    @property
    def replies(self) -> list[dict[str, Any]]:
        return [message for message in self.messages.values() if "thread_ts" in message]


@contextmanager
def serving() -> Iterator[Slack]:
    """Slack's API on loopback, at ``url``."""
    slack = Slack()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            slack.tokens.add(self.headers["Authorization"])
            status, headers, body = slack.play(self.path.removeprefix("/api/"), call)
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    slack.url = f"http://127.0.0.1:{server.server_address[1]}/api/"
    try:
        yield slack
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
