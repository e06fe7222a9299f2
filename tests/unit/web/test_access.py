"""Every endpoint by everybody: without a token, with one that was made for others, read-only, allowed."""

from typing import Any

import pytest

from controller.web.application import ROOT, openapi
from tests.unit.web.stage import ANN, BEN, CY, MARKER, STRANGE, Site

WORD = {"kind": "pause", "request_id": "request-0001"}
ORDER = {"version": "v9", "endpoints": ["10.0.0.9:8080"], "request_id": "request-0002"}
CASES: list[tuple[str, str, str, Any, int]] = [
    ("get", "/me", "/me", None, 200),
    ("get", "/models", "/models", None, 200),
    ("get", "/models/{model}", "/models/fraud", None, 200),
    ("get", "/rollouts", "/rollouts", None, 200),
    ("get", "/rollouts/{rollout}", "/rollouts/fraud-1", None, 200),
    ("get", "/rollouts/{rollout}/entries", "/rollouts/fraud-1/entries", None, 200),
    ("get", "/rollouts/{rollout}/history", "/rollouts/fraud-1/history", None, 200),
    ("get", "/rollouts/{rollout}/report", "/rollouts/fraud-1/report", None, 200),
    ("get", "/policies", "/policies", None, 200),
    ("get", "/events", "/events", None, 200),
    ("post", "/rollouts/{rollout}/actions", "/rollouts/fraud-1/actions", WORD, 200),
    ("post", "/models/{model}/rollouts", "/models/fraud/rollouts", ORDER, 201),
]
"""Method, the endpoint as it is described, a path of it, a body, and the status for who is allowed."""
EVERY = pytest.mark.parametrize(
    ("method", "path", "body", "allowed"), [(method, *rest) for method, _, *rest in CASES]
)


@pytest.fixture
def site() -> Site:
    site = Site()
    site.begin()
    site.board.close()  # a stream that is let in ends at once
    return site


async def asked(site: Site, method: str, path: str, body: Any, token: str | None) -> Any:
    return await site.ask(method.upper(), ROOT + path, token=token, json=body)


def test_the_table_has_every_endpoint() -> None:
    described = {(method, path) for path, methods in openapi()["paths"].items() for method in methods}
    assert {(method, ROOT + path) for method, path, *_ in CASES} == described


@EVERY
@pytest.mark.parametrize("token", [None, "", "short", STRANGE, f"{ANN}x", "ü" * 20, "x" * 9000])
async def test_without_a_token_that_counts_nothing_is_told_or_done(
    site: Site, method: str, path: str, body: Any, allowed: int, token: str | None
) -> None:
    before = site.state
    if token is not None and not token.isascii():
        answer = await site.ask(
            method.upper(),
            ROOT + path,
            token=None,
            json=body,
            headers=[(b"authorization", f"Bearer {token}".encode())],
        )
    else:
        answer = await asked(site, method, path, body, token)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="serinus"'
    assert answer.headers["content-type"] == "application/problem+json"
    assert "fraud" not in answer.text
    assert MARKER not in answer.text
    assert site.state == before


@EVERY
async def test_who_may_only_read_reads_and_changes_nothing(
    site: Site, method: str, path: str, body: Any, allowed: int
) -> None:
    before = site.state
    answer = await asked(site, method, path, body, BEN)
    assert answer.status_code == (allowed if method == "get" else 403), answer.text
    assert site.state == before


@EVERY
async def test_who_may_nothing_is_told_the_same_of_what_is_and_of_what_is_not(
    site: Site, method: str, path: str, body: Any, allowed: int
) -> None:
    before = site.state
    answer = await asked(site, method, path, body, CY)
    other = await asked(site, method, path.replace("fraud", "none"), body, CY)
    assert (answer.status_code, answer.content) == (other.status_code, other.content)
    assert answer.status_code == 403
    assert site.state == before


@EVERY
async def test_who_is_allowed_is_served(site: Site, method: str, path: str, body: Any, allowed: int) -> None:
    before = site.state
    answer = await asked(site, method, path, body, ANN)
    assert answer.status_code == allowed, answer.text
    assert (site.state == before) == (method == "get")


@EVERY
async def test_every_answer_is_guarded(site: Site, method: str, path: str, body: Any, allowed: int) -> None:
    for token in (None, BEN, ANN):
        headers = (await asked(site, method, path, body, token)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "POST"])
async def test_another_method_reaches_nothing(site: Site, method: str) -> None:
    before = site.state
    answer = await site.ask(method, f"{ROOT}/rollouts/fraud-1", json={} if method == "POST" else None)
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert site.state == before


@EVERY
async def test_head_is_get_without_its_body(
    site: Site, method: str, path: str, body: Any, allowed: int
) -> None:
    before = site.state
    answer = await site.ask("HEAD", ROOT + path)
    assert answer.status_code == (405 if method == "post" else 200)
    assert answer.content == b""
    assert site.state == before


async def test_options_tells_the_methods_to_who_is_known(site: Site) -> None:
    answer = await site.ask("OPTIONS", f"{ROOT}/rollouts")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    assert (await site.ask("OPTIONS", f"{ROOT}/rollouts", token=None)).status_code == 401


async def test_the_description_is_served_to_who_is_known(site: Site) -> None:
    answer = await site.ask("GET", f"{ROOT}/openapi.json", token=BEN)
    assert answer.json() == openapi()
    assert answer.json()["openapi"].startswith("3.1")
    assert (await site.ask("GET", f"{ROOT}/openapi.json", token=None)).status_code == 401


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/api/v1", "/api/v1/", "/api/v2/me", "/login"])
async def test_other_paths_do_not_exist_and_only_for_who_is_known(site: Site, path: str) -> None:
    assert (await site.ask("GET", path)).status_code in (404, 405)
    assert (await site.ask("GET", path, token=None)).status_code == (405 if path == "/login" else 401)
