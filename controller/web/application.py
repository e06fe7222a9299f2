"""The whole application: the API, sessions, and the pages that are added to it, behind one gate."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from controller.web import acting, following, problems, reading, signing_in
from controller.web.gate import Gate, Ways
from controller.web.headers import guarded
from controller.web.origins import Origins
from controller.web.parts import Parts
from controller.web.problems import Problem
from controller.web.streaming import Beats, Streams

ROOT = "/api/v1"
DESCRIPTION = (
    "Every request needs a token: `Authorization: Bearer TOKEN`. The documents are those of "
    "`serinus ... -o json`. Weights are percent, a check's value and limit are in the check's own unit, "
    "instants are UTC. Errors are problem details (RFC 9457)."
)
_ERRORS = {
    HTTPStatus.BAD_REQUEST: "The request makes no sense.",
    HTTPStatus.UNAUTHORIZED: "No token that counts.",
    HTTPStatus.FORBIDDEN: "You may not.",
    HTTPStatus.NOT_FOUND: "There is nothing of that name, or nothing that you may see.",
    HTTPStatus.METHOD_NOT_ALLOWED: "Use another method.",
    HTTPStatus.TOO_MANY_REQUESTS: "Wait, as Retry-After says.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A defect; the daemon's log says which.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Something does not answer now, or too many ask.",
}
_ERRORS_OF_POST = {
    HTTPStatus.CONFLICT: "It makes sense, but not now.",
    HTTPStatus.REQUEST_TIMEOUT: "The body came too slowly.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too long.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "Send application/json.",
}


@dataclass(frozen=True, slots=True)
class Pages:
    """What is served besides the API: routers, with the paths that need no token and where one signs in."""

    routers: Sequence[APIRouter] = ()
    open: Collection[str] = ()
    sign_in: str | None = None


_NO_PAGES = Pages()
_BEATS = Beats()
_REPORTS_AT_ONCE = 2


def create_app(
    parts: Parts,
    origins: Origins,
    *,
    count: Callable[[int], None],
    pages: Pages = _NO_PAGES,
    beats: Beats = _BEATS,
) -> ASGIApp:
    """The application to be served. ``count`` is told the HTTP status of each answer.

    A handler finds the caller with `gate.caller_of` and all else with the dependencies of `parts`.
    """
    app = _api()
    app.include_router(signing_in.router(parts.admission, origins, pages.sign_in))
    for router in pages.routers:
        app.include_router(router)
    app.state.parts, app.state.beats, app.state.streams = parts, beats, Streams()
    app.state.writing = asyncio.Semaphore(_REPORTS_AT_ONCE)
    problems.install(app)
    ways = Ways({signing_in.LOGIN, signing_in.LOGOUT, *pages.open}, pages.sign_in)
    gate: ASGIApp = Gate(app, parts.admission, origins, ways, count)
    return _for_other_sites(gate, origins) if origins.allowed else gate


def _for_other_sites(gate: ASGIApp, origins: Origins) -> ASGIApp:
    """Lets pages of the allowed sites read answers; never with a session."""
    shared = CORSMiddleware(
        gate,
        allow_origins=tuple(origins.allowed),
        allow_methods=("GET", "POST"),
        allow_headers=("Authorization", "Content-Type", "Last-Event-ID"),
    )

    async def guarded_too(scope: Scope, receive: Receive, send: Send) -> None:
        # what is answered to a browser's question beforehand does not come from the gate
        await shared(scope, receive, guarded(send, secure=origins.secure, seen=lambda _status: None))

    return guarded_too


def openapi() -> dict[str, Any]:
    """The description of the API, OpenAPI 3.1, as it is served at ``/api/v1/openapi.json``."""
    return _api().openapi()


def _api() -> FastAPI:
    app = FastAPI(
        title="Serinus",
        version="v1",
        description=DESCRIPTION,
        openapi_url=f"{ROOT}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    for router in (reading.router, following.router, acting.router):
        app.include_router(router, prefix=ROOT)
    described = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(described())
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]
    return app


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    """With the token that every request needs, and with our own errors in place of the framework's."""
    schemas = schema["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema(mode="serialization")
    schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    schema["security"] = [{"token": []}]
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in schema["paths"].values():
        for method, operation in path.items():
            operation["operationId"] = operation["operationId"].partition("_api_v1")[0]
            operation["responses"].pop("422", None)
            errors = _ERRORS | (_ERRORS_OF_POST if method == "post" else {})
            for status, words in sorted(errors.items()):
                operation["responses"][str(int(status))] = {"description": words, "content": content}
    return schema
