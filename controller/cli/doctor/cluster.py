"""Looks at a cluster's daemon and all that it needs, with the rights of the person who asks.

What this person may not see is skipped, with the reason: it is no fault of the daemon.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.crd import model_rollout_crd
from controller.adapters.kube.declared import PERMISSIONS
from controller.adapters.kube.errors import Forbidden, NotServed
from controller.adapters.kube.identity import Key
from controller.adapters.kube.reading import whole
from controller.adapters.kube.resources import DEPLOYMENTS, LEASES, MODEL_ROLLOUTS
from controller.adapters.kube.transport import ApiRequest, Transport
from controller.cli.cluster.access import INSTALL
from controller.cli.doctor import installed, leading, rights, setup, sources
from controller.cli.doctor.findings import clock, failed, ok, skipped
from controller.cli.doctor.looking import Findings, Wishes, seen
from controller.cli.doctor.models import ModelsDoctor
from controller.errors import ControllerError

_CALL = timedelta(seconds=10)
_SECOND_LOOK = timedelta(seconds=5)
_MOST_BYTES = 64 * 1024


class ClusterDoctor:
    """One examination."""

    def __init__(self, client: KubeClient, transport: Transport, wishes: Wishes) -> None:
        self._client = client
        self._transport = transport
        self._wishes = wishes
        self._offset = timedelta(0)
        """The API server's clock against ours."""

    async def examine(self) -> Findings:
        """All findings; only the first when there is no API server to ask."""
        found = await self._server()
        if len(found) == 1:
            return found
        found += await seen("crd", str(MODEL_ROLLOUTS), self._definition)
        told, about_daemon = await self._daemon()
        found += about_daemon
        account = self._wishes.account or told.account
        found += await self._leaders(told)
        found += await seen("rights", "the daemon", lambda: self._rights(told, account))
        found += await self._prometheus(told)
        return found + await ModelsDoctor(self._client, self._wishes, told).examine()

    async def _server(self) -> Findings:
        asked = datetime.now(UTC)
        try:
            async with asyncio.timeout(_CALL.total_seconds()):
                async with self._transport.send(ApiRequest("GET", "/version")) as answer:
                    headers, status = answer.headers, answer.status
                    body = await whole(answer.chunks, _MOST_BYTES)
        except (TimeoutError, ControllerError) as error:
            message = str(error) or f"no answer within {_CALL.total_seconds():g} s"
            return [failed("api", "the API server", message, "kubectl cluster-info")]
        answered = datetime.now(UTC)
        if status == HTTPStatus.UNAUTHORIZED:
            message = "it does not accept your credentials (HTTP 401)"
            return [failed("api", "the API server", message, "kubectl auth whoami")]
        version = _version(body) if status == HTTPStatus.OK else f"answers (HTTP {status})"
        found = [ok("api", "the API server", version)]
        theirs = _date(headers.get("Date", ""))
        if theirs is None:
            return [*found, skipped("clock", "the API server", "it does not say what time it is")]
        self._offset = theirs - answered
        return [*found, clock("the API server", theirs, asked, answered)]

    async def _definition(self) -> Findings:
        try:
            found = await self._client.get(installed.CRDS, None, str(MODEL_ROLLOUTS))
        except Forbidden as error:
            return await self._served(error)
        return [installed.definition(found, model_rollout_crd())]

    async def _served(self, why: Forbidden) -> Findings:
        """For who may not see definitions: whether there is one shows in a list."""
        try:
            await self._client.list(MODEL_ROLLOUTS, self._client.namespace)
        except NotServed:
            return [installed.definition(None, model_rollout_crd())]
        message = f"installed; whether it is current you may not see: {why}"
        return [skipped("crd", str(MODEL_ROLLOUTS), message)]

    async def _daemon(self) -> tuple[setup.Setup, Findings]:
        if self._wishes.told is not None:
            return self._wishes.told, []
        places = [self._wishes.daemon] if self._wishes.daemon else [setup.HOME, self._client.namespace, None]
        unseen: Findings = []
        for place in places:
            try:
                found, _ = await self._client.list(DEPLOYMENTS, place, labels=setup.LABELS)
            except ControllerError as error:
                where = place or "all namespaces"
                unseen.append(
                    skipped("daemon", where, f"you may not look: {error}", "name its namespace: --daemon")
                )
                continue
            if found:
                told = setup.setup_in(found[0])
                nowhere = setup.acts_somewhere(told, str(told.lease))
                return told, [setup.runs(found[0]), *([nowhere] if nowhere else [])]
        supposed = setup.setup_without(self._client.namespace)
        if unseen:
            return supposed, unseen[:1]
        message = f"no Deployment with the label {setup.LABELS} is there"
        return supposed, [failed("daemon", self._wishes.daemon or "the cluster", message, INSTALL)]

    async def _leaders(self, told: setup.Setup) -> Findings:
        """Of each shard: without its leader nobody looks after its models."""
        each = [seen("leader", str(key), partial(self._leader, key)) for key in told.leases]
        return [finding for findings in await asyncio.gather(*each) for finding in findings]

    async def _leader(self, key: Key) -> Findings:
        lease = await self._client.get(LEASES, key.namespace, key.name)
        later = lease
        if lease is not None and not leading.looks_renewed(lease, self._now()):
            await self._wishes.sleep(_SECOND_LOOK.total_seconds())
            later = await self._client.get(LEASES, key.namespace, key.name)
        return [leading.leader(key, lease, later, self._now())]

    async def _rights(self, told: setup.Setup, account: str) -> Findings:
        asked = rights.questions(PERMISSIONS, told)
        kind = rights.OF_ANOTHER if account else rights.OF_THE_CALLER
        try:
            answers = await asyncio.gather(
                *(self._client.create(kind, None, question.review(account)) for question in asked)
            )
        except Forbidden:
            how = f"kubectl auth can-i --list --as {account} -n {self._client.namespace}"
            return [skipped("rights", account, "you may not ask what others may do", how)]
        granted = [(each, rights.allowed(review)) for each, review in zip(asked, answers, strict=True)]
        return rights.verdicts(granted, account)

    async def _prometheus(self, told: setup.Setup) -> Findings:
        url = self._wishes.prometheus
        if url is None and self._wishes.sources is not None:
            return await asyncio.to_thread(self._wishes.sources)
        if url is None:
            named = told.prometheus or "its address is not known"
            how = "serinus doctor --prometheus URL   (kubectl port-forward makes it reachable)"
            return [skipped("prometheus", named, "not asked: its address is one inside the cluster", how)]
        return await asyncio.to_thread(sources.prometheus, url, sources.access_without_secrets())

    def _now(self) -> datetime:
        """By the API server's clock."""
        return datetime.now(UTC) + self._offset


def _version(body: bytes | bytearray) -> str:
    try:
        version = json.loads(body).get("gitVersion")
    except (ValueError, RecursionError, AttributeError):
        version = None
    printable = isinstance(version, str) and version.isprintable()
    return f"answers, {version[:40]}" if printable else "answers"


def _date(header: str) -> datetime | None:
    try:
        return parsedate_to_datetime(header).astimezone(UTC)
    except (TypeError, ValueError):
        return None
