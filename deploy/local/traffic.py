"""Sends real rows through the gateway at a fixed rate, and counts who answered what.

`python deploy/local/traffic.py --url http://127.0.0.1:PORT/v2/models/NAME/infer --rows FILE --rate 200
--seconds N --report FILE`. With several `--url`, all of one gateway, each request goes to one of them. Open
loop: a request is due at its time whatever happened to the earlier ones, and its latency counts from that
time; while too many are in flight, further ones are counted as `shed` and not sent. With `--slow-seconds`,
longer answers are counted apart. The report is replaced once a second and at the end, also on SIGTERM and
SIGINT.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.http_client import Connection
from deploy.local.tally import Tally

MAX_RATE, MAX_SECONDS = 2000, 3600
TIMEOUT_SECONDS = 15


class Load:
    """One run of the generator. Keeps at most `max_in_flight` connections."""

    def __init__(
        self, host: str, port: int, requests: list[bytes], max_in_flight: int, slow_seconds: float = math.inf
    ) -> None:
        self._address = (host, port)
        self._requests = requests
        self._max_in_flight = max_in_flight
        self._idle: list[Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.stopping = asyncio.Event()
        self.tally = Tally(slow_seconds)

    @property
    def in_flight(self) -> int:
        """Requests sent and not yet answered."""
        return len(self._tasks)

    async def run(self, rate: float, seconds: float, seed: int) -> None:
        """Send `rate * seconds` requests, then wait for the last answers; `stopping` ends it early."""
        chosen = random.Random(seed)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for i in range(round(rate * seconds)):
            due = begin + i / rate
            # Short sleeps: waiting for the event itself would cost one more task per request.
            while (delay := due - loop.time()) > 0 and not self.stopping.is_set():  # noqa: ASYNC110
                await asyncio.sleep(min(delay, 0.2))
            if self.stopping.is_set():
                break
            request = chosen.choice(self._requests)
            if len(self._tasks) >= self._max_in_flight:
                self.tally.shed += 1
                continue
            self.tally.sent += 1
            task = loop.create_task(self._send(request, due))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        while self._tasks and not self.stopping.is_set():
            await asyncio.wait(self._tasks, timeout=0.2)
        if self._tasks:  # who stopped us waits for the report, so these answers get a second only
            await asyncio.wait(self._tasks, timeout=1)

    async def _send(self, request: bytes, due: float) -> None:
        connection: Connection | None = None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while connection is None or not connection.usable:
                    connection = self._idle.pop() if self._idle else await self._open()
                reply = await connection.send(request)
        except (OSError, TimeoutError) as error:
            self.tally.errors[type(error).__name__] += 1
            if connection is not None:
                connection.close()
            return
        self.tally.count(reply, asyncio.get_running_loop().time() - due)
        if connection.usable:
            self._idle.append(connection)

    async def _open(self) -> Connection:
        return await Connection.open(*self._address)


def requests_for(urls: Sequence[str], rows_file: Path) -> tuple[str, int, list[bytes]]:
    """Build one raw request per URL and row. Raises ValueError unless all are of one port on loopback."""
    made = [_requests_for(url, rows_file) for url in urls]
    ports = {port for port, _ in made}
    if len(ports) != 1:
        msg = f"the URLs are of {len(ports)} ports; only one gateway is allowed"
        raise ValueError(msg)
    return "127.0.0.1", ports.pop(), [request for _, requests in made for request in requests]


def _requests_for(url: str, rows_file: Path) -> tuple[int, list[bytes]]:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in {"127.0.0.1", "localhost"}:
        msg = f"{url}: only http://127.0.0.1 is allowed"
        raise ValueError(msg)
    rows = json.loads(rows_file.read_text())
    requests = []
    for row in rows["rows"]:
        tensor = {"name": rows["name"], "datatype": rows["datatype"], "shape": [1, len(row)]}
        body = json.dumps({"inputs": [tensor | {"data": row}]}).encode()
        head = (
            f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    return parts.port or 80, requests


def write_report(path: Path, load: Load) -> None:
    """Replace the report file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(load.tally.report(load.in_flight), indent=1))
    temporary.replace(path)


async def generate(arguments: argparse.Namespace) -> None:
    """Run the load, with a report every second and one at the end."""
    requests = requests_for(arguments.url, arguments.rows)
    load = Load(*requests, arguments.max_in_flight, arguments.slow_seconds)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, load.stopping.set)
    running = loop.create_task(load.run(arguments.rate, arguments.seconds, arguments.seed))
    try:
        while not running.done():
            write_report(arguments.report, load)
            await asyncio.wait({running}, timeout=1)
    finally:
        write_report(arguments.report, load)
    await running


def main() -> None:
    """Parse the command line and send."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, action="append")
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--rate", type=float, default=200, help="requests per second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-in-flight", type=int, default=64)
    parser.add_argument("--slow-seconds", type=float, default=math.inf, help="longer answers are slow")
    arguments = parser.parse_args()
    if not (0 < arguments.rate <= MAX_RATE and 0 < arguments.seconds <= MAX_SECONDS):
        parser.error(f"rate must be in (0, {MAX_RATE}], seconds in (0, {MAX_SECONDS}]")
    try:
        asyncio.run(generate(arguments))
    except (ValueError, KeyError, OSError) as error:
        parser.error(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
