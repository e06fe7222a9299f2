"""The dashboard as a browser asks for it: who sees what, and what a form does."""

import re
from dataclasses import replace

import pytest

from controller.dashboard.pages import CONTENT_SECURITY
from controller.dashboard.routes import pages
from controller.domain.policy import ApprovalRules
from controller.domain.vocabulary import Phase
from controller.errors import StoreUnavailable
from tests.unit.control.stage import asking
from tests.unit.web.stage import ANN, BEN, CY, MARKER, ORIGIN, STRANGE, Site

OURS = {"origin": ORIGIN}
HTML = {"accept": "text/html"}


@pytest.fixture
def site() -> Site:
    return Site(pages=pages())


def hidden(page: str, kind: str) -> dict[str, str]:
    """The fields of the form for a word, as a browser would send them."""
    (form,) = [form for form in re.findall(r"<form.*?</form>", page, re.DOTALL) if f'value="{kind}"' in form]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form))


async def test_a_stranger_is_sent_to_sign_in_and_comes_back_to_where_they_wanted(site: Site) -> None:
    site.begin()
    answer = await site.ask("GET", "/rollouts/fraud-1", token=None, headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Frollouts%2Ffraud-1")
    page = await site.ask("GET", answer.headers["location"], token=None)
    assert page.status_code == 200
    assert 'name="next" value="/rollouts/fraud-1"' in page.text
    form = {"token": ANN, "next": "/rollouts/fraud-1"}
    signed = await site.ask("POST", "/login", token=None, data=form, headers=OURS)
    assert (signed.status_code, signed.headers["location"]) == (303, "/rollouts/fraud-1")
    cookie = {"cookie": signed.headers["set-cookie"].partition(";")[0]}
    assert (await site.ask("GET", "/rollouts/fraud-1", token=None, headers=cookie)).status_code == 200


async def test_a_token_that_nobody_has_comes_back_to_the_form_which_says_so(site: Site) -> None:
    form = {"token": STRANGE, "next": "/rollouts/x"}
    answer = await site.ask("POST", "/login", token=None, data=form, headers=OURS)
    assert answer.status_code == 303
    assert MARKER not in answer.headers["location"]
    page = await site.ask("GET", answer.headers["location"], token=None)
    assert page.status_code == 401
    assert "known to nobody here" in page.text
    assert 'value="/rollouts/x"' in page.text


async def test_the_models_are_listed_searched_and_linked(site: Site) -> None:
    site.begin()
    page = await site.ask("GET", "/")
    assert page.status_code == 200
    assert page.headers["content-security-policy"] == CONTENT_SECURITY
    assert '<a href="/rollouts/fraud-1">fraud</a>' in page.text
    none = await site.ask("GET", "/", params={"q": "<script>nothing"})
    assert "No model is found" in none.text
    assert "<script>nothing" not in none.text
    assert (await site.ask("GET", "/", params={"show": "nonsense"})).status_code == 400


async def test_a_rollout_is_shown_with_the_words_that_the_viewer_may_say(site: Site) -> None:
    site.begin()
    page = (await site.ask("GET", "/rollouts/fraud-1")).text
    assert "25s more at 5%" in page
    assert [kind in page for kind in ('value="pause"', 'value="promote"', 'value="abort"')] == [True] * 3
    readers = (await site.ask("GET", "/rollouts/fraud-1", token=BEN)).text
    assert "25s more at 5%" in readers
    assert 'name="kind"' not in readers


async def test_a_form_says_a_word_once_and_leads_back_to_the_page(site: Site) -> None:
    site.begin()
    fields = hidden((await site.ask("GET", "/rollouts/fraud-1")).text, "pause")
    for _ in range(2):  # a form that is sent again
        answer = await site.ask("POST", "/rollouts/fraud-1/actions", data=fields, headers=OURS)
        assert (answer.status_code, answer.headers["location"]) == (303, "/rollouts/fraud-1")
    assert site.stage.rollout("fraud-1").phase is Phase.PAUSED
    assert [entry.actor for entry in site.stage.store.log["fraud-1"]][-1:] == ["ann(1000)"]
    assert "paused by ann(1000)" in (await site.ask("GET", "/rollouts/fraud-1")).text


async def test_an_answer_to_what_is_not_asked_any_more_is_refused_on_the_page(site: Site) -> None:
    rollout = asking(ApprovalRules())
    assert rollout.asking is not None
    site.begin(replace(rollout, asking=replace(rollout.asking, number=7)))
    fields = hidden((await site.ask("GET", "/rollouts/fraud-1")).text, "deny")
    assert fields["asking"] == "7"
    old = fields | {"asking": "6", "reason": "late"}
    answer = await site.ask("POST", "/rollouts/fraud-1/actions", data=old, headers=OURS)
    assert answer.status_code == 409
    assert "is not asked any more" in answer.text
    assert site.stage.rollout("fraud-1").phase is Phase.PROGRESSING


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        (BEN, OURS, 403),
        (CY, OURS, 403),
        (STRANGE, OURS, 401),
        (None, OURS, 401),
        (ANN, {"origin": "http://evil.test", "sec-fetch-site": "cross-site"}, 403),
    ],
)
async def test_who_may_not_changes_nothing(
    site: Site, token: str | None, headers: dict[str, str], status: int
) -> None:
    site.begin()
    fields = hidden((await site.ask("GET", "/rollouts/fraud-1")).text, "abort")
    before = site.state
    answer = await site.ask("POST", "/rollouts/fraud-1/actions", token=token, data=fields, headers=headers)
    assert answer.status_code == status
    assert site.state == before
    assert MARKER not in answer.text


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"kind=abort", b"kind=launch&request_id=request-1", b"kind=abort&request_id=r&asking=x"],
)
async def test_a_form_that_is_none_of_ours_changes_nothing(site: Site, body: bytes) -> None:
    site.begin()
    before = site.state
    headers = OURS | {"content-type": "application/x-www-form-urlencoded"}
    answer = await site.ask("POST", "/rollouts/fraud-1/actions", content=body, headers=headers)
    assert answer.status_code == 400
    assert "load the page again" in answer.text
    assert site.state == before


