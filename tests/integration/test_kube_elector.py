"""The election on a real API server: its rights, its handovers, processes that freeze."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from controller.adapters.kube.client import connect
from controller.adapters.kube.elector import PERMISSIONS, Elector, LeaseRef, LeaseTiming
from controller.adapters.kube.errors import Deposed, LeaseLost
from controller.adapters.kube.permissions import rules
from controller.adapters.kube.resources import Obj
from tests.kube.apiserver import ApiServer
from tests.kube.electing import EXIT_LOST, floor
from tests.kube.faults import FaultyProxy

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
QUICK = LeaseTiming(lease=timedelta(seconds=3), renew=timedelta(seconds=2), retry=timedelta(seconds=0.4))


class Candidate:
    """One elector, in this process."""

    def __init__(self, elector: Elector) -> None:
        self.elector = elector
        self.began: float | None = None
        self.task = asyncio.create_task(elector.run(self._lead))

    def leads(self) -> bool:
        with suppress(Deposed):
            self.elector.check()
            return True
        return False

    async def until_it_leads(self, within: float) -> None:
        async with asyncio.timeout(within):
            while not self.leads():  # noqa: ASYNC110 - a process asks a clock, and is told nothing
                await asyncio.sleep(0.02)

    async def _lead(self) -> None:
        self.began = time.monotonic()
        await asyncio.Event().wait()


class Cluster:
    """A namespace whose lease three identities may hold, by exactly the rights that are declared."""

    def __init__(self, server: ApiServer, namespace: str) -> None:
        self.server = server
        self.namespace = namespace

    def allow(self, wanted: list[Obj]) -> None:
        api, group = "rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"
        metadata = {"name": "serinus", "namespace": self.namespace}
        self.server.admin.apply({"apiVersion": api, "kind": "Role", "metadata": metadata, "rules": wanted})
        subjects = [
            {"kind": "User", "name": f"serinus-{name}", "apiGroup": group} for name in ("a", "b", "c")
        ]
        role = {"kind": "Role", "name": "serinus", "apiGroup": group}
        binding = {"apiVersion": api, "kind": "RoleBinding", "metadata": metadata}
        self.server.admin.apply({**binding, "roleRef": role, "subjects": subjects})

    @asynccontextmanager
    async def candidate(
        self, identity: str, timing: LeaseTiming = QUICK, url: str | None = None
    ) -> AsyncIterator[Candidate]:
        client = await connect(self.server.kubeconfig(identity, url))
        found = Candidate(Elector(client, LeaseRef(self.namespace, "serinus", identity), floor, timing))
        try:
            yield found
        finally:
            found.task.cancel()
            await asyncio.wait({found.task})
            await client.close()

    def lease(self) -> Obj:
        found = self.server.admin.get("coordination.k8s.io/v1", "Lease", self.namespace, "serinus")
        assert found is not None
        spec: Obj = found["spec"]
        return spec

    @asynccontextmanager
    async def process(self, identity: str, *more: str) -> AsyncIterator[asyncio.subprocess.Process]:
        kubeconfig = str(self.server.kubeconfig(identity))
        command = (sys.executable, "-m", "tests.kube.electing", kubeconfig, self.namespace, identity)
        process = await asyncio.create_subprocess_exec(
            *command, "3", "2", "0.4", *more, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture
def cluster(apiserver: ApiServer, namespace: str) -> Cluster:
    found = Cluster(apiserver, namespace)
    found.allow(rules(PERMISSIONS, ()))
    return found


async def said(process: asyncio.subprocess.Process) -> str:
    """Its next line, without what it logs."""
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while line := (await process.stdout.readline()).decode().strip():
            if line.startswith(("leads", "lost")):
                return line
    return ""


async def test_it_needs_what_it_declares_and_nothing_else(cluster: Cluster) -> None:
    async with cluster.candidate("serinus-a") as a:
        await a.until_it_leads(within=5)
        await asyncio.sleep(2.5)
        assert a.leads()
        spec = cluster.lease()
        assert spec["holderIdentity"].startswith("serinus-a_")
        assert (spec["leaseDurationSeconds"], spec["leaseTransitions"]) == (3, 1)
    assert cluster.lease()["holderIdentity"] == ""


@pytest.mark.parametrize("missing", ["create", "get", "patch"])
async def test_without_any_one_of_its_rights_it_does_not_lead(cluster: Cluster, missing: str) -> None:
    fewer = [
        {**rule, "verbs": [verb for verb in rule["verbs"] if verb != missing]}
        for rule in rules(PERMISSIONS, ())
    ]
    cluster.allow([rule for rule in fewer if rule["verbs"]])
    async with cluster.candidate("serinus-a") as a:
        await asyncio.sleep(2)
        if missing == "patch":  # it can make the lease, and not keep it
            await asyncio.wait({a.task}, timeout=5)
            assert isinstance(a.task.exception(), LeaseLost)
        assert not a.leads()


async def test_a_released_lease_is_taken_within_three_seconds_as_in_production(cluster: Cluster) -> None:
    timing = LeaseTiming()
    async with cluster.candidate("serinus-b", timing) as b:
        await b.until_it_leads(within=5)
        async with cluster.candidate("serinus-a", timing) as a:
            await asyncio.sleep(1)
            b.task.cancel()
            await asyncio.wait({b.task})
            released = time.monotonic()
            await a.until_it_leads(within=3)
            assert a.began is not None
            assert a.began - released < 3
            assert a.elector.epoch == b.elector.epoch + 1 == 2


async def test_who_is_cut_off_stops_before_the_next_one_begins(cluster: Cluster) -> None:
    with FaultyProxy(cluster.server) as proxy:
        async with cluster.candidate("serinus-a", url=proxy.url) as a:
            await a.until_it_leads(within=5)
            async with cluster.candidate("serinus-b") as b:
                await asyncio.sleep(1)
                proxy.cut("serinus-a")
                cut = time.monotonic()
                while not b.leads():
                    assert time.monotonic() - cut < 8
                    assert not (a.leads() and b.leads())
                    await asyncio.sleep(0.01)
                assert not a.leads()
                assert isinstance(a.task.exception(), LeaseLost)
                assert b.elector.epoch == 2
                proxy.heal()


async def test_of_three_that_start_at_once_one_leads(cluster: Cluster) -> None:
    async with (
        cluster.candidate("serinus-a") as a,
        cluster.candidate("serinus-b") as b,
        cluster.candidate("serinus-c") as c,
    ):
        for _ in range(40):
            await asyncio.sleep(0.1)
            assert sum(one.leads() for one in (a, b, c)) <= 1
        assert sum(one.leads() for one in (a, b, c)) == 1
        assert cluster.lease()["leaseTransitions"] == 1


async def test_a_frozen_process_wakes_deposed_and_ends(cluster: Cluster) -> None:
    async with cluster.process("serinus-a") as a:
        assert await said(a) == "leads 1"
        async with cluster.process("serinus-b") as b:
            await asyncio.sleep(1)
            a.send_signal(signal.SIGSTOP)
            assert await said(b) == "leads 2"
            a.send_signal(signal.SIGCONT)
            async with asyncio.timeout(5):
                assert await a.wait() == EXIT_LOST
            assert cluster.lease()["holderIdentity"].startswith("serinus-b_")


async def test_a_process_whose_loop_is_blocked_is_ended_by_the_watchdog(cluster: Cluster) -> None:
    async with cluster.process("serinus-a", "block") as a:
        assert await said(a) == "leads 1"
        begun = time.monotonic()
        async with asyncio.timeout(10):
            assert await a.wait() == EXIT_LOST
        assert time.monotonic() - begun < 3.5
