"""Sessions for browsers: sign in with a token, sign out.

A form is answered with a redirection, JSON with nothing: a page of our own works without a script.
"""

from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.responses import RedirectResponse, Response

from controller.control.errors import InvalidRequest
from controller.web import sessions
from controller.web.admission import Admission
from controller.web.origins import Origins
from controller.web.problems import Refusal

LOGIN, LOGOUT = "/login", "/logout"
_MOST_FIELDS = 4


class _Credentials(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    token: str
    next: str = "/"


def router(admission: Admission, origins: Origins, sign_in: str | None = None) -> APIRouter:
    """The two endpoints. They answer only pages of our own: the gate looks at where a request is from.

    A form whose token is not known is sent back to the page ``sign_in``, where there is one.
    """
    made = APIRouter(include_in_schema=False)

    @made.post(LOGIN)
    async def login(request: Request) -> Response:
        """Give the browser a session. Raises what `Admission.caller` raises."""
        given = _credentials(request, await request.body())
        token = given.token.strip()
        if len(token) > sessions.LONGEST_TOKEN:
            raise InvalidRequest("the token is too long for a browser's cookie: use it in a header")
        address = request.client.host if request.client else ""
        try:
            await admission.caller(token, address)
        except Refusal as refusal:
            if sign_in is None or _is_json(request) or refusal.status != HTTPStatus.UNAUTHORIZED:
                raise
            again = urlencode({"next": given.next, "failed": "1"})
            return RedirectResponse(f"{sign_in}?{again}", HTTPStatus.SEE_OTHER)
        response = _onwards(request, given.next)
        sessions.begin(response, token, origins)
        return response

    @made.post(LOGOUT)
    async def logout(request: Request) -> Response:
        """Take it away."""
        response = _onwards(request, "/")
        sessions.end(response, origins)
        return response

    return made


def _credentials(request: Request, body: bytes) -> _Credentials:
    try:
        if _is_json(request):
            return _Credentials.model_validate_json(body)
        fields = parse_qsl(body.decode("utf-8"), strict_parsing=True, max_num_fields=_MOST_FIELDS)
        return _Credentials.model_validate(dict(fields))
    except (ValidationError, ValueError):  # what was sent may be a secret: nothing of it is told
        raise InvalidRequest("send the field token, as a form or as JSON") from None


def _onwards(request: Request, following: str) -> Response:
    if _is_json(request):
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return RedirectResponse(following if _is_local(following) else "/", HTTPStatus.SEE_OTHER)


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _is_local(path: str) -> bool:
    """Whether it is a path of ours: a browser reads two slashes of any kind as somebody else's."""
    try:
        parts = urlsplit(path)
    except ValueError:
        return False
    plain = path.isprintable() and path.isascii() and "\\" not in path
    return (
        plain and path.startswith("/") and not path.startswith("//") and not parts.scheme and not parts.netloc
    )
