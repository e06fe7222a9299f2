"""What people and tests can see of a cluster, and how tests wait for it."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from controller.domain.vocabulary import Phase, Reason
from tests.e2e.proof import eventually
from tests.kube.apiserver import ApiServer

Obj = dict[str, Any]

GATEWAY = "gateway.networking.k8s.io/v1"
OURS = "serinus.dev/v1alpha1"
_POLL_SECONDS = 0.25
_TERMINAL = frozenset(phase.value for phase in Phase if phase.terminal)


class Cluster:
    """One namespace of an API server."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.server = server
        self.namespace = namespace

    def kubectl(
        self, *words: str, identity: str = "admin", objects: Sequence[Obj] = (), within: float = 30
    ) -> str:
        """Run it in the namespace; what it printed."""
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}) if objects else None
        done = self.server.kubectl(
            *words, identity=identity, input=listed, namespace=self.namespace, timeout_seconds=within + 10
        )
        return done.stdout

    # what is there

    def get(self, api_version: str, kind: str, name: str) -> Obj:
        found = self.server.admin.get(api_version, kind, self.namespace, name)
        assert found is not None, f"there is no {kind} {name}"
        return found

    def rollout(self, name: str) -> Obj:
        return self.get(OURS, "ModelRollout", name)

    def route_of(self, model: str) -> Obj:
        return self.get(GATEWAY, "HTTPRoute", model)

    def weights(self, model: str) -> dict[str, int]:
        """What the model's rule gives each backend."""
        refs = self.route_of(model)["spec"]["rules"][0].get("backendRefs", [])
        return {ref["name"]: ref.get("weight", 1) for ref in refs}

    def until(self, name: str, holds: Callable[[Obj], object], what: str, within: float = 60) -> Obj:
        """The object once its status is so; fails at once when it ended otherwise."""

        def look() -> Obj | None:
            obj = self.rollout(name)
            status = obj.get("status", {})
            if holds(status):
                return obj
            ended = status.get("phase") in _TERMINAL
            assert not ended, f"{name} ended {status['phase']}, not {what}: {status.get('message')}"
            return None

        try:
            return eventually(look, f"{name} is {what}", within, _POLL_SECONDS)
        except AssertionError as late:
            raise AssertionError(f"{late}; it is {self.told(name)}") from None

    def until_phase(self, name: str, *phases: Phase, within: float = 60) -> Obj:
        return self.until(name, lambda s: s.get("phase") in phases, " or ".join(phases), within)

    def until_weight(self, name: str, percent: float, within: float = 60) -> Obj:
        """Once the gateway was asked for it, and the record says so."""
        return self.until(name, lambda s: s.get("weightPercent") == percent, f"at {percent:g} %", within)

    def until_counting(self, name: str, percent: float, within: float = 60) -> Obj:
        """Once the weight is in force and measured, so that the step's clock runs."""
        counting = (Reason.STEP_RUNNING, Reason.WAITING_FOR_REQUESTS)

        def holds(status: Obj) -> bool:
            return status.get("weightPercent") == percent and status.get("reason") in counting

        return self.until(name, holds, f"counting at {percent:g} %", within)

    def is_over(self, name: str) -> bool:
        return self.rollout(name).get("status", {}).get("phase") in _TERMINAL

    def until_over(self, name: str, within: float = 60) -> Obj:
        return self.until(name, lambda s: s.get("phase") in _TERMINAL, "over", within)

    def until_weights(self, model: str, values: set[int], within: float = 60) -> None:
        """Until the route has these weights, whoever wrote them."""
        eventually(
            lambda: set(self.weights(model).values()) == values, f"{model} at {values}", within, _POLL_SECONDS
        )

    def until_ready(self, deployment_name: str, within: float = 30) -> None:
        def ready() -> bool:
            found = self.get("apps/v1", "Deployment", deployment_name)
            return bool(found.get("status", {}).get("readyReplicas", 0) == found["spec"]["replicas"])

        eventually(ready, f"{deployment_name} is ready", within, _POLL_SECONDS)

    def until_accepted(self, model: str, within: float = 30) -> Obj:
        def accepted() -> Obj | None:
            found = self.route_of(model)
            parents = found.get("status", {}).get("parents", [])
            generations = {c["observedGeneration"] for parent in parents for c in parent["conditions"]}
            return deepcopy(found) if generations == {found["metadata"]["generation"]} else None

        return eventually(accepted, f"the gateway saw the route {model}", within, _POLL_SECONDS)

    def told(self, name: str) -> str:
        """The rollout's phase, reason and message."""
        status = self.rollout(name).get("status", {})
        return f"{status.get('phase')} ({status.get('reason')}): {status.get('message')}"

    def difference(self, manifest: str) -> list[str]:
        """The lines that kubectl diff shows between the cluster and a manifest."""
        done = self.server.kubectl("diff", "-f", "-", input=manifest, namespace=self.namespace, check=False)
        assert done.returncode in (0, 1), done.stderr
        return [
            line for line in done.stdout.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")
        ]