async def test_what_is_not_there_is_a_page_that_says_so(site: Site) -> None:
    answer = await site.ask("GET", "/rollouts/%3Cb%3Eno")
    assert answer.status_code == 404
    assert "<b>" not in answer.text
    assert '<a href="/">All models</a>' in answer.text
    gone = await site.ask(
        "POST", "/rollouts/no/actions", data={"kind": "abort", "request_id": "request-1"}, headers=OURS
    )
    assert gone.status_code == 404


async def test_a_store_that_does_not_answer_is_told_without_its_words(site: Site) -> None:
    site.begin()
    await site.ask("GET", "/rollouts/fraud-1")
    site.stage.store.unreadable = True
    answer = await site.ask("GET", "/rollouts/fraud-1")
    assert answer.status_code == 503
    assert str(StoreUnavailable("the disk does not answer")) not in answer.text


async def test_assets_need_no_token_and_may_be_kept(site: Site) -> None:
    page = (await site.ask("GET", "/sign-in", token=None)).text
    found = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert len(found) == 4
    for address in found:
        answer = await site.ask("GET", address, token=None)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert (await site.ask("GET", "/static/routes.py", token=None)).status_code == 404


async def test_rights_are_asked_about_once_in_half_a_minute_but_words_each_time(site: Site) -> None:
    site.begin()
    for _ in range(3):
        page = (await site.ask("GET", "/rollouts/fraud-1")).text
    assert site.doorman.asked["pause"] == 1
    await site.ask("POST", "/rollouts/fraud-1/actions", data=hidden(page, "pause"), headers=OURS)
    assert site.doorman.asked["pause"] == 2


async def test_the_file_of_the_policy_is_named_with_what_is_wrong_in_it(site: Site) -> None:
    site.begin()
    page = (await site.ask("GET", "/rollouts/fraud-1")).text
    assert "<dd>fraud.yaml" in page
    assert "/etc/serinus" not in page
