"""The dashboard's paths. Reading needs no script; what a viewer says is a form that goes the API's way."""

import asyncio
import json
from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import HTMLResponse, RedirectResponse, Response

from controller.control.errors import ControlError, InvalidRequest
from controller.control.policy_views import faults_of, standing
from controller.dashboard.assets import ROOT, assets
from controller.dashboard.listing import Query as Wanted
from controller.dashboard.listing import Show, listing
from controller.dashboard.pages import (
    CONTENT_SECURITY,
    Notice,
    PolicyFile,
    Viewer,
    error_page,
    models_page,
    rollout_page,
    sign_in_page,
)
from controller.dashboard.reports import Reports
from controller.dashboard.rights import Rights
from controller.domain.model import CommandKind
from controller.errors import ControllerError
from controller.web import listing as models
from controller.web.acting import said
from controller.web.application import Pages
from controller.web.documents import ActionRequest
from controller.web.parts import Here, Namespace, Parts, RolloutId, Seen, Sight, placed, ruling
from controller.web.problems import answer_to

SIGN_IN = "/sign-in"
_MOST_MODELS = 10_000
_MOST_FIELDS = 8
_MOST_FAULTS = 10
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_UNKNOWN = "That token is known to nobody here, or its time is over."


def pages() -> Pages:
    """The dashboard, for the application that serves the API."""
    return Pages((_Dashboard().router,), open=(SIGN_IN, ROOT), sign_in=SIGN_IN)


class _Dashboard:
    """What is remembered between two requests: logs that were read, and what viewers may say."""

    def __init__(self) -> None:
        self.router = APIRouter(include_in_schema=False)
        self._reports = Reports()
        self._rights = Rights()
        self.router.add_api_route("/", self.models, methods=["GET"])
        self.router.add_api_route("/rollouts/{rollout}", self.rollout, methods=["GET"])
        self.router.add_api_route("/rollouts/{rollout}/actions", self.act, methods=["POST"])
        self.router.add_api_route(SIGN_IN, self.sign_in, methods=["GET"])
        self.router.add_api_route(f"{ROOT}{{name}}", self.asset, methods=["GET"])

    async def models(
        self,
        parts: Here,
        sight: Seen,
        q: Annotated[str, Query(max_length=128)] = "",
        show: Show = Show.ALL,
        page: Annotated[int, Query(ge=1, le=10_000)] = 1,
    ) -> Response:
        """All models that the viewer may see."""
        found = await models.models_page(parts, sight, "", None, None, _MOST_MODELS)
        return _html(models_page(listing(found.items, Wanted(q, show, page)), _viewer(parts, sight)))

    async def rollout(
        self, request: Request, parts: Here, sight: Seen, rollout: RolloutId, namespace: Namespace = None
    ) -> Response:
        """One rollout, as it stands."""
        try:
            return await self._shown(request, parts, sight, placed(namespace, rollout))
        except ControlError as error:
            return _failed(error, _viewer(parts, sight))

    async def act(
        self, request: Request, parts: Here, sight: Seen, rollout: RolloutId, namespace: Namespace = None
    ) -> Response:
        """A form that the viewer sent: then the page as it stands, or why nothing came of it."""
        target = placed(namespace, rollout)
        try:
            await said(parts, sight, target, _word(await request.body()))
        except ControllerError as error:
            return await self._refused(request, parts, sight, target, error)
        query = f"?{urlencode({'namespace': namespace})}" if namespace else ""
        return RedirectResponse(f"/rollouts/{quote(rollout, safe='')}{query}", HTTPStatus.SEE_OTHER)

    async def sign_in(
        self,
        parts: Here,
        following: Annotated[str, Query(alias="next", max_length=1024)] = "/",
        failed: Annotated[bool, Query()] = False,  # noqa: FBT002 - a query
    ) -> Response:
        """Where people without a session are sent to."""
        page = sign_in_page(parts.clock.now(), following, _UNKNOWN if failed else "")
        return _html(page, HTTPStatus.UNAUTHORIZED if failed else HTTPStatus.OK)

    async def asset(self, name: str) -> Response:
        """A file that pages ask for."""
        found = assets().get(name)
        if found is None:
            return Response(status_code=HTTPStatus.NOT_FOUND)
        return Response(found.content, media_type=found.kind, headers=_FOR_EVER)

    async def _shown(
        self,
        request: Request,
        parts: Parts,
        sight: Sight,
        target: str,
        notice: Notice | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        async with request.app.state.writing:  # charts are work
            found = await self._reports.of(sight.readings, target, parts.clock.now(), parts.made_by)
            may = await self._rights.of(parts.admission, sight.caller.person, found.record.status)
            viewer = _viewer(parts, sight, may)
            file = _policy_file(parts, sight, found.record.status.model)
            page = await asyncio.to_thread(
                rollout_page, found.record, found.report, found.log, viewer, notice, file
            )
        return _html(page, status)

    async def _refused(
        self, request: Request, parts: Parts, sight: Sight, target: str, error: ControllerError
    ) -> Response:
        status, text = _said_of(error)
        try:
            return await self._shown(request, parts, sight, target, Notice(text, bad=True), status)
        except ControlError:  # it is not there, or not to be seen
            return _failed(error, _viewer(parts, sight))


def _viewer(parts: Parts, sight: Sight, may: frozenset[CommandKind] = frozenset()) -> Viewer:
    return Viewer(sight.caller.person.name, parts.clock.now(), may)


def _policy_file(parts: Parts, sight: Sight, model: str) -> PolicyFile:
    seen = ruling(parts, sight, model)
    if seen is None:
        return PolicyFile()
    return PolicyFile(standing(parts.shelf, *seen), faults_of(parts.shelf, model)[:_MOST_FAULTS])


def _word(body: bytes) -> ActionRequest:
    """The form as the API takes a word. Raises `InvalidRequest`."""
    try:
        fields = dict(parse_qsl(body.decode("utf-8"), strict_parsing=True, max_num_fields=_MOST_FIELDS))
        asking = fields.pop("asking", None)
        number = {} if asking is None else {"asking": int(asking)}
        return ActionRequest.model_validate({**fields, **number})
    except (ValidationError, ValueError):
        raise InvalidRequest("the form is none of ours: load the page again") from None


def _failed(error: Exception, viewer: Viewer) -> Response:
    status, text = _said_of(error)
    return _html(error_page(status.phrase, text, viewer), status)


def _said_of(error: Exception) -> tuple[HTTPStatus, str]:
    """The status and the sentence that the API would answer with."""
    answer = answer_to(error)
    problem = json.loads(bytes(answer.body))
    return HTTPStatus(answer.status_code), f"{problem['detail'][:1].upper()}{problem['detail'][1:]}."


def _html(page: str, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return HTMLResponse(page, status, headers={"Content-Security-Policy": CONTENT_SECURITY})
