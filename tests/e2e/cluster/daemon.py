"""One replica of the daemon in the cluster: a process, and a proxy of its own before the API server."""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from controller.features import Feature
from deploy.local.stack import Service, Stack, free_port, wait_until_ready
from tests.e2e.proof import eventually
from tests.kube.apiserver import ApiServer
from tests.kube.faults import FaultyProxy, Timings

ARGV = (sys.executable, "-m", "controller", "run")
LEASE = "serinus"
"""The only one that the Role lets it hold, in its own namespace."""


def lease_settings(lease: str, renew: str, retry: str) -> dict[str, str]:
    """A lease of so many seconds."""
    return {
        "SERINUS_KUBERNETES__LEASE_SECONDS": lease,
        "SERINUS_KUBERNETES__RENEW_SECONDS": renew,
        "SERINUS_KUBERNETES__RETRY_SECONDS": retry,
    }


SHORT_LEASE = lease_settings("3", "2", "0.5")
"""On a busy machine it is lost unasked now and then."""
CALM_LEASE = lease_settings("8", "6", "1")
"""Is not lost, and still waited for where a daemon is killed."""


def settings(
    home: str, namespaces: Sequence[str], features: Sequence[Feature], policies: Path, prometheus: str
) -> dict[str, str]:
    """What all replicas have in common, by the names of the environment variables."""
    return {
        "SERINUS_KUBERNETES__NAMESPACES": json.dumps(list(namespaces)),
        "SERINUS_KUBERNETES__FEATURES": json.dumps([feature.value for feature in features]),
        "SERINUS_KUBERNETES__LEASE_NAMESPACE": home,
        "SERINUS_KUBERNETES__LEASE_NAME": LEASE,
        "SERINUS_POLICIES_DIR": str(policies),
        "SERINUS_PROMETHEUS__URL": prometheus,
        "SERINUS_LOG_FORMAT": "json",
        "SERINUS_LOG_LEVEL": "debug",
    }


class Replica:
    """``service`` is the process of the moment; ``proxy`` outlives it, and knows all that it ever asked."""

    def __init__(
        self, stack: Stack, server: ApiServer, name: str, account: str, common: Mapping[str, str]
    ) -> None:
        self.name = name
        self.proxy = FaultyProxy(server, timings=Timings(hold_seconds=120))
        self.port = free_port()
        self._stack = stack
        self._env = {
            **common,
            "SERINUS_KUBERNETES__IDENTITY": name,
            "SERINUS_KUBERNETES__KUBECONFIG": str(server.kubeconfig(account, self.proxy.url)),
            "SERINUS_HTTP_PORT": str(self.port),
        }
        self.service: Service | None = None

    def launch(self) -> None:
        """Start it, and wait for nothing."""
        self.service = self._stack.launch(self.name, ARGV, self.port, self._env)

    def start(self) -> None:
        """Start it, and wait until it lives; whether it leads is another matter."""
        self.launch()
        wait_until_ready(self.process, self.port, "/livez")

    @property
    def process(self) -> Service:
        assert self.service is not None, f"{self.name} was never started"
        return self.service

    @property
    def running(self) -> bool:
        return self.service is not None and self.service.process.poll() is None

    def kill(self) -> None:
        """As a crash of the machine would."""
        self.process.kill()

    def stop(self, within: float = 10) -> int:
        """SIGTERM; its exit status."""
        began = time.monotonic()
        status = self.process.stop(within)
        assert time.monotonic() - began < within, f"{self.name} did not stop within {within:g} s"
        return status

    def freeze(self) -> None:
        """SIGSTOP: as a machine that hangs."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.process.pid, signal.SIGCONT)

    def exit_status(self, within: float = 20) -> int:
        """Once it ended by itself."""
        eventually(lambda: not self.running, f"{self.name} ended", within)
        status = self.process.process.wait()
        return int(status)

    def close(self) -> None:
        """End the process, and then the proxy."""
        if self.running:
            self.thaw()
            self.process.kill()
        self.proxy.close()

    def log(self, event: str | None = None) -> list[dict[str, Any]]:
        """Its log lines, of one event or all, oldest first."""
        lines = (self._stack.folder / f"{self.name}.log").read_text(errors="replace").splitlines()
        parsed = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [line for line in parsed if event in (None, line.get("event"))]
