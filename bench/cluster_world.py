"""A large cluster in objects: models with routes, versions and records, a gateway that takes every weight.

The API server, etcd and Prometheus are real. What stands in for a hundred engines and their gateway's proxy
is one exporter whose counters rise, because a benchmark of the daemon should not measure those.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from controller.adapters.kube.rolloutstatus import Place, status_of
from controller.adapters.registry import catalogue
from controller.domain.commands import announce
from controller.domain.model import Rollout
from controller.domain.policy import Policy
from controller.domain.release import Backend, BackendKind, Release
from controller.domain.vocabulary import Phase, Reason
from controller.policy.loader import load_policy
from deploy.local.stack import Stack
from tests.kube.admin import AdminClient
from tests.kube.apiserver import ApiServer
from tests.kube.manifests import backend, route, service

Obj = dict[str, Any]

NAMESPACE = "bench"
PORT = 8080
OURS = "serinus.dev/v1alpha1"
GATEWAYS = "gateway.networking.k8s.io/v1"
POLICY = """\
model: {model}
namespace: bench
route: {{httpRoute: {model}}}
metrics: envoy-gateway
interval: 15s
judge: threshold
steps:
  - {{weight: 5%, for: 15s, min_requests: 20}}
  - {{weight: 25%, for: 15s, min_requests: 20}}
  - {{weight: 50%, for: 2h, min_requests: 20}}
bake: 1s
checks:
  errors: {{max: 5%}}
  latency_p50: {{max: 1s}}
  latency_p95: {{max: 2s}}
  latency_p99: {{max: 3s}}
"""
_BOUNDS = ("0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "+Inf")
_AT_ONCE = 4
_PATIENCE_SECONDS = 60


class Exporter:
    """Answers a scrape as Envoy would that gives every model forty requests a second, split as asked."""

    def __init__(self, models: list[str]) -> None:
        self._models = models
        self._began = time.monotonic()
        self.shares = dict.fromkeys(models, 0.0)
        """The canary's share of each model's requests."""
        self._counts: dict[str, float] = {}
        self._last = self._began

    async def serve(self) -> tuple[asyncio.Server, int]:
        """Listen on loopback; the server and its port."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        return server, server.sockets[0].getsockname()[1]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while await reader.readuntil(b"\r\n\r\n"):
                body = "".join(self._lines()).encode()
                head = f"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        writer.close()

    def _lines(self) -> Iterator[str]:
        elapsed, self._last = time.monotonic() - self._last, time.monotonic()
        for model in self._models:
            base, share = f"httproute/{NAMESPACE}/{model}/rule/0", self.shares[model]
            for name, part in ((f"{base}/backend/0", 1 - share), (f"{base}/backend/1", share)):
                self._counts[name] = self._counts.get(name, 0.0) + 40 * part * elapsed
                yield from self._cluster(name, int(self._counts[name]))

    def _cluster(self, name: str, count: int) -> Iterator[str]:
        label = f'envoy_cluster_name="{name}"'
        yield f"envoy_cluster_upstream_rq_total{{{label}}} {count}\n"
        yield f'envoy_cluster_upstream_rq_xx{{{label},envoy_response_code_class="2"}} {count}\n'
        for bound in _BOUNDS:
            within = 0 if bound in ("0.5", "1") else count
            yield f'envoy_cluster_upstream_rq_time_bucket{{{label},le="{bound}"}} {within}\n'


