"""A language model of a few words: streams chat completions, some of which fail after they began with 200."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

WORDS = ("one ", "two ", "three")


class StreamingModel:
    """``fails_every`` third, tenth, ... stream holds an error in place of its end; none for 0."""

    def __init__(self, fails_every: int = 0) -> None:
        self.fails_every = fails_every
        self.asked = count(1)
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                number = next(model.asked)
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                self._event({"choices": [{"delta": {"role": "assistant"}}]})
                self._event({"choices": [{"delta": {"content": WORDS[0]}}]})
                if model.fails_every and number % model.fails_every == 0:
                    self._event({"error": {"message": "CUDA out of memory", "code": 500}})
                else:
                    for word in WORDS[1:]:
                        self._event({"choices": [{"delta": {"content": word}}]})
                    self._event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
                self._data(b"data: [DONE]\n\n")
                self.wfile.write(b"0\r\n\r\n")

            def _event(self, chunk: object) -> None:
                self._data(b"data: " + json.dumps(chunk).encode() + b"\n\n")

            def _data(self, data: bytes) -> None:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # who asked has left

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextmanager
def streaming_model(fails_every: int = 0) -> Iterator[StreamingModel]:
    model = StreamingModel(fails_every)
    try:
        yield model
    finally:
        model.close()


class Users:
    """Ask for streams through the gateway, some dozens a second; ``failed`` are answers without 200."""

    def __init__(self, port: int, path: str) -> None:
        self.sent = self.failed = self.spoilt = 0
        self._port, self._path = port, path
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        body = json.dumps({"stream": True, "messages": [{"role": "user", "content": "count"}]})
        connection = HTTPConnection("127.0.0.1", self._port, timeout=5)
        while not self._over.wait(0.01):
            self.sent += 1
            try:
                connection.request("POST", self._path, body)
                answer = connection.getresponse()
                self.failed += answer.status != 200
                self.spoilt += b'"error"' in answer.read()
            except (OSError, HTTPException):
                self.failed += 1
                connection.close()
        connection.close()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(10)


@contextmanager
def users(port: int, path: str) -> Iterator[Users]:
    found = Users(port, path)
    try:
        yield found
    finally:
        found.stop()
