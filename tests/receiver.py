"""A webhook receiver on loopback: what it got, and what it does about it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Event = dict[str, Any]
Reaction = Callable[[Event], None]


def _nothing(_: Event) -> None:
    pass


class Receiver:
    """``events`` are all that arrived, repeats included, in order; each is answered with ``status``."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.before: Reaction = _nothing
        self.after: Reaction = _nothing
        self.status = 200
        self.answer = b""
        self.url = ""

    def of(self, rollout: str) -> list[Event]:
        return [event for event in self.events if event["subject"] == rollout]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            receiver.events.append(event)
            receiver.before(event)
            with suppress(OSError):  # the sender may be dead by now
                self.send_response(receiver.status)
                self.send_header("Content-Length", str(len(receiver.answer)))
                self.end_headers()
                self.wfile.write(receiver.answer)
                self.wfile.flush()
            receiver.after(event)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}/"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
