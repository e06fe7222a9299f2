"""Several namespaces read as one."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from controller.adapters.kube.mirror import Mirror
from controller.adapters.kube.resources import SERVICES
from tests import virtual_time
from tests.kube_fake import FakeApi

Obj = dict[str, Any]


def service(namespace: str, name: str) -> Obj:
    return {"metadata": {"namespace": namespace, "name": name}}


@pytest.mark.parametrize(("namespaces", "seen"), [(["a", "b"], {"1", "2"}), (["*"], {"1", "2", "3"})])
def test_what_is_followed_is_seen_and_nothing_else(namespaces: list[str], seen: set[str]) -> None:
    async def scenario() -> None:
        api = FakeApi()
        for namespace, name in (("a", "1"), ("b", "2"), ("c", "3")):
            api.put(SERVICES, service(namespace, name))
        told: list[Obj] = []
        mirror = Mirror(
            api.client(), SERVICES, namespaces, changed=lambda _, new: told.append(new) if new else None
        )
        running = asyncio.create_task(mirror.run())
        await mirror.synced()
        assert {obj["metadata"]["name"] for obj in mirror.all()} == seen
        assert {obj["metadata"]["name"] for obj in told} == seen
        assert [obj["metadata"]["name"] for obj in mirror.all("b")] == ["2"]
        assert mirror.get("a", "1") is not None
        assert (mirror.get("c", "3") is not None) == ("3" in seen)

        written = {
            **service("b", "4"),
            "metadata": {**service("b", "4")["metadata"], "resourceVersion": "999"},
        }
        mirror.put(written)
        assert mirror.get("b", "4") is not None
        mirror.drop("b", "4")
        assert mirror.get("b", "4") is None
        assert mirror.failure is None
        assert mirror.age.total_seconds() < 60
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    virtual_time.run(scenario())
