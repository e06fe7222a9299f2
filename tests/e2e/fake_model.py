"""A served model whose readiness and answers a test decides."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeModel:
    """``ready`` is what the readiness probe says; requests wait until ``answering`` is set."""

    def __init__(self) -> None:
        self.ready = True
        self.answering = threading.Event()
        self.answering.set()
        self.asked = 0
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(200 if model.ready else 503)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                model.asked += 1
                model.answering.wait(60)
                self._answer(200)

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

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextmanager
def fake_model() -> Iterator[FakeModel]:
    model = FakeModel()
    try:
        yield model
    finally:
        model.close()
