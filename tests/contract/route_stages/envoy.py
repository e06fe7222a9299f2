"""The files of one machine's Envoy, and an Envoy that takes whatever is in them."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2

from controller.adapters.traffic.envoy import EnvoyRouter
from controller.domain.policy import RouteRef
from controller.domain.release import Release, RoutedModel, Split
from tests.contract.route_stages.stage import RouteStage

STABLE, CANARY = Release("v6", ("127.0.0.1:1001",)), Release("v7", ("127.0.0.1:1002",))
OTHER = Release("v1", ("127.0.0.1:1003",))
FILES = ("rds.json", "cds.json")
Json = dict[str, Any]


class Envoy:
    """Runs what the files say, and says which version of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/config_dump":
            return httpx2.Response(200, content=_streamed('{"configs": []}'))
        if request.url.params.get("type") != "TextReadouts":
            return httpx2.Response(200, content=_streamed("\n"))
        scopes = ("http.gateway.rds.serinus", "cluster_manager.cds")
        versions = (_read(self.folder / name)["version_info"] for name in FILES)
        lines = [f'{scope}.version_text: "{text}"' for scope, text in zip(scopes, versions, strict=True)]
        return httpx2.Response(200, content=_streamed("\n".join(lines) + "\n"))


class EnvoyStage:
    """``router`` is open; the files hold another model's route too."""

    def __init__(self, folder: Path, router: EnvoyRouter) -> None:
        self.folder, self.router = folder, router
        self.routed = RoutedModel(
            "fraud",
            RouteRef("envoy", "/fraud"),
            stable=STABLE,
            canary=CANARY,
            steps_permille=(1, 10, 250, 999),
        )

    async def confirm(self) -> None:
        """Envoy reads the files when it is asked."""

    def meddle(self) -> None:
        def change(clusters: list[Json]) -> None:
            clusters[:] = [{"name": "fraud@v6", "weight": 650}, {"name": "fraud@v7", "weight": 350}]

        self._edit(change)

    def remove(self) -> None:
        document = _read(self.folder / "rds.json")
        for tree in _trees(document):
            tree.pop("/fraud", None)
        (self.folder / "rds.json").write_text(json.dumps(document))

    def theirs(self) -> object:
        trees = list(_trees(_read(self.folder / "rds.json")))
        return [{prefix: each for prefix, each in tree.items() if prefix != "/fraud"} for tree in trees]

    def everything(self) -> object:
        return [(self.folder / name).read_bytes() for name in FILES]

    def shares(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for clusters in _splits(_read(self.folder / "rds.json")):
            found = {each["name"].partition("@")[2]: each["weight"] for each in clusters}
        total = sum(found.values())
        return {version: weight * 1000 // total for version, weight in found.items()}

    def _edit(self, change: Callable[[list[Json]], None]) -> None:
        document = _read(self.folder / "rds.json")
        for clusters in _splits(document):
            change(clusters)
        (self.folder / "rds.json").write_text(json.dumps(document))


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[RouteStage]:
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(Envoy(folder))) as client:
        router = EnvoyRouter(
            folder,
            "http://127.0.0.1:1",
            client=client,
            acknowledgement_deadline=timedelta(seconds=0.5),
            removal_grace=timedelta(hours=1),
        )
        await router.open()
        try:
            await router.apply(RoutedModel("chat", RouteRef("envoy", "/chat")), Split(OTHER), Split())
            await router.apply(RoutedModel("fraud", RouteRef("envoy", "/fraud")), Split(STABLE), Split())
            yield EnvoyStage(folder, router)
        finally:
            await router.close()


def _read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _trees(found: Any) -> Iterator[Json]:
    """The matcher trees: what is done with a path, by its prefix."""
    for value in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        if isinstance(value, dict) and "/fraud" in value:
            yield value
        yield from _trees(value)


def _splits(found: Any) -> Iterator[list[Json]]:
    """The weighted clusters of the model's route."""
    for tree in _trees(found):
        yield from _all(tree["/fraud"], "clusters")


def _all(found: Any, name: str) -> Iterator[Any]:
    for key, value in found.items() if isinstance(found, dict) else enumerate(found):
        if key == name:
            yield value
        elif isinstance(value, dict | list):
            yield from _all(value, name)


async def _streamed(text: str) -> AsyncIterator[bytes]:
    yield text.encode()
