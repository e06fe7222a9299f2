"""Recorded metrics pages of engines and gateways, and a real Prometheus that remembers them at a fixed time.

A page of ``expositions/`` is what a copy shows, in Prometheus' text format: ``<good+bad>`` is a number
that grows, ``<bad?>`` one whose series is absent until its first, ``<<version>>`` a version's name.
"""

import json
import re
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from deploy.local.stack import Stack, find_program, free_port

FOLDER = Path(__file__).parent / "expositions"
GATEWAYS = frozenset({"ai-gateway", "envoy", "envoy-gateway", "epp-lora", "istio", "traefik"})
NOW = 1_750_000_000
FIRST, LAST, EVERY = NOW - 330, NOW, 10
EARLY, RESTART, LATE = NOW - 200, NOW - 180, NOW - 160
_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? <(?P<value>[^<>]+)>")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Served:
    """What a version answers, in two parts: one before a restart, one after. ``before`` is from long ago."""

    early: Mapping[str, int]
    late: Mapping[str, int]
    before: Mapping[str, int]
    now: Mapping[str, float]
    restarts: bool = False

    def numbers(self, second: int) -> dict[str, float]:
        restarted = self.restarts and second >= RESTART
        happened = [
            self.before if not restarted else {},
            self.early if second >= EARLY and not restarted else {},
            self.late if second >= LATE else {},
        ]
        names = {*self.before, *self.early, *self.late}
        return {name: sum(each.get(name, 0) for each in happened) for name in names} | dict(self.now)


OLD = {"good": 1000, "bad": 1, "failed": 0, "slow": 10, "cut": 5, "noise": 3}
NEW = dict.fromkeys(OLD, 0)
STABLE = Served(
    {"good": 120, "bad": 0, "failed": 0, "slow": 12, "cut": 2, "noise": 30},
    {"good": 80, "bad": 0, "failed": 0, "slow": 8, "cut": 1, "noise": 20},
    OLD | {"bad": 0},
    {"waiting": 2, "fill": 0.5, "prompt": 80, "output": 20, "mean": 0.125},
)
CANARY = Served(
    {"good": 30, "bad": 4, "failed": 1, "slow": 10, "cut": 6, "noise": 7},
    {"good": 20, "bad": 2, "failed": 1, "slow": 5, "cut": 3, "noise": 5},
    NEW,
    {"waiting": 7, "fill": 0.97, "prompt": 100, "output": 30, "mean": 0.25},
)


def page(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


def shown(text: str, numbers: Mapping[str, float], names: Mapping[str, str]) -> str:
    """The page as the copy would show it."""
    lines = []
    for line in text.splitlines():
        for key, value in names.items():
            line = line.replace(f"<<{key}>>", value)  # noqa: PLW2901
        found = _SAMPLE.fullmatch(line)
        if found is None:
            lines.append(line)
            continue
        expression = found["value"]
        value = eval(expression.removesuffix("?"), {}, dict(numbers))  # the pages are ours
        if value or not expression.endswith("?"):
            lines.append(f"{line[: line.rindex('<')]}{value:.15g}")
    return "\n".join([*lines, ""])


def history(
    text: str, served: Served, names: Mapping[str, str], target: Mapping[str, str]
) -> dict[str, list[str]]:
    """What Prometheus remembers of one copy: the target's labels win over the copy's own."""
    series: dict[str, list[str]] = {}
    up = _series("up", {}, target)
    for second in range(FIRST, LAST + 1, EVERY):
        series.setdefault(up, []).append(f"1 {second}")
        for line in shown(text, served.numbers(second), names).splitlines():
            if not line or line.startswith("#"):
                continue
            identity, value = line.rsplit(" ", 1)
            name, _, labels = identity.partition("{")
            own = dict(_LABEL.findall(labels))
            series.setdefault(_series(name, own, target), []).append(f"{value} {second}")
    return series


def _series(name: str, own: Mapping[str, str], target: Mapping[str, str]) -> str:
    kept = {(f"exported_{label}" if label in target else label): value for label, value in own.items()}
    labels = ",".join(f"{label}={json.dumps(value)}" for label, value in sorted({**kept, **target}.items()))
    return f"{name}{{{labels}}}"


@contextmanager
def remembered(folder: Path, copies: Sequence[Mapping[str, list[str]]]) -> Iterator[str]:
    """The address of a Prometheus whose clock stands at NOW and which holds these series."""
    everything: dict[str, dict[str, list[str]]] = {}
    for copy in copies:
        for identity, samples in copy.items():
            together = everything.setdefault(identity.partition("{")[0], {})
            assert samples == together.setdefault(identity, samples), f"two copies show {identity}"
    lines = [
        f"{identity} {sample}"
        for family in everything.values()
        for identity, samples in family.items()
        for sample in samples
    ]
    file = folder / "history.om"
    file.write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")
    blocks = (find_program("promtool"), "tsdb", "create-blocks-from", "openmetrics", str(file))
    made = subprocess.run([*blocks, str(folder / "data")], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    with Stack(folder / "stack") as stack, _at_now(port := free_port()) as address:
        config = folder / "prometheus.json"
        config.write_text("{}")
        argv = (
            find_program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        )
        stack.start("prometheus", argv, port, "/-/ready", {})
        yield address


@contextmanager
def _at_now(port: int) -> Iterator[str]:
    """Passes queries on; only the clock is not Prometheus' own."""

    class Clock(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"]))
            if urllib.parse.parse_qs(form.decode())["query"] == ["time()"]:
                result: Any = {"resultType": "scalar", "result": [NOW, str(NOW)]}
                body, status = json.dumps({"status": "success", "data": result}).encode(), 200
            else:
                status, body = _passed_on(port, self.path, form)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Clock)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _passed_on(port: int, path: str, form: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=form)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
