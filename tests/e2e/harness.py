"""One real stack with the real daemon, and the words in which the end-to-end tests speak of it.

Every model is a route of its own to the same engines, so that each test has a model that nobody used, and all
share one Envoy, one Prometheus and one daemon. Waiting is always for a fact, with a deadline.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from controller.adapters.registry import catalogue
from controller.adapters.store.codec import decode_entry
from controller.control.client import ControlClient
from controller.control.errors import ControlError
from controller.control.interface import Order
from controller.control.views import EntryView, StatusView
from controller.domain.model import Entry
from controller.domain.policy import Policy as LoadedPolicy
from controller.domain.vocabulary import Phase
from controller.policy.loader import load_policy
from deploy.local.stack import REPOSITORY, answers
from deploy.local.stage import Stage
from deploy.local.stream import Stream
from tests.e2e.policies import ONE_STEP, Steps, policy_text
from tests.e2e.proof import eventually
from tests.e2e.telling import Told

_MORE = 8
"""Models brought into service at once, when none is left."""


class Harness:
    """``ready`` models are in service with v1 and were not used by any test."""

    def __init__(self, stage: Stage, told: Told) -> None:
        self.stage = stage
        self.told = told
        self._ready: list[str] = []
        self._named = 0

    # the parts

    @property
    def client(self) -> ControlClient:
        return self.stage.client()

    def heal(self) -> None:
        """Start again whatever a test left ended."""
        if self.stage.gateway.process.poll() is not None:
            self.stage.restart_gateway()
        if self.stage.prometheus.process.poll() is not None:
            self.stage.restart_prometheus()
        for version, engine in self.stage.engines.items():
            if engine.process.poll() is not None:
                self.stage.engines[version] = self.stage.start_engine(version, engine.port)
        daemon = self.stage.daemon
        if daemon.service is None or daemon.service.process.poll() is not None:
            daemon.start()

    @contextmanager
    def daemon_with_state(self, state: Path) -> Iterator[None]:
        """The daemon on a copy of its state in another folder, for as long as the context lasts."""
        daemon = self.stage.daemon
        assert daemon.service is not None
        daemon.service.stop(10)
        own = Path(daemon.settings["SERINUS_STATE_DIR"])
        shutil.copytree(own, state, dirs_exist_ok=True)
        daemon.start(state=state)
        try:
            yield
        finally:
            daemon.service.stop(10)
            daemon.start()

    @contextmanager
    def daemon_with_settings(self, settings: Mapping[str, str]) -> Iterator[None]:
        """The daemon with more settings, for as long as the context lasts."""
        daemon = self.stage.daemon
        assert daemon.service is not None
        daemon.service.stop(10)
        daemon.settings.update(settings)
        daemon.start()
        try:
            yield
        finally:
            daemon.service.stop(10)
            for name in settings:
                del daemon.settings[name]
            daemon.start()

    # models

    def prepare(self, count: int) -> None:
        """Bring so many new models into service, all at once."""
        new = [f"m{self._named + index}" for index in range(count)]
        self._named += count
        for model in new:
            self.write_policy(model, ONE_STEP)
        for model in new:
            self.until_in_force(model)
            self.client.deploy(Order(model, "v1", [self.stage.endpoint("v1")]))
        for model in new:
            self.until(model, Phase.SUCCEEDED, within=60)
        self._ready += new

    def model(self, steps: Steps, **more: object) -> str:
        """A model that v1 serves, under this policy."""
        if not self._ready:
            self.prepare(_MORE)
        model = self._ready.pop()
        self.write_policy(model, steps, **more)
        self.until_in_force(model)
        return model

    def new_model(self, steps: Steps) -> str:
        """A model without any version."""
        model = f"m{self._named}"
        self._named += 1
        self.write_policy(model, steps)
        self.until_in_force(model)
        return model

    def policy_file(self, model: str) -> Path:
        return self.stage.daemon.policies / f"{model}.yaml"

    def write_policy(self, model: str, steps: Steps, **more: object) -> None:
        self.policy_file(model).write_text(policy_text(model, steps, **more))

    def until_in_force(self, model: str) -> None:
        """Until the policy file, as it is now, rules the model's next rollout."""
        policy = load_policy(self.policy_file(model), catalogue())
        assert isinstance(policy, LoadedPolicy), [str(fault) for fault in policy]
        eventually(
            lambda: any(
                line["model"] == model and policy.digest.startswith(line["digest"])
                for line in self.log("policy_in_force")
            ),
            f"the policy of {model} is in force",
        )

    # rollouts

    def deploy(self, model: str, version: str, endpoint: str | None = None) -> str:
        """Begin a rollout of an engine's version, or of what answers at the endpoint; its id."""
        rollout = self.client.deploy(
            Order(model, version, [endpoint or self.stage.endpoint(version)])
        ).rollout
        assert rollout is not None
        return rollout

    def until(self, target: str, *phases: Phase, within: float = 30) -> StatusView:
        """The status, once the rollout is in one of the phases. Never waits on after its end."""
        return self.until_status(target, lambda status: status.phase in phases, " or ".join(phases), within)

    def until_weight(self, rollout: str, percent: float, within: float = 30) -> StatusView:
        """The status, once the gateway was seen running this weight."""
        self.until_status(rollout, lambda status: status.weight == percent, f"at {percent} %", within)
        eventually(
            lambda: any(
                entry.observation is not None
                and entry.observation.route is not None
                and entry.observation.route.accepted
                and entry.observation.route.split.weight_permille == percent * 10
                for entry in self.stored(rollout)
            ),
            f"{rollout} at {percent} % in force",
            within,
        )
        return self.client.status(rollout)

    def until_status(
        self, target: str, holds: Callable[[StatusView], bool], what: str, within: float = 30
    ) -> StatusView:
        def look() -> StatusView | None:
            try:
                status = self.client.status(target)
            except ControlError:
                return None
            if holds(status):
                return status
            assert not status.terminal, f"{target} ended {status.phase}, not {what}: {status.message}"
            return None

        return eventually(look, f"{target} is {what}", within)

    def entries(self, rollout: str) -> list[EntryView]:
        """The whole log, as people are shown it."""
        found: list[EntryView] = []
        while page := self.client.entries(rollout, found[-1].seq if found else 0).items:
            found += page
        return found

    def stored(self, rollout: str) -> list[Entry]:
        """The whole log, as the store holds it, read past the daemon."""
        with closing(self.connect_to_store()) as connection:
            rows = connection.execute(
                "SELECT record FROM entry WHERE rollout_id = ? ORDER BY seq", (rollout,)
            ).fetchall()
        return [decode_entry(record) for (record,) in rows]

    def connect_to_store(self) -> sqlite3.Connection:
        """For reading only."""
        path = Path(self.stage.daemon.settings["SERINUS_STATE_DIR"]) / "serinus.sqlite"
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)

    # people, users and operators

    def cli(
        self, *words: str, within: float = 60, under: Sequence[str] = ()
    ) -> "subprocess.CompletedProcess[str]":
        """``serinus`` as a process of its own, its output piped; ``under`` is a command that starts it."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SERINUS_")}
        return subprocess.run(
            (*under, sys.executable, "-m", "controller", "--socket", str(self.stage.daemon.socket), *words),
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    @contextmanager
    def traffic(self, model: str, rate: int = 100) -> Iterator[Stream]:
        """A stream of real rows to the model while the context lasts."""
        stream = self.stage.stream(model, rate)
        try:
            eventually(lambda: stream.traffic().sent, "the first requests are sent")
            yield stream
        finally:
            stream.stop()

    def ask(self, model: str, requests: int) -> Counter[str]:
        """Send requests through the gateway, one after another; the backends that answered, or the status."""
        found: Counter[str] = Counter()
        connection = HTTPConnection("127.0.0.1", self.stage.gateway.port, timeout=5)
        for _ in range(requests):
            connection.request("GET", f"/v2/models/{model}")
            answer = connection.getresponse()
            answer.read()
            served_by = answer.headers.get("x-served-by", "nobody")
            found[served_by if answer.status == 200 else str(answer.status)] += 1
        connection.close()
        return found

    def log(self, event: str, since: int = 0) -> list[dict[str, Any]]:
        """The daemon's log lines of one event, oldest first, from a byte of the log on."""
        return [line for line in self.log_lines(since) if line.get("event") == event]

    def log_lines(self, since: int = 0) -> list[dict[str, Any]]:
        """All of them."""
        with self.log_file.open("rb") as file:
            file.seek(since)
            lines = file.read().decode().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    @property
    def log_file(self) -> Path:
        return self.stage.stack.folder / "serinus.log"

    def rendered_route(self, model: str) -> str:
        """The model's entry in the file that Envoy reads."""
        document = json.loads((self.stage.stack.xds / "rds.json").read_text())
        (host,) = [each for each in document["resources"][0]["virtual_hosts"] if each["name"] == "serinus"]
        entries = host["matcher"]["matcher_tree"]["prefix_match_map"]["map"]
        return json.dumps(entries[f"/v2/models/{model}"])

    def http(self, path: str) -> tuple[int, str]:
        """GET of the daemon's own port: status and text."""
        connection = HTTPConnection("127.0.0.1", self.stage.daemon.port, timeout=5)
        connection.request("GET", path)
        answer = connection.getresponse()
        found = answer.status, answer.read().decode()
        connection.close()
        return found

    def lives(self) -> bool:
        return answers(self.stage.daemon.port, "/livez")
