"""The HTTP API of the real daemon on one machine: read, deployed, steered and followed, by whom it may be."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest

from controller.domain.vocabulary import Phase
from deploy.local.stack import REPOSITORY, free_port
from tests.api_caller import Caller
from tests.deploy.shell_blocks import script
from tests.deploy.terminal import Terminal
from tests.e2e.harness import Harness
from tests.e2e.policies import ENDLESS
from tests.e2e.proof import assert_gapless, eventually

pytestmark = pytest.mark.integration

MARKER = "M4RKER0of0a0secret"
ANN, WALL = f"ann-{MARKER}", f"wall-{MARKER}"
VISIBLE_SECONDS = 2


class Site:
    """Callers with both roles, with another token, and without any."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.ann, self.wall = Caller(port, ANN), Caller(port, WALL)
        self.strangers = [Caller(port, None), Caller(port, f"other-{MARKER}")]


@pytest.fixture
def site(harness: Harness, tmp_path: Path) -> Iterator[Site]:
    """The daemon with the API on."""
    tokens = tmp_path / "tokens"
    tokens.write_text(f"operate ann@example.com {ANN}\nread wall {WALL}\n")
    tokens.chmod(0o600)
    port = free_port()
    settings = {"SERINUS_API__PORT": str(port), "SERINUS_API__TOKEN_FILE": str(tokens)}
    with harness.daemon_with_settings(settings):
        yield Site(port)


def test_a_rollout_is_deployed_followed_and_steered_and_the_history_names_who_it_was(
    harness: Harness, site: Site, figures: Callable[[str], None]
) -> None:
    model = harness.model(ENDLESS)
    with harness.traffic(model), site.wall.follow(model=model) as stream:
        status, outcome = site.ann.deploy(model, "v2", endpoints=[harness.stage.endpoint("v2")])
        assert status == 201, outcome
        rollout = outcome["rollout"]
        harness.until_weight(rollout, 50)
        eventually(
            lambda: any(data.get("weight") == 50 for _, data, _ in stream.events), "the weight is told"
        )
        began = time.monotonic()
        status, outcome = site.ann.act(rollout, "pause", reason="the on-call asks")
        assert (status, outcome["phase"]) == (200, "Paused"), outcome
        eventually(lambda: any(data.get("phase") == "Paused" for _, data, _ in stream.events), "it is told")
        told = next(at for _, data, at in stream.events if data.get("phase") == "Paused")
        assert told - began < VISIBLE_SECONDS
        figures(f"a pause was told {(told - began) * 1000:.0f} ms after it was said")
        assert site.ann.act(rollout, "abort")[0] == 200
        harness.until(rollout, Phase.ABORTED)
        eventually(lambda: stream.events[-1][1]["phase"] == "Aborted", "its end is told")
    log = harness.entries(rollout)
    assert_gapless(log)
    spoken = [entry.event for entry in log if entry.actor == "ann@example.com"]
    assert spoken == ["created", "rollout_paused", "rollout_aborted"]
    assert "ann@example.com" in harness.cli("history", rollout).stdout


def test_the_commands_of_the_page_read_steer_and_follow(harness: Harness, site: Site, tmp_path: Path) -> None:
    model = harness.model(ENDLESS)
    rollout = harness.deploy(model, "v2")
    harness.until_weight(rollout, 50)
    commands = script("docs/how-to/api.md", "machine").replace("9180", str(site.port))
    terminal = Terminal(tmp_path, {"TOKEN": ANN})
    try:
        terminal.start(commands.replace("fraud-7", rollout).replace("model=fraud", f"model={model}"))
        eventually(lambda: "event: " in terminal.output.read_text(encoding="utf-8"), "events are followed")
    finally:
        terminal.close()
    assert harness.client.status(rollout).phase is Phase.PAUSED
    harness.cli("abort", rollout)
    assert '"phase":"Paused"' in terminal.output.read_text(encoding="utf-8").replace(": ", ":")


def test_what_the_api_says_is_what_the_command_line_prints(harness: Harness, site: Site) -> None:
    model = harness.model(ENDLESS)
    rollout = harness.deploy(model, "v2")
    harness.until_weight(rollout, 50)
    assert site.ann.act(rollout, "abort")[0] == 200
    harness.until(rollout, Phase.ABORTED)
    record = site.wall.get(f"/rollouts/{rollout}")[1]
    for word, of_api in (
        ("status", record["status"]),
        ("why", record["why"]),
        ("history", site.wall.get(f"/rollouts/{rollout}/history")[1]),
        ("get", {**site.wall.get("/rollouts", model=model, limit="1")[1]}),
    ):
        printed = json.loads(harness.cli(word, rollout if word != "get" else model, "-o", "json").stdout)
        of_api.pop("continue", None)
        assert printed == of_api, word
    status, page = site.wall.get(f"/rollouts/{rollout}/report", form="html")
    assert status == 200
    assert rollout in page


def test_everything_that_the_command_line_prints_as_json_has_a_published_schema(harness: Harness) -> None:
    model = harness.model(ENDLESS)
    deployed = ["deploy", model, "v2", "--endpoint", harness.stage.endpoint("v2"), "-o", "json"]
    assert_valid("outcome", harness.cli(*deployed).stdout)
    lines = {
        "status-list": [["get"], ["get", model]],
        "status": [["status", model]],
        "why": [["why", model]],
        "entries": [["history", model], ["history", model, "--all"]],
        "outcome": [["pause", model], ["resume", model], ["abort", model]],
    }
    for schema, commands in lines.items():
        for words in commands:
            assert_valid(schema, harness.cli(*words, "-o", "json").stdout)
    harness.until(model, Phase.ABORTED)
    assert_valid("outcome", harness.cli("retry", model, "-o", "json").stdout)
    assert_valid("report", harness.cli("report", model, "--json").stdout)
    harness.cli("abort", model)


def assert_valid(schema: str, printed: str) -> None:
    described = json.loads((REPOSITORY / "docs" / "reference" / f"{schema}.schema.json").read_text())
    jsonschema.validate(json.loads(printed), described, jsonschema.Draft202012Validator)


def test_who_may_not_changes_nothing_and_no_token_is_anywhere(harness: Harness, site: Site) -> None:
    model = harness.model(ENDLESS)
    rollout = harness.deploy(model, "v2")
    harness.until_weight(rollout, 50)
    before = len(harness.stored(rollout))
    for stranger in site.strangers:
        for path in ("/me", "/models", f"/rollouts/{rollout}", "/policies", "/openapi.json", "/none"):
            assert stranger.get(path)[0] == 401
        assert stranger.act(rollout, "abort")[0] == 401
    assert site.wall.get("/me")[1]["name"] == "wall"
    status, problem = site.wall.act(rollout, "abort")
    assert (status, problem["type"]) == (403, "urn:serinus:problem:not_permitted")
    assert site.wall.deploy(model, "v3", endpoints=["127.0.0.1:1"])[0] == 403
    assert site.ann.act("none-1", "abort")[0] == 404
    people = {entry.actor for entry in harness.stored(rollout)[before:]}
    assert people <= {"serinus"}
    assert harness.client.status(rollout).phase is Phase.PROGRESSING
    assert site.ann.act(rollout, "abort")[0] == 200
    metrics = harness.http("/metrics")[1]
    assert 'serinus_http_requests_total{code="401"}' in metrics
    shown = [metrics, harness.log_file.read_text(), json.dumps(site.ann.get("/policies"))]
    shown += ["\n".join(map(str, harness.stored(rollout)))]
    assert not [text for text in shown if MARKER in text]
