"""Alerts, dashboard and runbooks speak of what there is: metrics, labels, pages, commands."""

import json
import re
import shlex
from itertools import pairwise

import pytest
import typer

from controller.adapters.exported import EXPORTED
from controller.cli.main import app
from deploy.local.stack import REPOSITORY
from tests.deploy.observability import RUNBOOKS, dashboard, named, queries, rules
from tests.deploy.rendering import Obj, charted
from tests.deploy.rendering import named as the

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`(serinus [^`]+)`")
_QUERY_IN_TEXT = re.compile(r'printf "(serinus_[^"]+)"')

ALERTS = pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))


@ALERTS
def test_an_alert_names_only_what_is_exported(rule: Obj) -> None:
    assert named(rule["expr"]).unknown() == []
    for text in rule["annotations"].values():
        for query in _QUERY_IN_TEXT.findall(text):
            assert named(query.replace("%q", '".*"')).unknown() == []


@ALERTS
def test_an_alert_says_how_bad_it_is_what_happened_and_where_to_read_on(rule: Obj) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["alert"].startswith("Serinus"), "the name alone must say whose alert it is"
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"
    page = (RUNBOOKS / f"{rule['alert']}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {rule['alert']}\n")
    assert "**Look**" in page
    assert "**Do**" in page


def test_every_runbook_is_of_an_alert() -> None:
    assert {page.stem for page in RUNBOOKS.iterdir()} == {rule["alert"] for rule in rules()}


def test_the_page_about_observing_lists_the_alerts_as_they_are() -> None:
    page = (REPOSITORY / "docs" / "how-to" / "observe.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| [Serinus")]
    assert rows == [
        f"| [{rule['alert']}](../runbooks/{rule['alert']}.md) | {rule.get('for', 'at once')} "
        f"| {rule['labels']['severity']} |"
        for rule in rules()
    ]


def test_the_runbooks_commands_are_commands() -> None:
    click = typer.main.get_command(app)
    for page in RUNBOOKS.iterdir():
        text = page.read_text(encoding="utf-8")
        lines = [line for block in _BLOCK.findall(text) for line in block.splitlines()]
        for line in [*lines, *_INLINE.findall(text)]:
            words = shlex.split(line)
            if words[0] == "serinus":
                command = click.commands.get(words[1])  # type: ignore[attr-defined]
                assert command is not None, f"{page.name}: {line}"
                options = {name for parameter in command.params for name in parameter.opts}
                used = {word for word in words[2:] if word.startswith("-")}
                assert used <= options, f"{page.name}: {line}"


@pytest.mark.parametrize(("title", "query"), list(queries()))
def test_a_panel_names_only_what_is_exported(title: str, query: str) -> None:
    assert "$" not in query, title
    assert named(query).selectors
    assert named(query).unknown() == []


def test_every_metric_is_looked_at() -> None:
    seen = {each.name for _, query in queries() for each in named(query).selectors}
    seen |= {each.name for rule in rules() for each in named(rule["expr"]).selectors}
    seen = {re.sub("_(bucket|count|sum)$", "", name) for name in seen}
    assert seen == set(EXPORTED)


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    board = dashboard()
    assert board["schemaVersion"] == 41
    assert board["uid"] == "serinus"
    assert "id" not in board, "Grafana gives its own"
    names = {each["name"] for each in board["templating"]["list"]}
    assert names == {"datasource", "job", "model", "check"}
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        if panel["type"] != "row":
            assert panel["description"], panel["title"]
            sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
            assert {source["uid"] for source in sources} == {"${datasource}"}
    for above, below in pairwise(panel["gridPos"] for panel in panels):
        apart = above["x"] + above["w"] <= below["x"] or above["y"] + above["h"] <= below["y"]
        assert apart, (above, below)


def test_the_chart_brings_neither_unless_asked() -> None:
    made = charted({"namespaces": ["ml"]})
    assert not [each for each in made if each["kind"] == "PrometheusRule"]
    assert not [each for each in made if each["metadata"]["name"].endswith("-dashboard")]


def test_the_charts_alerts_are_the_files_with_links_to_where_the_runbooks_are() -> None:
    alerts = {
        "enabled": True,
        "labels": {"release": "prometheus"},
        "runbooks": "https://docs.example.com/runbooks/",
    }
    made = the(charted({"namespaces": ["ml"], "alerts": alerts}), "PrometheusRule")
    assert made["metadata"]["labels"]["release"] == "prometheus"
    [group] = made["spec"]["groups"]
    assert group["name"] == "serinus"
    for ours, theirs in zip(rules(), group["rules"], strict=True):
        url = f"https://docs.example.com/runbooks/{ours['alert']}.md"
        assert theirs == {**ours, "annotations": {**ours["annotations"], "runbook_url": url}}


def test_the_charts_dashboard_is_the_files() -> None:
    values = {"namespaces": ["ml"], "dashboard": {"enabled": True, "annotations": {"grafana_folder": "ML"}}}
    made = the(charted(values), "ConfigMap", "serinus-dashboard")
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert made["metadata"]["annotations"] == {"grafana_folder": "ML"}
    assert list(made["data"]) == ["serinus.json"]
    board: Obj = json.loads(made["data"]["serinus.json"])
    assert board == dashboard()
