"""A browser's session: the person's own token in a cookie that no script can read.

**Invariant**: the server keeps no session, so every replica knows every session, and it ends with the token.
The cookie goes to us alone and is never sent for a page of somebody else's. **Source**: RFC 6265bis.
"""

from starlette.requests import Request
from starlette.responses import Response

from controller.web.origins import Origins

LONGEST_TOKEN = 3800
"""What a cookie can hold, with its name and attributes, in every browser."""
_PLAIN, _SECURE = "serinus_session", "__Host-serinus_session"


def name_of(origins: Origins) -> str:
    """The cookie's name: one that browsers accept over https alone, where people come by https."""
    return _SECURE if origins.secure else _PLAIN


def token_in(request: Request, origins: Origins) -> str | None:
    """The token of the request's session, if it has one."""
    return request.cookies.get(name_of(origins)) or None


def begin(response: Response, token: str, origins: Origins) -> None:
    """Have the browser keep the token until it is closed."""
    response.set_cookie(
        name_of(origins), token, path="/", httponly=True, samesite="strict", secure=origins.secure
    )


def end(response: Response, origins: Origins) -> None:
    """Have the browser forget it."""
    response.delete_cookie(
        name_of(origins), path="/", httponly=True, samesite="strict", secure=origins.secure
    )
