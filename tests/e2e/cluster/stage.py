"""One cluster with the daemon in it, and the words in which the end-to-end tests speak of it.

People do everything with kubectl, under the rights that the manifests give them: ``ann`` releases and steers
as an operator, the platform's admin owns workloads and routes. The daemon has exactly the generated Role.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from controller.adapters.kube.sharding import suffixed
from controller.adapters.registry import catalogue
from controller.domain.policy import Policy
from controller.domain.sharding import WHOLE, Shard
from controller.features import Feature
from controller.policy.loader import load_policy
from deploy.local.stream import Stream
from tests.e2e.cluster.daemon import LEASE, Replica, settings
from tests.e2e.cluster.history import Write, writes
from tests.e2e.cluster.looking import OURS, Cluster
from tests.e2e.cluster.policies import Fields, policy_text
from tests.e2e.cluster.rights import OPERATOR, grant
from tests.e2e.cluster.routes import Ours
from tests.kube.apiserver import ApiServer
from tests.kube.manifests import backend, deployment, route, service
from tests.kube.recording import Recorded
from tests.kube.simulator.api import Access
from tests.kube.simulator.cluster import Simulator

Obj = dict[str, Any]


class ClusterStage(Cluster):
    """``before`` has every route as it was applied, ``backends`` what is ours on it: for the checker."""

    def __init__(
        self,
        server: ApiServer,
        folder: Path,
        namespace: str,
        features: Sequence[Feature] = (),
        daemon_settings: Mapping[str, str] | None = None,
        replicas: int = 1,
        shards: Sequence[Shard] = (),
    ) -> None:
        """``shards`` are those of the replicas, where models are dealt out."""
        super().__init__(server, namespace)
        self.home = f"{namespace}-home"
        self.policies = folder / "policies"
        self.policies.mkdir(parents=True)
        self.before: dict[str, Obj] = {}
        self.backends: dict[str, Ours] = {}
        self.replicas: list[Replica] = []
        self.shards = list(shards) or [WHOLE] * replicas
        leases = {suffixed(LEASE, shard) for shard in (WHOLE, *self.shards)}
        account = grant(server.admin, self.home, namespace, features, leases)
        access = Access(server.url, server.token("admin"), server.ca_file)
        self.simulator = Simulator(folder / "cluster", access, {namespace})
        self._account = account
        self._features = features
        self._settings = daemon_settings or {}

    def __enter__(self) -> Self:
        self.simulator.__enter__()
        try:
            url = self.simulator.prometheus_url
            common = settings(self.home, [self.namespace], self._features, self.policies, url)
            for letter, shard in zip("abcdefgh", self.shards, strict=False):
                environment = {**common, **self._settings, "SERINUS_KUBERNETES__SHARD": str(shard)}
                self.replicas.append(
                    Replica(
                        self.simulator.stack, self.server, f"serinus-{letter}", self._account, environment
                    )
                )
            for replica in self.replicas:
                replica.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self.simulator.check()

    def close(self) -> None:
        """End every process."""
        for replica in self.replicas:
            replica.close()
        self.simulator.stop()

    # what a platform team applies

    def apply(self, *objects: Obj) -> None:
        """As the platform's own tools do it: server-side."""
        for each in objects:
            self.server.admin.apply(each, "platform")

    def serve(self, model: str, version: str, image: str, copies: int = 1, **container: Any) -> None:
        """A Deployment and a Service of one version."""
        self.apply(
            deployment(self.namespace, model, version, image, copies, **container),
            service(self.namespace, model, version),
        )

    def route(self, model: str, *refs: Obj, **rule: Any) -> Obj:
        """The model's HTTPRoute, as it is once the gateway accepted it."""
        self.apply(route(self.namespace, model, refs, **rule))
        self.adopt_route(model)
        return self.before[model]

    def adopt_route(self, model: str, *backends: str, rule: int = 0) -> None:
        """Keep the route in mind as it is now that the gateway accepted it, for comparisons later."""
        self.before[model] = self.until_accepted(model)
        self.backends[model] = Ours(list(backends), rule)

    def policy(self, model: str, steps: Sequence[Fields], **more: object) -> None:
        """The model's policy file."""
        text = policy_text(self.namespace, model, steps, **more)
        (self.policies / f"{model}.yaml").write_text(text)

    def in_service(self, model: str, weight: int | None = None) -> None:
        """A model that v1 serves to everyone, alone in its rule."""
        self.serve(model, "v1", "models/tumor:v1")
        self.until_ready(f"{model}-v1")
        self.take_service(model, weight=weight)

    def take_service(self, model: str, *others: str, weight: int | None = None) -> None:
        """Let the model's v1 serve everyone, alone in its rule; other versions may follow it."""
        self.route(model, backend(f"{model}-v1", weight, header=False))
        self.backends[model].names += [f"{model}-v1", *(f"{model}-{version}" for version in others)]

    def candidate(self, model: str, version: str, image: str) -> None:
        """A further version that is there, and that nobody is served by."""
        self.serve(model, version, image)
        self.backends[model].names.append(f"{model}-{version}")

    # what an operator does

    def release(self, model: str, version: str, name: str = "", **spec: Any) -> str:
        """kubectl apply of a ModelRollout; its name."""
        name = name or f"{model}-{version}"
        self.kubectl(
            "apply",
            "-f",
            "-",
            identity=OPERATOR,
            objects=[
                {
                    "apiVersion": OURS,
                    "kind": "ModelRollout",
                    "metadata": {"name": name, "namespace": self.namespace},
                    "spec": {"model": model, "version": version, **spec},
                }
            ],
        )
        return name

    def ask(self, name: str, action: str, by: str = OPERATOR) -> str:
        """A person's word: kubectl patch of spec.request; the request's id."""
        request = {"id": str(uuid.uuid4()), "action": action, "by": by}
        patch = json.dumps({"spec": {"request": request}})
        self.kubectl("patch", "modelrollout", name, "--type=merge", f"--patch={patch}", identity=OPERATOR)
        return request["id"]

    def wait(self, name: str, condition: str, within: float = 60) -> Obj:
        """kubectl wait; the object then."""
        wanted = f"--for=condition={condition}"
        self.kubectl(
            "wait", wanted, f"modelrollout/{name}", f"--timeout={within:g}s", identity=OPERATOR, within=within
        )
        return self.rollout(name)

    def traffic(self, *models: str, each: float = 15) -> Stream:
        """Begin to send requests to these models, so many a second to each."""
        return self.simulator.stream([f"/v2/models/{model}/infer" for model in models], each * len(models))

    def in_force(self, model: str) -> bool:
        """Whether some replica has read the model's policy file as it is now."""
        policy = load_policy(self.policies / f"{model}.yaml", catalogue())
        assert isinstance(policy, Policy), [str(fault) for fault in policy]
        return any(
            line["model"] == model and policy.digest.startswith(line["digest"])
            for replica in self.replicas
            for line in replica.log("policy_in_force")
        )

    def routes(self) -> dict[str, Obj]:
        """The routes of all models, as they are now."""
        return {model: self.route_of(model) for model in self.before}

    def writes(self) -> list[Write]:
        """What the daemons wrote to routes and ModelRollouts, in the server's order."""
        return writes(self.recorded)

    @property
    def recorded(self) -> dict[str, list[Recorded]]:
        """All that the daemons ever asked of the API server."""
        return {replica.name: replica.proxy.recorded for replica in self.replicas}
