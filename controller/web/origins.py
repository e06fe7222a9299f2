"""Whether a request that may change something comes from a page of ours.

**Invariant**: a browser never makes a person's session act for a page of somebody else's. Besides this there
is the cookie's ``SameSite=Strict``. **Source**: Fetch metadata request headers (W3C); OWASP, CSRF prevention.
"""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

_OURS = frozenset({"same-origin", "none"})


@dataclass(frozen=True, slots=True)
class Origins:
    """``public_url`` is how people reach us, None when the request's own Host says. ``allowed`` are others.

    Pages of ``allowed`` origins may call with a token, and never with a session.
    """

    public_url: str | None = None
    allowed: Collection[str] = ()

    @property
    def secure(self) -> bool:
        """Whether people come by https."""
        return self.public_url is not None and self.public_url.startswith("https://")

    def forbids(self, request: Request, *, session: bool) -> bool:
        """Whether it may not be followed. ``session`` says that a cookie, not a header, bears the token."""
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        if site is None and origin is None:
            return session  # every browser of today says where a page is from
        ours = site in _OURS if site is not None else self._is_ours(origin or "", request)
        return not ours and (session or origin not in self.allowed)

    def _is_ours(self, origin: str, request: Request) -> bool:
        if self.public_url is not None:
            return origin == origin_of(self.public_url)
        return urlsplit(origin).netloc == request.headers.get("host", "") != ""


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
