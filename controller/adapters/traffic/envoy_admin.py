"""Asks Envoy, through its admin address, what it runs: the only proof that a file was taken.

Envoy names the version of the last file that it took; one that it refused shows in a counter only, the
reason in Envoy's own log. Reads only, of a few lines each, also with a thousand models.
"""

import asyncio
import errno
import json
import os
import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import httpx2

from controller.adapters.exchange import Answer, NoAnswer, exchange
from controller.adapters.traffic.envoy_documents import ROUTE_CONFIG, order
from controller.adapters.traffic.shared_question import SharedQuestion

_OK = 200
_MOST_BYTES = 4 << 20
_SCOPES = rf"(http\..+\.rds\.{ROUTE_CONFIG}|cluster_manager\.cds)"
_TEXT_LINE = re.compile(rf'^{_SCOPES}\.version_text: "(.*)"$', re.MULTILINE)
_COUNTER_LINE = re.compile(rf"^{_SCOPES}\.update_(?:rejected|failure): ([0-9]+)$", re.MULTILINE)
_REFUSED = os.strerror(errno.ECONNREFUSED).lower()
_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.02
_QUICK = timedelta(milliseconds=300)
_POLLS_BEFORE_COUNTERS = 2


class Resource(StrEnum):
    """Which of the two files."""

    ROUTES = "rds.json"
    CLUSTERS = "cds.json"


class Outcome(StrEnum):
    """What became of a file that was written."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DOWN = "down"
    """Nobody listens: Envoy will read the file when it starts."""
    SILENT = "silent"
    """Envoy did not say in time."""


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions that Envoy runs; several of the routes when several listeners use them, () for none."""

    routes: tuple[str, ...]
    clusters: tuple[str, ...]

    def of(self, resource: Resource) -> tuple[str, ...]:
        """The versions of one file."""
        return self.routes if resource is Resource.ROUTES else self.clusters

    def run(self, resource: Resource, version: str) -> bool:
        """Whether Envoy runs exactly this version of the file."""
        return set(self.of(resource)) == {version}

    def reached(self, resource: Resource, version: str) -> bool:
        """Whether Envoy took this version, or has gone on to a later one."""
        newest = order(version)
        texts = self.of(resource)
        return bool(texts) and all(text == version or order(text) > newest > (0, 0) for text in texts)


class EnvoyAdmin:
    """``deadline`` bounds each request, and each wait for a file to be taken.

    Of each question at most one request is under way, however many ask.
    """

    def __init__(self, url: str, client: httpx2.AsyncClient, deadline: timedelta) -> None:
        self._url = httpx2.URL(url)
        self._client = client
        self._deadline = deadline
        self._last_rejections: dict[Resource, int] = {}
        self._versions = SharedQuestion(self._ask_versions)
        self._warming = SharedQuestion(self._ask_warming)

    async def versions(self) -> Versions | NoAnswer:
        """What Envoy runs."""
        return await self._versions.ask()

    async def rejections_before(self, resource: Resource) -> int | None:
        """The same as `rejections`, asked before a write: quickly, since a rollback may wait for the answer.

        An Envoy that is too busy to answer is taken to be where it last was.
        """
        within = min(self._deadline, _QUICK)
        try:
            async with asyncio.timeout(within.total_seconds()):
                known = await self.rejections(resource)
        except TimeoutError:
            known = None
        return self._last_rejections.get(resource) if known is None else known

    async def rejections(self, resource: Resource) -> int | None:
        """How many updates of the file Envoy has refused since it started; None when it does not say."""
        query = {"filter": rf"^{_SCOPES}\.update_(rejected|failure)$", "type": "Counters", "usedonly": ""}
        answer = await self._get("/stats", query)
        if isinstance(answer, NoAnswer):
            return None
        counts = _COUNTER_LINE.findall(answer)
        total = sum(int(count) for scope, count in counts if _resource(scope) is resource)
        self._last_rejections[resource] = total
        return total

    async def wait_for(self, resource: Resource, version: str, refused_before: int | None) -> Outcome:
        """Wait until Envoy took the version or refused it.

        ``refused_before`` is what `rejections` said before the file was written; None looks for no refusal.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._deadline.total_seconds()
        pause, polls = _FIRST_PAUSE_SECONDS, 0
        while True:
            versions = await self.versions()
            if isinstance(versions, Versions) and versions.reached(resource, version):
                return Outcome.ACCEPTED
            if isinstance(versions, NoAnswer) and versions.message == _REFUSED:
                return Outcome.DOWN
            polls += 1
            if refused_before is not None and polls > _POLLS_BEFORE_COUNTERS:
                refused = await self.rejections(resource)
                if refused is not None and refused > refused_before:
                    return Outcome.REJECTED
            if loop.time() > ends:
                return Outcome.SILENT
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def wait_until_resolved(self, clusters: frozenset[str]) -> bool:
        """Wait until Envoy has resolved the clusters' host names: before that, their requests fail."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._deadline.total_seconds()
        while clusters:
            warming = await self._warming.ask()
            if warming is not None and warming.isdisjoint(clusters):
                break
            if loop.time() > ends:
                return False
            await asyncio.sleep(_LONGEST_PAUSE_SECONDS)
        return True

    async def close(self) -> None:
        """End the requests that are under way."""
        await self._versions.close()
        await self._warming.close()

    async def _ask_warming(self) -> frozenset[str] | None:
        """The clusters that Envoy does not use yet; None when it does not say."""
        answer = await self._get("/config_dump", {"resource": "dynamic_warming_clusters"})
        if isinstance(answer, NoAnswer):
            return None
        try:
            configs = json.loads(answer).get("configs", [])
            return frozenset(config["cluster"]["name"] for config in configs)
        except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
            return None

    async def _ask_versions(self) -> Versions | NoAnswer:
        answer = await self._get("/stats", {"filter": rf"^{_SCOPES}\.version_text$", "type": "TextReadouts"})
        if isinstance(answer, NoAnswer):
            return answer
        found = [(_resource(scope), text) for scope, text in _TEXT_LINE.findall(answer)]
        routes = tuple(text for resource, text in found if resource is Resource.ROUTES)
        clusters = tuple(text for resource, text in found if resource is Resource.CLUSTERS)
        return Versions(routes, clusters)

    async def _get(self, path: str, query: dict[str, str]) -> str | NoAnswer:
        request = self._client.build_request("GET", self._url.join(path), params=query)
        answer = await exchange(self._client, request, within=self._deadline, most_bytes=_MOST_BYTES)
        if isinstance(answer, NoAnswer):
            return answer
        if not _complete(answer):
            return NoAnswer(f"the admin address answered with status {answer.status}")
        return answer.body.decode(errors="replace")


def _complete(answer: Answer) -> bool:
    return answer.status == _OK and not answer.truncated


def _resource(scope: str) -> Resource:
    return Resource.CLUSTERS if scope.startswith("cluster_manager") else Resource.ROUTES
