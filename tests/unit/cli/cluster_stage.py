"""A cluster in memory as the command line meets it: objects, and a daemon that answers when told to."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from controller.adapters.kube.modelrollout import RequestSpec, parse_request
from controller.adapters.kube.resources import DEPLOYMENTS, MODEL_ROLLOUTS, Obj
from controller.adapters.kube.rolloutstatus import Place, refused, status_of
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.cli.cluster.access import Access
from controller.cli.cluster.client import ClusterClient, Patience
from controller.cli.way import ClusterOptions
from controller.domain.model import Command, CommandKind, Rollout
from tests.fakes import EPOCH
from tests.kube_fake import FakeApi, Serve
from tests.unit.control.stage import an_entry, progressing


class ManualTime:
    """Sleeping takes no time but its own."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class Cluster:
    """The API server, and the daemon's hand in it."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.api = FakeApi()
        self.time = ManualTime()
        self._runner = runner

    def client(self, namespace: str | None = "ml", home: str = "ml") -> ClusterClient:
        """What the command line holds in its hands; ``namespace`` None is -A."""
        access = Access(
            self.api.client(), self.api, self._runner, namespace, home, ClusterOptions(context="nowhere")
        )
        return ClusterClient(access, Patience(5.0, 0.5, self.time.sleep, lambda: self.time.seconds))

    def install(self, home: str, namespaces: Sequence[str]) -> None:
        """A daemon that lives in a namespace and acts in others."""
        env = [{"name": "SERINUS_KUBERNETES__NAMESPACES", "value": json.dumps(namespaces)}]
        pod = {"spec": {"containers": [{"name": "serinus", "env": env}]}}
        labels = {"app.kubernetes.io/name": "serinus"}
        metadata = {"name": "serinus", "namespace": home, "labels": labels}
        self.api.put(DEPLOYMENTS, {"metadata": metadata, "spec": {"template": pod}})

    def apply(self, name: str, model: str = "fraud", version: str = "v2", namespace: str = "ml") -> Obj:
        """An object that no daemon has taken up yet."""
        metadata = {"name": name, "namespace": namespace}
        return self.api.put(
            MODEL_ROLLOUTS, {"metadata": metadata, "spec": {"model": model, "version": version}}
        )

    def begin(self, name: str, *, ordinal: int = 1, namespace: str = "ml", **changes: Any) -> Rollout:
        """An object with its rollout, as the daemon keeps it, and one log entry."""
        shape = progressing()
        policy = replace(shape.policy, namespace=namespace, model=changes.get("model", shape.model))
        rollout = replace(shape, id=name, policy=policy, seq=1, updated_at=EPOCH, **changes)
        self.apply(name.partition(".")[0], rollout.model, rollout.release.version, namespace)
        self.record(rollout, ordinal=ordinal)
        return rollout

    def record(self, rollout: Rollout, *, ordinal: int = 1, command: Command | None = None) -> None:
        """Write the rollout into its object with one more log entry."""
        name, _, attempt = rollout.id.partition(".")
        entry = replace(an_entry(rollout, event="held", notable=True), command=command)
        place = Place(epoch=1, ordinal=ordinal, attempt=int(attempt or 1))

        def written(obj: Obj) -> None:
            obj["status"] = status_of(obj, rollout, entry, place).status

        self.api.modify(MODEL_ROLLOUTS, rollout.policy.namespace, name, written)

    def object(self, name: str, namespace: str = "ml") -> Obj:
        found = self.api.get(MODEL_ROLLOUTS, namespace, name)
        assert found is not None
        return found

    def obey(self, rollout: Rollout, **becomes: Any) -> None:
        """From now on the daemon follows what is asked of this rollout."""

        def follow(obj: Obj, request: RequestSpec) -> Obj:
            command = Command(CommandKind(request.action), request.id, request.actor, EPOCH)
            message = f"{request.action} by {request.actor}"
            after = replace(rollout, seq=rollout.seq + 1, message=message, **becomes)
            entry = replace(an_entry(after, event="person", notable=True), command=command)
            attempt = int(after.id.partition(".")[2] or 1)
            return status_of(obj, after, entry, Place(1, 1, attempt)).status

        self._answer_with(follow)

    def refuse(self, message: str) -> None:
        """From now on the daemon refuses what is asked."""
        self._answer_with(lambda obj, request: refused(obj, request, message, EPOCH))

    def _answer_with(self, answer: Any) -> None:
        async def daemon(request: ApiRequest, serve: Serve) -> ApiAnswer:
            served = serve(request)
            if request.method == "PATCH":
                name = request.path.rpartition("/")[2]
                obj = self.object(name)
                asked = parse_request(obj)
                assert isinstance(asked, RequestSpec), asked
                status = answer(obj, asked)
                self.api.modify(MODEL_ROLLOUTS, "ml", name, lambda found: found.update(status=status))
            return served

        self.api.fault = daemon


@contextmanager
def a_cluster() -> Iterator[Cluster]:
    """With an event loop for the clients' questions."""
    with asyncio.Runner() as runner:
        yield Cluster(runner)
