"""Which endpoints a backendRef leads to, as the cluster's own objects say."""

from typing import Any

from tests.kube.simulator.api import Mirror
from tests.kube.simulator.envoy import Endpoints
from tests.kube.simulator.pods import is_ready
from tests.kube.simulator.slices import selects

Obj = dict[str, Any]


class Backends:
    """Services by their EndpointSlices, InferencePools by the pods that they select."""

    def __init__(self, services: Mirror, slices: Mirror, pools: Mirror, pods: Mirror) -> None:
        self._services = services
        self._slices = slices
        self._pools = pools
        self._pods = pods

    def resolve(self, namespace: str, ref: Obj) -> Endpoints | None:
        """The ready endpoints, None if there is no such backend."""
        namespace = ref.get("namespace", namespace)
        if ref.get("kind", "Service") == "InferencePool":
            pool = self._pools.get(namespace, ref["name"])
            return None if pool is None else self._of_pool(namespace, pool)
        service = self._services.get(namespace, ref["name"])
        if service is None:
            return None
        names = [port.get("name", "") for port in service["spec"]["ports"] if port["port"] == ref.get("port")]
        return self._of_service(namespace, ref["name"], names[0]) if names else None

    def _of_service(self, namespace: str, name: str, port: str) -> Endpoints:
        return tuple(
            (address, number)
            for each in self._slices.all()
            if each["metadata"]["namespace"] == namespace
            and each["metadata"].get("labels", {}).get("kubernetes.io/service-name") == name
            for number in [
                found["port"] for found in each.get("ports") or [] if found.get("name", "") == port
            ]
            for endpoint in each.get("endpoints") or []
            if endpoint["conditions"].get("ready")
            for address in endpoint["addresses"]
        )

    def _of_pool(self, namespace: str, pool: Obj) -> Endpoints:
        selector = pool["spec"]["selector"]["matchLabels"]
        port: int = pool["spec"]["targetPorts"][0]["number"]
        return tuple(
            (pod["status"]["podIP"], port)
            for pod in self._pods.all()
            if pod["metadata"]["namespace"] == namespace and selects(selector, pod) and is_ready(pod)
        )
