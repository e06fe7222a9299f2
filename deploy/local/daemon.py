"""The Serinus daemon on a local stack: started, killed and started again in the same place."""

from __future__ import annotations

import json
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from controller.adapters.registry import catalogue
from controller.control.client import ControlClient
from controller.domain.policy import Policy
from controller.policy.loader import load_policy
from deploy.local.render import LOOPBACK
from deploy.local.stack import Service, Stack, StackError, free_port, wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ARGV = (sys.executable, "-m", "controller", "run")
_POLL_SECONDS = 0.1
_SEEN_WITHIN_SECONDS = 20


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

    def rule_by(self, policy: Path) -> None:
        """Put a policy file into the daemon's folder, and wait until it is in force. Raises StackError."""
        assert self.service is not None
        said, target = self.service.log.stat().st_size, self.policies / policy.name
        if target.read_bytes() == policy.read_bytes():
            return
        shutil.copy(policy, target.with_suffix(".new"))
        target.with_suffix(".new").replace(target)
        loaded = load_policy(target, catalogue())
        digest = loaded.digest if isinstance(loaded, Policy) else ""
        deadline = time.monotonic() + _SEEN_WITHIN_SECONDS
        while not any(digest.startswith(line["digest"]) for line in self._said("policy_in_force", said)):
            if time.monotonic() > deadline:
                msg = f"{target} is not in force after {_SEEN_WITHIN_SECONDS} s"
                raise StackError(msg)
            time.sleep(_POLL_SECONDS)

    def _said(self, event: str, since: int) -> list[dict[str, Any]]:
        """The log's lines of one event, from a byte of the log on."""
        assert self.service is not None
        with self.service.log.open("rb") as log:
            log.seek(since)
            lines = log.read().decode().splitlines()
        parsed = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [line for line in parsed if line.get("event") == event]

    def client(self) -> ControlClient:
        """A client of whatever process answers at the socket."""
        return ControlClient(self.socket)
