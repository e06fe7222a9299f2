"""A simulated gateway controller: HTTPRoutes become configuration of a real Envoy, and get their status."""

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from deploy.local.render import LOOPBACK
from deploy.local.stack import replace_json
from tests.kube.simulator.api import HTTP_ROUTES, Api, ApiError, Mirror
from tests.kube.simulator.backends import Backends
from tests.kube.simulator.envoy import configuration, missing_backend, response, united
from tests.kube.simulator.pods import conditions

Obj = dict[str, Any]
log = logging.getLogger("simulated.gateway")

CONTROLLER = "simulated.example/gateway"
_POLL_SECONDS = 0.01
_GATHER_SECONDS = 0.02
_ENVOY_SECONDS = 5.0


@dataclass(slots=True)
class GatewayManners:
    """How the gateway treats routes; a test may change it at any time, through `Simulator.change`."""

    delay_seconds: float = 0.0
    """From a change of a route's spec until Envoy runs it and the status says so."""
    dishonest: frozenset[str] = frozenset()
    """Routes whose requests all go to the first backendRef with a weight, though Accepted is said."""
    silent: frozenset[str] = frozenset()
    """Routes whose status is written no more, though Envoy runs them."""


class Gateway:
    """Level-triggered: each pass makes Envoy and the statuses what the mirrors say."""

    def __init__(
        self,
        api: Api,
        routes: Mirror,
        backends: Backends,
        xds: Path,
        admin_port: int,
        manners: GatewayManners,
    ) -> None:
        self._api = api
        self._routes = routes
        self._backends = backends
        self._xds = xds
        self._admin = httpx2.AsyncClient(base_url=f"http://{LOOPBACK}:{admin_port}", trust_env=False)
        self._manners = manners
        self._clusters, self._table = response([]), response([])
        self._seen: dict[tuple[str, int], float] = {}
        self._in_force: dict[str, Obj] = {}
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Follow the routes for ever."""
        while True:
            await self.wake.wait()
            await asyncio.sleep(_GATHER_SECONDS)  # changes come in swarms
            self.wake.clear()
            try:
                await self._pass()
            except (ApiError, httpx2.HTTPError, TimeoutError) as error:
                log.warning("the gateway's pass failed: %s", error)
                asyncio.get_running_loop().call_later(0.1, self.wake.set)

    async def _pass(self) -> None:
        routes = self._due()
        await self._configure(routes)
        for route in routes:
            if route["metadata"]["name"] not in self._manners.silent:
                await self._report(route)

    def _due(self) -> list[Obj]:
        """The newest form of each route whose delay is over; else the form that was in force before."""
        now = time.monotonic()
        known = {}
        for route in self._routes.all():
            uid, generation = route["metadata"]["uid"], route["metadata"]["generation"]
            began = self._seen.setdefault((uid, generation), now)
            left = began + self._manners.delay_seconds - now
            if left <= 0:
                known[uid] = route
            else:
                asyncio.get_running_loop().call_later(left, self.wake.set)
                if uid in self._in_force:
                    known[uid] = self._in_force[uid]
        self._in_force = known
        return list(known.values())

    async def _configure(self, routes: list[Obj]) -> None:
        """Clusters before the routes that use them, and away only after."""
        clusters, table = configuration(routes, self._backends.resolve, self._manners.dishonest)
        if (clusters, table) == (self._clusters, self._table):
            return
        await self._push("cds.json", united(self._clusters, clusters))
        await self._push("rds.json", table)
        await self._push("cds.json", clusters)
        self._clusters, self._table = clusters, table

    async def _push(self, file: str, content: Obj) -> None:
        replace_json(self._xds / file, content)
        version = content["version_info"]
        scope = "cluster_manager.cds" if file == "cds.json" else r".*\.rds\..*"
        query = {"filter": rf"^{scope}\.version_text$"}
        try:
            async with asyncio.timeout(_ENVOY_SECONDS):
                while f'"{version}"' not in (await self._admin.get("/stats", params=query)).text:  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as late:
            raise TimeoutError(f"Envoy did not take {file}: see its log") from late

    async def _report(self, route: Obj) -> None:
        old = route.get("status", {}).get("parents", [])
        foreign = [parent for parent in old if parent["controllerName"] != CONTROLLER]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ours = [self._parent(route, reference, old, now) for reference in route["spec"].get("parentRefs", [])]
        if (parents := foreign + ours) != old:
            answer = await self._api.merge(HTTP_ROUTES, route, {"status": {"parents": parents}}, status=True)
            self._routes.put(answer)
            if answer["metadata"]["generation"] == route["metadata"]["generation"]:
                self._in_force[answer["metadata"]["uid"]] = answer

    def _parent(self, route: Obj, reference: Obj, old: list[Obj], now: str) -> Obj:
        before = next(
            (each for each in old if (each["controllerName"], each["parentRef"]) == (CONTROLLER, reference)),
            {},
        )
        missing = missing_backend(route, self._backends.resolve)
        wanted = [
            ("Accepted", "True", "Accepted", "Route is accepted"),
            ("ResolvedRefs", "True", "ResolvedRefs", "Resolved all the Object references for the Route")
            if missing is None
            else ("ResolvedRefs", "False", "BackendNotFound", missing),
        ]
        found = conditions({"status": before}, wanted, now)
        generation = route["metadata"]["generation"]
        return {
            "parentRef": reference,
            "controllerName": CONTROLLER,
            "conditions": [{**condition, "observedGeneration": generation} for condition in found],
        }

    async def aclose(self) -> None:
        """Close the connections to Envoy."""
        await self._admin.aclose()
