"""The Serinus daemon on a local stack: started, killed and started again in the same place."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from controller.control.client import ControlClient
from deploy.local.render import LOOPBACK
from deploy.local.stack import Service, Stack, free_port, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ARGV = (sys.executable, "-m", "controller", "run")


class LocalDaemon:
    """One state folder, one policies folder, one socket; `service` is the process of the moment.

    ``settings`` come on top, by the names of their environment variables.
    """

    def __init__(
        self, stack: Stack, gateway: Service, prometheus: Service, settings: Mapping[str, str] | None = None
    ) -> None:
        self._stack = stack
        self.policies = stack.folder / "policies"
        self.socket = stack.folder / "serinus.sock"
        self.port = free_port()
        state = stack.folder / "state"
        state.mkdir(exist_ok=True)
        self.policies.mkdir(exist_ok=True)
        self.settings = {
            "SERINUS_STATE_DIR": str(state),
            "SERINUS_POLICIES_DIR": str(self.policies),
            "SERINUS_SOCKET": str(self.socket),
            "SERINUS_HTTP_PORT": str(self.port),
            "SERINUS_ENVOY__FOLDER": str(stack.xds),
            "SERINUS_ENVOY__ADMIN_URL": f"http://{LOOPBACK}:{gateway.metrics_port}",
            "SERINUS_PROMETHEUS__URL": f"http://{LOOPBACK}:{prometheus.port}",
            **(settings or {}),
        }
        self.service: Service | None = None

    def launch(self, state: Path | None = None) -> Service:
        """Start it, and wait for nothing. ``state`` is another state folder than its own."""
        other = {} if state is None else {"SERINUS_STATE_DIR": str(state)}
        self.service = self._stack.launch("serinus", ARGV, self.port, self.settings | other)
        return self.service

    def start(self, path: str = "/readyz", state: Path | None = None) -> Service:
        """Start it, and wait until the path answers 200: ready, or (``/livez``) merely there."""
        service = self.launch(state)
        wait_until_ready(service, self.port, path)
        return service

    def client(self) -> ControlClient:
        """A client of whatever process answers at the socket."""
        return ControlClient(self.socket)
