"""What is read is what the command line shows, page by page, and a report in each of its forms."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.control.views import EntryList, StatusView
from controller.domain.vocabulary import Phase, Reason
from controller.errors import PolicyError, StoreUnavailable
from controller.web.application import ROOT
from tests.fakes import a_policy
from tests.unit.control.stage import ended, progressing
from tests.unit.web.stage import ANN, MARKER, Site


@pytest.fixture
def site() -> Site:
    return Site()


def models(site: Site, count: int) -> list[str]:
    """So many models with a policy each, every second with a rollout."""
    names = [f"model-{number:02}" for number in range(count)]
    for number, name in enumerate(names):
        site.stage.policies.in_force[name] = a_policy(model=name, digest="cd" * 32)
        if number % 2 == 0:
            site.begin(replace(progressing(), id=f"{name}-1", model=name))
    return names


async def test_a_rollout_is_the_document_that_the_socket_gives(site: Site) -> None:
    site.begin()
    found = (await site.ask("GET", f"{ROOT}/rollouts/fraud-1")).json()
    assert found == json.loads((await site.stage.service.record("fraud-1")).model_dump_json())
    by_model = (await site.ask("GET", f"{ROOT}/rollouts/fraud")).json()
    assert by_model == found
    listed = (await site.ask("GET", f"{ROOT}/rollouts")).json()
    assert listed.pop("continue") is None
    assert listed == json.loads((await site.stage.service.get(None)).model_dump_json())


async def test_the_log_is_read_from_an_entry_on(site: Site) -> None:
    site.begin()
    for _ in range(5):
        site.stage.move("fraud-1", notable=False)
    page = (await site.ask("GET", f"{ROOT}/rollouts/fraud-1/entries?after=2&limit=3")).json()
    assert [each["seq"] for each in page["items"]] == [3, 4, 5]
    assert page == json.loads((await site.stage.service.entries("fraud-1", 2, 3)).model_dump_json())
    history = EntryList.model_validate((await site.ask("GET", f"{ROOT}/rollouts/fraud-1/history")).json())
    assert [each.seq for each in history.items] == [1]
    every = (await site.ask("GET", f"{ROOT}/rollouts/fraud-1/history?every=true&limit=2")).json()
    assert [each["seq"] for each in every["items"]] == [5, 6]


async def test_models_come_page_by_page_and_none_twice(site: Site) -> None:
    names = [*models(site, 11), "fraud"]
    seen: list[str] = []
    after = ""
    for _ in range(10):
        page = (await site.ask("GET", f"{ROOT}/models?limit=4{after}")).json()
        assert len(page["items"]) <= 4
        seen += [each["model"] for each in page["items"]]
        if page["continue"] is None:
            break
        after = f"&continue={page['continue']}"
    assert seen == sorted(names)


async def test_a_page_of_rollouts_goes_on_where_the_last_ended(site: Site) -> None:
    names = models(site, 10)
    first = (await site.ask("GET", f"{ROOT}/rollouts?limit=3")).json()
    rest = (await site.ask("GET", f"{ROOT}/rollouts?limit=9&continue={first['continue']}")).json()
    assert rest["continue"] is None
    assert [each["model"] for each in first["items"] + rest["items"]] == names[::2]


async def test_models_are_found_by_name_and_by_phase(site: Site) -> None:
    models(site, 6)
    site.begin(replace(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED), id="model-01-1", model="model-01"))
    found = (await site.ask("GET", f"{ROOT}/models?search=el-0")).json()["items"]
    assert [each["model"] for each in found] == [f"model-0{number}" for number in range(6)]
    rolled = (await site.ask("GET", f"{ROOT}/models?phase=RolledBack")).json()["items"]
    assert [each["model"] for each in rolled] == ["model-01"]
    assert StatusView.model_validate(rolled[0]["rollout"]).phase is Phase.ROLLED_BACK
    one = (await site.ask("GET", f"{ROOT}/rollouts?phase=Progressing&model=04")).json()["items"]
    assert [each["rollout"] for each in one] == ["model-04-1"]


@pytest.mark.parametrize("token", ["x", "WyJhIl0=", "W10=", "e30=", "W1s" + "bW1s" * 200, "%00", "ü"])
async def test_a_continuation_that_no_page_gave_is_refused(site: Site, token: str) -> None:
    answer = await site.ask("GET", f"{ROOT}/models?continue={token}")
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:serinus:problem:invalid_request"


async def test_a_model_has_its_policy_its_faults_and_its_rollouts(site: Site) -> None:
    site.begin(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED))
    site.begin(progressing("v3", 2))
    site.shelf.valid["fraud"] = False
    site.stage.policies.faults = {
        "/etc/serinus/policies/fraud.yaml": [
            PolicyError("/etc/serinus/policies/fraud.yaml", 3, 7, "steps: is missing")
        ]
    }
    found = (await site.ask("GET", f"{ROOT}/models/fraud")).json()
    assert [each["rollout"] for each in found["rollouts"]] == ["fraud-2", "fraud-1"]
    assert (found["policy"]["valid"], found["policy"]["file"]) == (False, "fraud.yaml")
    assert found["policy"]["digest"] == "ab" * 32
    fault = {"file": "fraud.yaml", "line": 3, "column": 7, "message": "steps: is missing", "model": "fraud"}
    assert found["faults"] == [fault]
    policies = (await site.ask("GET", f"{ROOT}/policies")).json()
    assert policies["faults"] == [fault]
    assert [each["model"] for each in policies["items"]] == ["fraud"]
    assert "/etc/" not in json.dumps([found, policies])


async def test_a_model_without_a_rollout_is_there_and_an_id_is_no_model(site: Site) -> None:
    assert (await site.ask("GET", f"{ROOT}/models/fraud")).json()["rollouts"] == []
    site.begin()
    assert (await site.ask("GET", f"{ROOT}/models/fraud-1")).status_code == 404
    assert (await site.ask("GET", f"{ROOT}/models/other")).status_code == 404


@pytest.mark.parametrize(
    ("form", "kind", "words"),
    [("html", "text/html", "<title>"), ("md", "text/markdown", "# "), ("json", "application/json", "{")],
)
async def test_a_report_comes_in_each_form(site: Site, form: str, kind: str, words: str) -> None:
    site.begin()
    for _ in range(3):
        site.stage.move("fraud-1", updated_at=site.stage.clock.now() + timedelta(seconds=5))
    answer = await site.ask("GET", f"{ROOT}/rollouts/fraud-1/report?form={form}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    assert words in answer.text
    if form == "html":
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert policy.partition("; base-uri")[0] in answer.text, "the header and the page say the same"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/rollouts?limit=0", "query.limit"),
        ("/rollouts?limit=501", "query.limit"),
        ("/rollouts?phase=Nowhere", "query.phase"),
        ("/rollouts/fraud-1/entries?after=-1", "query.after"),
        ("/rollouts/fraud-1/entries?after=99999999999999999999", "query.after"),
        ("/rollouts/fraud-1?namespace=UPPER", "query.namespace"),
        ("/rollouts/fraud-1/report?form=pdf", "query.form"),
        ("/rollouts/" + "x" * 129, "path.rollout"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_its_place(site: Site, path: str, words: str) -> None:
    site.begin()
    answer = await site.ask("GET", ROOT + path)
    assert answer.status_code == 400
    assert answer.json()["faults"][0].startswith(words)


@pytest.mark.parametrize(
    "path", ["/rollouts/none", "/rollouts/fraud-1?namespace=ml", "/rollouts/fraud-9/report"]
)
async def test_what_is_not_there_is_not_found(site: Site, path: str) -> None:
    site.begin()
    answer = await site.ask("GET", ROOT + path)
    assert answer.status_code == 404
    assert answer.json()["hint"] == "serinus get"


async def test_a_store_that_fails_is_said_in_our_words_alone(site: Site) -> None:
    async def broken(*_: object) -> None:
        raise StoreUnavailable(f"disk I/O error at /secret/{MARKER}")

    site.stage.store.rollouts = broken  # type: ignore[method-assign,assignment]
    answer = await site.ask("GET", f"{ROOT}/rollouts/fraud-1")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert MARKER not in answer.text


async def test_a_defect_is_a_500_that_says_nothing(site: Site) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError(MARKER)

    site.stage.store.rollouts = broken  # type: ignore[method-assign,assignment]
    answer = await site.ask("GET", f"{ROOT}/rollouts/fraud-1")
    assert answer.status_code == 500
    assert answer.json()["detail"] == "the daemon failed to answer; its log says why"
    assert MARKER not in answer.text


async def test_who_one_is(site: Site) -> None:
    found = (await site.ask("GET", f"{ROOT}/me", token=ANN)).json()
    assert (found["name"], found["namespaces"]) == ("ann(1000)", [""])
