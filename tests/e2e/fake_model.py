"""A served model whose readiness and answers a test decides."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CHUNKS = 20
END = b"data: [DONE]\n\n"


class FakeModel:
    """``ready`` is what the readiness probe says; requests wait until ``answering`` is set, and ``seconds``.

    ``hosts`` are what requests called it.

    Answers are streams that last ``stream_seconds`` each, where that is not 0; ``streaming`` are under way.
    """

    def __init__(self, stream_seconds: float = 0) -> None:
        self.ready = True
        self.stream_seconds = stream_seconds
        self.streaming = 0
        self._counting = threading.Lock()
        self.answering = threading.Event()
        self.answering.set()
        self.seconds = 0.0
        self.asked = 0
        self.hosts: set[str] = set()
        self._never = threading.Event()
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(200 if model.ready else 503)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                model.asked += 1
                model.hosts.add(self.headers.get("host", ""))
                model.answering.wait(60)
                model._never.wait(model.seconds)
                if model.stream_seconds:
                    self._stream()
                else:
                    self._answer(200)

            def _stream(self) -> None:
                """As a language model's server does: events in chunks, with the time in between."""
                model.count(1)
                try:
                    self.send_response(200)
                    self.send_header("content-type", "text/event-stream")
                    self.send_header("transfer-encoding", "chunked")
                    self.end_headers()
                    for number in range(CHUNKS):
                        time.sleep(model.stream_seconds / CHUNKS)
                        self._chunk(b"data: %d\n\n" % number)
                    self._chunk(END)
                    self._chunk(b"")
                finally:
                    model.count(-1)

            def _chunk(self, body: bytes) -> None:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))

            def _answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a daemon that was killed closes its connections as it likes

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def count(self, more: int) -> None:
        with self._counting:
            self.streaming += more

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextmanager
def fake_model(stream_seconds: float = 0) -> Iterator[FakeModel]:
    model = FakeModel(stream_seconds)
    try:
        yield model
    finally:
        model.close()
