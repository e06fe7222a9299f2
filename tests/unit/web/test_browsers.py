"""Browsers: a session that no page of somebody else's can use; other sites only where they are allowed."""

from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from controller.web.application import ROOT, Pages
from controller.web.gate import caller_of
from controller.web.origins import Origins
from tests.unit.web.stage import ANN, BEN, MARKER, ORIGIN, STRANGE, Site

FORM = {"content-type": "application/x-www-form-urlencoded"}
OURS = {"origin": ORIGIN}
EVIL = {"origin": "http://evil.test", "sec-fetch-site": "cross-site"}


@pytest.fixture
def site() -> Site:
    return Site()


def session_of(answer: httpx2.Response) -> str:
    """The cookie as a browser sends it."""
    return answer.headers["set-cookie"].partition(";")[0]


async def signed_in(site: Site, token: str = ANN) -> str:
    answer = await site.ask("POST", "/login", token=None, data={"token": token}, headers=OURS)
    assert answer.status_code == 303
    return session_of(answer)


async def test_a_token_becomes_a_session_that_no_script_reads(site: Site) -> None:
    answer = await site.ask(
        "POST", "/login", token=None, data={"token": f" {ANN}\n", "next": "/rollouts/fraud-1"}, headers=OURS
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/rollouts/fraud-1")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"serinus_session={ANN};")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie, "on loopback without TLS"
    found = await site.ask("GET", f"{ROOT}/me", token=None, headers={"cookie": session_of(answer)})
    assert found.json()["name"] == "ann(1000)"


async def test_where_people_come_by_https_the_session_goes_by_https_alone() -> None:
    site = Site(Origins("https://serinus.example"))
    ours = {"origin": "https://serinus.example"}
    answer = await site.ask("POST", "/login", token=None, json={"token": ANN}, headers=ours)
    assert answer.status_code == 204
    assert answer.headers["set-cookie"].startswith("__Host-serinus_session=")
    assert "Secure" in answer.headers["set-cookie"]
    assert "max-age" in answer.headers["strict-transport-security"]
    plain = {"cookie": f"serinus_session={ANN}"}
    assert (await site.ask("GET", f"{ROOT}/me", token=None, headers=plain)).status_code == 401
    wrong = await site.ask("POST", "/login", token=None, json={"token": ANN}, headers=OURS)
    assert wrong.status_code == 403


@pytest.mark.parametrize("token", [STRANGE, "", "x" * 5000, "a b", "ü" * 30])
async def test_a_token_that_does_not_count_gives_no_session(site: Site, token: str) -> None:
    answer = await site.ask("POST", "/login", token=None, data={"token": token}, headers=OURS)
    assert answer.status_code in (400, 401)
    assert "set-cookie" not in answer.headers
    assert MARKER not in answer.text


@pytest.mark.parametrize("body", [b"", b"token", b"\xff", b"a=1&b=2&c=3&d=4&token=5", b"{"])
async def test_what_is_no_form_is_refused(site: Site, body: bytes) -> None:
    for kind in (FORM, {"content-type": "application/json"}):
        answer = await site.ask("POST", "/login", token=None, content=body, headers={**OURS, **kind})
        assert answer.status_code == 400


async def test_guessing_tokens_at_the_door_is_bounded(site: Site) -> None:
    statuses = [
        (await site.ask("POST", "/login", token=None, data={"token": f"{STRANGE}{number}"})).status_code
        for number in range(60)
    ]
    assert 429 in statuses
    assert site.doorman.asked["person"] <= 40


@pytest.mark.parametrize(
    "following",
    ["//evil.test", "https://evil.test", "/\\evil.test", "evil", "", "/a\r\nx: y", "javascript:1", "/\x00"],
)
async def test_nobody_is_sent_to_another_site(site: Site, following: str) -> None:
    answer = await site.ask(
        "POST", "/login", token=None, data={"token": ANN, "next": following}, headers=OURS
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_signing_out_takes_the_session_away(site: Site) -> None:
    cookie = await signed_in(site)
    answer = await site.ask("POST", "/logout", token=None, headers={**OURS, "cookie": cookie})
    assert answer.status_code == 303
    assert 'serinus_session=""' in answer.headers["set-cookie"]
    assert "Max-Age=0" in answer.headers["set-cookie"]
    site.doorman.people.clear()
    site.seconds += 60
    assert (await site.ask("POST", "/logout", token=None, headers=OURS)).status_code == 303, "also too late"
    evil = await site.ask("POST", "/logout", token=None, headers={**EVIL, "cookie": cookie})
    assert evil.status_code == 403


WORD: Any = {"kind": "abort", "request_id": "request-0001"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (OURS, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({**OURS, "sec-fetch-site": "same-origin"}, 200),
        ({}, 403),
        (EVIL, 403),
        ({"origin": "http://evil.test"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({**OURS, "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://serinus.test.evil.test"}, 403),
        ({"origin": "http://serinus.test:8080"}, 403),
    ],
)
async def test_a_session_acts_for_pages_of_ours_alone(
    site: Site, headers: dict[str, str], status: int
) -> None:
    site.begin()
    cookie = await signed_in(site)
    before = site.state
    answer = await site.ask(
        "POST",
        f"{ROOT}/rollouts/fraud-1/actions",
        token=None,
        json=WORD,
        headers={**headers, "cookie": cookie},
    )
    assert answer.status_code == status
    assert (site.state == before) == (status == 403)


@pytest.mark.parametrize("headers", [EVIL, {"origin": "null"}, {"sec-fetch-site": "same-site"}])
async def test_a_page_of_another_site_may_not_call_with_a_token_either(
    site: Site, headers: dict[str, str]
) -> None:
    site.begin()
    before = site.state
    answer = await site.ask("POST", f"{ROOT}/rollouts/fraud-1/actions", json=WORD, headers=headers)
    assert answer.status_code == 403
    assert site.state == before


async def test_a_page_that_is_allowed_may_call_with_a_token_and_never_with_a_session() -> None:
    site = Site(Origins(allowed=("https://portal.test",)))
    site.begin()
    path = f"{ROOT}/rollouts/fraud-1/actions"
    theirs = {"origin": "https://portal.test", "sec-fetch-site": "cross-site"}
    cookie = await signed_in(site)
    refused = await site.ask("POST", path, token=None, json=WORD, headers={**theirs, "cookie": cookie})
    assert refused.status_code == 403
    answer = await site.ask("POST", path, json=WORD, headers=theirs)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://portal.test"
    assert "access-control-allow-credentials" not in answer.headers
    asked = {
        **theirs,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    told = await site.ask("OPTIONS", path, token=None, headers=asked)
    assert (told.status_code, told.headers["x-content-type-options"]) == (200, "nosniff")
    evil = {**asked, **EVIL}
    answer = await site.ask("OPTIONS", path, token=None, headers=evil)
    assert "access-control-allow-origin" not in answer.headers


def pages() -> Pages:
    router = APIRouter()

    @router.get("/")
    async def home(request: Request) -> Response:
        return PlainTextResponse(caller_of(request).person.name)

    @router.get("/login")
    async def login() -> Response:
        return PlainTextResponse("sign in")

    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        return PlainTextResponse(name, headers={"Cache-Control": "max-age=60"})

    return Pages((router,), ("/static/",), "/login")


async def test_pages_are_added_behind_the_same_gate() -> None:
    site = Site(pages=pages())
    assert (await site.ask("GET", "/login", token=None)).text == "sign in"
    static = await site.ask("GET", "/static/style.css", token=None)
    assert (static.text, static.headers["cache-control"]) == ("style.css", "max-age=60")
    assert (await site.ask("GET", "/", token=None)).status_code == 401
    page = {"accept": "text/html"}
    sent = await site.ask("GET", "/", token=None, headers=page)
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=%2F")
    assert (await site.ask("GET", f"{ROOT}/me", token=None, headers=page)).status_code == 401
    cookie = await signed_in(site, BEN)
    assert (await site.ask("GET", "/", token=None, headers={"cookie": cookie})).text == "ben"
    assert (await site.ask("GET", "/static/../", token=None)).status_code == 401
