"""The demo's stage: every real part of it, started in order and stopped in reverse.

Envoy, Prometheus, one engine per model version, the Serinus daemon and a stream of real requests, in a folder
of its own. Nothing listens beyond 127.0.0.1.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from ruamel.yaml import YAML

from controller.control.client import ControlClient
from controller.domain.wording import duration
from deploy.local.daemon import LocalDaemon
from deploy.local.engines import install_engine
from deploy.local.render import LOOPBACK, EngineTarget
from deploy.local.serving import train
from deploy.local.stack import REPOSITORY, Service, Stack
from deploy.local.stream import Stream

MODEL = "tumor-classifier"
VERSIONS = ("v1", "v2", "v3", "v4", "v5")
REQUESTS_PER_SECOND = 200
LONGEST_SECONDS = 300
SLOW_SECONDS = 0.1
"""The latency limit of the demo's policy."""
_MODELS = REPOSITORY / "deploy" / "local" / ".build" / "models"
POLICIES = REPOSITORY / "deploy" / "local" / "policies"
CLASSIC_POLICIES = POLICIES.with_name("policies-classic")
"""The same with the classic rule, to compare with."""

Engine = Literal["onnx", "mlserver"]


class Stage:
    """Starts everything on entering; stops it on leaving, whatever happened.

    ``versions`` are those that get an engine, ``settings`` further ones of the daemon.
    """

    def __init__(
        self,
        folder: Path,
        engine: Engine = "onnx",
        versions: Sequence[str] = VERSIONS,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.stack = Stack(folder)
        self._engine = engine
        self._versions = versions
        self._settings = settings
        self.engines: dict[str, Service] = {}
        self.gateway: Service
        self.prometheus: Service
        self.daemon: LocalDaemon

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stack.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.stop()

    def client(self) -> ControlClient:
        """A client of the daemon."""
        return self.daemon.client()

    def endpoint(self, version: str) -> str:
        """Where a version answers."""
        return f"{LOOPBACK}:{self.engines[version].port}"

    def stream(
        self, model: str = MODEL, rate: int = REQUESTS_PER_SECOND, seconds: int = LONGEST_SECONDS
    ) -> Stream:
        """Begin to send real rows to a model's route; bounded in rate and time."""
        url = f"http://{LOOPBACK}:{self.gateway.port}/v2/models/{model}/infer"
        rows, name = _MODELS / "rows.json", f"traffic-{model}"
        return Stream(
            self.stack, [url], rows, rate=rate, seconds=seconds, name=name, slow_seconds=SLOW_SECONDS
        )

    def rule_by(self, policies: Path) -> None:
        """Let the demo's policy of another folder rule what is deployed from now on."""
        self.daemon.rule_by(policies / f"{MODEL}.yaml")

    def start_engine(self, version: str, port: int = 0) -> Service:
        """Start the engine of a version, at a port where one was before or at a free one."""
        model = _MODELS / version
        if self._engine == "mlserver":
            return self.stack.mlserver(install_engine("mlserver") / "bin" / "mlserver", model)
        return self.stack.model_server(model, port)

    def restart_gateway(self) -> None:
        """Start Envoy again, at its ports, with the files that are there."""
        self.gateway = self.stack.envoy(self.gateway.port, self.gateway.metrics_port)

    def restart_prometheus(self) -> None:
        """Start Prometheus again, at its port, with the data that it has."""
        self.prometheus = self.stack.prometheus(self.gateway.metrics_port, self.prometheus.port)

    def _start(self) -> None:
        train.build(_MODELS)
        for version in self._versions:
            self.engines[version] = self.start_engine(version)
        self.gateway = self.stack.envoy()
        self.prometheus = self.stack.prometheus(self.gateway.metrics_port)
        self.stack.engines(
            EngineTarget(MODEL, version, service.metrics_port) for version, service in self.engines.items()
        )
        self.daemon = LocalDaemon(self.stack, self.gateway, self.prometheus, self._settings)
        shutil.copytree(POLICIES, self.daemon.policies, dirs_exist_ok=True)
        write_golden(_MODELS / "golden.json", self.daemon.policies / f"{MODEL}.golden.yaml")
        self.daemon.start()


def write_golden(trained: Path, golden: Path) -> None:
    """The golden requests of the demo's policy, from the answers that training wrote down.

    The engines answer the label first and then the probabilities, which are compared.
    """
    source: dict[str, Any] = json.loads(trained.read_text())
    numbers = {"at": "outputs[1].data", "tolerance": source["tolerance"]}
    requests = [
        {
            "name": f"row-{index}",
            "body": case["request"],
            "expect": {"numbers": {**numbers, "equals": case["probabilities"]}, "max_latency": "2s"},
        }
        for index, case in enumerate(source["cases"], 1)
    ]
    with golden.open("w") as file:
        YAML().dump({"protocol": "oip-v2", "timeout": "5s", "requests": requests}, file)


def since(seconds: float) -> str:
    """A duration as the demo prints it."""
    return duration(timedelta(seconds=round(seconds)))
