"""The pages as text: what they say, and that nothing in them can act."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.control.views import status_view
from controller.dashboard.assets import address_of
from controller.dashboard.listing import Query, listing
from controller.dashboard.pages import (
    CONTENT_SECURITY,
    Notice,
    Viewer,
    error_page,
    models_page,
    rollout_page,
    sign_in_page,
)
from controller.domain.model import CommandKind
from controller.domain.policy import ApprovalRules
from controller.web.documents import ModelView
from tests.fakes import EPOCH
from tests.unit.control.stage import asking, progressing
from tests.unit.report.scenes import HOSTILE, Log, hostile, promoted, rolled_back

NOW = EPOCH + timedelta(minutes=3)
VIEWER = Viewer("ann", NOW, frozenset(CommandKind), lambda: "request-1")
_LONGEST_PAGE = 100 * 1024


class Tags(HTMLParser):
    """Every tag with its attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def shown(log: Log, viewer: Viewer = VIEWER, notice: Notice | None = None) -> str:
    return rollout_page(log.record, log.report(), log.entries[::-1], viewer, notice)


def asked() -> Log:
    log = Log(asking(ApprovalRules(people=2), "bob"))
    log.add("approval_asked")
    return log


def row(model: str, **changes: object) -> ModelView:
    view = ModelView(model=model, namespace=None, policy=None, valid=None, rollout=None)
    return view.model_copy(update=changes)


def pages() -> list[str]:
    status = status_view(progressing(), NOW)
    rows = [row(HOSTILE[:60], namespace="ml", valid=False, rollout=status), row("m")]
    return [
        *(shown(log(), notice=Notice(HOSTILE)) for log in (promoted, rolled_back, hostile, asked)),
        models_page(listing(rows, Query(HOSTILE)), VIEWER) or "",
        models_page(listing(rows, Query()), VIEWER),
        sign_in_page(NOW, HOSTILE, HOSTILE),
        error_page(HOSTILE, HOSTILE, VIEWER),
    ]


@pytest.mark.parametrize("page", pages(), ids=range(len(pages())))
def test_no_page_breaks_its_own_content_security(page: str) -> None:
    tags = Tags(page)
    assert [each.get("src") for each in tags.all("script")] == [address_of("dashboard.js")]
    assert tags.all("style") == []
    for tag, attributes in tags.tags:
        assert not {name for name in attributes if name == "style" or name.startswith("on")}, (
            tag,
            attributes,
        )
        for name in ("href", "src", "action", "data-live"):
            assert re.match(r"[/#](?!/)", attributes.get(name) or "/"), (tag, attributes)
    assert "unsafe" not in CONTENT_SECURITY
    assert len(page.encode()) < _LONGEST_PAGE
    assert "\u202e" not in page
    assert "\x1b" not in page


def test_a_rollout_says_where_it_stands_and_what_comes_next() -> None:
    text = Tags(shown(rolled_back())).text
    for said in (
        "fraud: v1 → v2",
        "RolledBack",
        "Verdict",
        "FAIL",
        "Next",
        "none: the rollout is over",
        "Policy",
    ):
        assert said in text
    assert "Timeline" in text


def test_a_form_says_what_will_happen_and_names_exactly_what_was_seen() -> None:
    page = shown(asked())
    forms = [form for form in Tags(page).all("form") if form["action"] != "/logout"]
    assert {form["action"] for form in forms} == {"/rollouts/fraud-1/actions"}
    assert {form["method"] for form in forms} == {"post"}
    hidden = [each for each in Tags(page).all("input") if each.get("type") == "hidden"]
    said = [(each["name"], each["value"]) for each in hidden]
    assert said.count(("request_id", "request-1")) == len(forms)
    assert [value for name, value in said if name == "kind"] == [
        "approve",
        "deny",
        "pause",
        "promote",
        "abort",
    ]
    assert "1 of 2 approved (bob)" in Tags(page).text


@pytest.mark.parametrize("log", [promoted, rolled_back, asked])
def test_who_may_say_nothing_sees_no_form(log: Callable[[], Log]) -> None:
    forms = Tags(shown(log(), replace(VIEWER, may=()))).all("form")
    assert [form["action"] for form in forms] == ["/logout"]


def test_only_what_is_not_over_is_kept_current() -> None:
    assert Tags(shown(promoted())).all("main") == [{"id": "main"}]
    assert Tags(shown(asked())).all("main") == [{"id": "main", "data-live": "/api/v1/events?model=fraud"}]


def test_in_a_cluster_every_link_and_form_names_the_namespace() -> None:
    log = asked()
    record = log.record.model_copy(
        update={"status": log.record.status.model_copy(update={"namespace": "ml"})}
    )
    report = log.report().model_copy(update={"namespace": "ml"})
    page = Tags(rollout_page(record, report, [], VIEWER))
    forms = [form["action"] for form in page.all("form") if form["action"] != "/logout"]
    assert set(forms) == {"/rollouts/fraud-1/actions?namespace=ml"}
    assert any("report?form=html&namespace=ml" in (link["href"] or "") for link in page.all("a"))


@given(st.text(max_size=80))
def test_what_is_looked_for_stays_text(text: str) -> None:
    page = models_page(listing([row("m", valid=True)], Query(text)), VIEWER)
    (box,) = [each for each in Tags(page).all("input") if each.get("name") == "q"]
    assert box["type"] == "search"
    assert len(Tags(page).all("script")) == 1