class World:
    """The objects, through the platform admin's own client."""

    def __init__(
        self, server: ApiServer, stack: Stack, models: list[str], rolling: list[str] | None = None
    ) -> None:
        """``rolling`` are those that get requests, and a release; all when it is None."""
        self.server, self.stack, self.models = server, stack, models
        self.rolling = models if rolling is None else rolling
        self.exporter = Exporter(self.rolling)
        self.policies = stack.folder / "policies"
        # patient: the proxy is in this process, and so is everything else
        self._admin = AdminClient(server.url, server.tls, server.token("admin"), _PATIENCE_SECONDS)

    def build(self, ended: int) -> None:
        """Every model is served by v1 and has a v2 ready; ``ended`` rollouts are over long ago."""
        self.policies.mkdir()
        for model in self.models:
            (self.policies / f"{model}.yaml").write_text(POLICY.format(model=model))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._model, range(len(self.models))))
            list(pool.map(self._ended, range(ended)))

    def release(self) -> None:
        """A rollout of v2 for every model that rolls."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda model: self.release_object(f"{model}-v2", model, "v2"), self.rolling))

    def at_step(self, progress: str) -> int:
        """How many rollouts are at a step: ``2/3``."""
        found = self._admin.list(OURS, "ModelRollout", NAMESPACE)
        return sum(each.get("status", {}).get("progress") == progress for each in found)

    def take_weights(self) -> None:
        """Be the gateway once: accept what changed, and let the requests follow."""
        for each in self._admin.list(GATEWAYS, "HTTPRoute", NAMESPACE):
            generation, name = each["metadata"]["generation"], each["metadata"]["name"]
            parents = each.get("status", {}).get("parents", [])
            seen = parents[0]["conditions"][0]["observedGeneration"] if parents else 0
            if seen != generation:
                refs = each["spec"]["rules"][0]["backendRefs"]
                total = sum(ref.get("weight", 1) for ref in refs)
                self.exporter.shares[name] = refs[1].get("weight", 1) / total if len(refs) > 1 else 0.0
                self._accept(name, generation)

    def _model(self, number: int) -> None:
        admin, model = self._admin, self.models[number]
        for place, version in enumerate(("v1", "v2"), start=1):
            admin.create(service(NAMESPACE, model, version))
            admin.create(_slice(f"{model}-{version}", f"127.{place}.{number // 250}.{number % 250 + 1}"))
        admin.create(route(NAMESPACE, model, [backend(f"{model}-v1", header=True)]))
        self._accept(model, 1)

    def _accept(self, name: str, generation: int) -> None:
        conditions = [
            {
                "type": kind,
                "status": "True",
                "reason": kind,
                "message": "",
                "observedGeneration": generation,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            for kind in ("Accepted", "ResolvedRefs")
        ]
        parent = {
            "parentRef": {"name": "inference-gateway"},
            "controllerName": "bench.example/gateway",
            "conditions": conditions,
        }
        body = {"status": {"parents": [parent]}}
        self._admin.patch(GATEWAYS, "HTTPRoute", NAMESPACE, name, body, "status")

    def release_object(self, name: str, model: str, version: str) -> Obj:
        """A ModelRollout, as a person would apply it."""
        return self._admin.create(
            {
                "apiVersion": OURS,
                "kind": "ModelRollout",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": {
                    "model": model,
                    "version": version,
                    "backend": {"name": f"{model}-{version}", "port": PORT},
                },
            }
        )

    def rollout_of(self, name: str, model: str, release: Release) -> Rollout:
        """A rollout that has not begun, under the model's policy."""
        policy = load_policy(self.policies / f"{model}.yaml", catalogue())
        assert isinstance(policy, Policy)
        return Rollout(name, model, release, policy, created_at=datetime.now(UTC), created_by="bench")

    def _ended(self, number: int) -> None:
        """A promotion of an older version, as the daemon would have recorded it."""
        model, version = self.models[number % len(self.models)], f"old-{number}"
        obj = self.release_object(f"{model}-{version}", model, version)
        release = Release(version, backend=Backend(BackendKind.SERVICE, f"{model}-{version}", PORT))
        decision = announce(self.rollout_of(obj["metadata"]["name"], model, release))
        assert decision.entry is not None
        over = replace(decision.rollout, phase=Phase.ROLLED_BACK, reason=Reason.CHECK_FAILED)
        status = status_of(obj, over, decision.entry, Place(1, 1 + number, 1)).status
        self._admin.patch(OURS, "ModelRollout", NAMESPACE, over.id, {"status": status}, "status")


def _slice(name: str, address: str) -> Obj:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-1",
            "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": PORT, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
    }
