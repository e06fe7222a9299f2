"""The commands of the tutorial and the how-to pages for one machine, typed as they are, on real parts.

The pages that bring parts of their own play in the background while the others are typed at the stack
that all end-to-end tests share: they mostly wait.
"""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import sleep

import pytest

from controller.domain.judge.counts import Block
from controller.domain.vocabulary import Phase, Reason
from deploy.local.stack import free_port
from tests.deploy.shell_blocks import script
from tests.deploy.terminal import Terminal
from tests.e2e.harness import Harness
from tests.e2e.page_pack import play_pack
from tests.e2e.policies import step
from tests.e2e.proof import eventually

pytestmark = pytest.mark.integration

STEPS = ({**step("50%", "1s", 5), "approval": True},)
PLAYS_SECONDS = 120
WATCHED_SECONDS = 2


def typed(harness: Harness, folder: Path, commands: str) -> str:
    """What commands print to somebody whose daemon is the harness's."""
    terminal = Terminal(folder, {"SERINUS_SOCKET": str(harness.stage.daemon.socket)})
    try:
        return terminal.run(commands)
    finally:
        terminal.close()


def watched(harness: Harness, folder: Path, commands: str) -> None:
    """Commands of which some go on until they are stopped: each goes on, or ended well."""
    lines = [line for line in commands.splitlines() if line]
    terminals = [Terminal(folder, {"SERINUS_SOCKET": str(harness.stage.daemon.socket)}) for _ in lines]
    try:
        running = [each.start(line) for each, line in zip(terminals, lines, strict=True)]
        sleep(WATCHED_SECONDS)
        assert [process.poll() or 0 for process in running] == [0] * len(lines)
    finally:
        for each in terminals:
            each.close()


def play_tutorial(folder: Path) -> str:
    """Three terminals, as the page has them; what the third shows."""
    terminals = [Terminal(folder) for _ in range(3)]
    for number, each in enumerate(terminals):
        each.output = folder / f"terminal-{number}.log"
    stage, daemon, reader = terminals
    rollouts = folder / "my-rollouts"
    try:
        stage.start(script("docs/tutorial.md", "playground"))
        eventually((rollouts / "env").exists, "the playground is ready", within=90)
        daemon.start(script("docs/tutorial.md", "daemon"))
        eventually((rollouts / "serinus.sock").exists, "the daemon listens")
        said = reader.run(script("docs/tutorial.md", "you"), within=PLAYS_SECONDS)
        assert "<svg" in (rollouts / "report.html").read_text(encoding="utf-8")
        return said
    finally:
        for each in reversed(terminals):
            each.close()


def play_first_model(folder: Path, endpoints: tuple[str, str]) -> str:
    """The page with ports that are free, and with two servers that run."""
    commands = script("docs/how-to/first-model.md")
    for number, endpoint in zip(("8001", "8002"), endpoints, strict=True):
        commands = commands.replace(f"127.0.0.1:{number}", endpoint)
    for number in ("9178", "9901", "9090", "8080"):
        commands = re.sub(rf"\b{number}\b", str(free_port()), commands)
    terminal = Terminal(folder)
    try:
        return terminal.run(commands, within=PLAYS_SECONDS)
    finally:
        terminal.close()


@dataclass(frozen=True, slots=True)
class Plays:
    """What plays in the background."""

    tutorial: Future[str]
    first_model: Future[str]
    pack: Future[list[Block]]


@pytest.fixture(scope="module")
def plays(whole_harness: Harness, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plays]:
    """All of them, begun."""
    stage = whole_harness.stage
    endpoints = (stage.endpoint("v1"), stage.endpoint("v2"))
    pack = script("docs/how-to/write-a-metrics-pack.md")
    with ThreadPoolExecutor(3) as pool:
        yield Plays(
            pool.submit(play_tutorial, tmp_path_factory.mktemp("tutorial")),
            pool.submit(play_first_model, tmp_path_factory.mktemp("first"), endpoints),
            pool.submit(play_pack, tmp_path_factory.mktemp("pack"), pack),
        )


@pytest.fixture
def begun(plays: Plays, harness: Harness) -> Harness:
    """The harness, while they play."""
    return harness


def serve(harness: Harness, model: str, **more: object) -> None:
    """A model of the page's name, served by v1, under a policy for the next rollout."""
    harness.write_policy(model, (step("50%", "1s", 5),), checks={"errors": {"max": "5%"}})
    harness.until_in_force(model)
    harness.deploy(model, "v1")
    harness.until(model, Phase.SUCCEEDED)
    harness.write_policy(model, STEPS if "approval" in more else (step("50%", "1h"),), **more)
    harness.until_in_force(model)


def test_people_are_asked_answer_and_share_how_it_went(begun: Harness, tmp_path: Path) -> None:
    serve(begun, "fraud-detector", approval={"before": ["start", "promotion"]})
    rollout = begun.deploy("fraud-detector", "v2")

    def asked(what: str) -> None:
        begun.until_status(rollout, lambda status: status.reason is Reason.WAITING_FOR_APPROVAL, what)

    asked("asking for the start")
    assert "WaitingForApproval" in typed(begun, tmp_path, script("docs/how-to/approvals.md", "yes"))
    with begun.traffic("fraud-detector"):
        begun.until_status(rollout, lambda status: status.phase is not Phase.PENDING, "begun")
        asked("asking for the step")
        typed(begun, tmp_path, script("docs/how-to/approvals.md", "number"))
        begun.until_weight(rollout, 50)
        asked("asking for the promotion")
        said = typed(begun, tmp_path, script("docs/how-to/approvals.md", "no"))
        begun.until(rollout, Phase.ROLLED_BACK)
    assert "the quarter's figures come first" in said
    reports = typed(begun, tmp_path, script("docs/how-to/share-a-report.md"))
    assert reports.count('"fraud-detector-2"') >= 1
    live = script("docs/how-to/watch-a-rollout.md", "watch")
    watched(begun, tmp_path, live + script("docs/how-to/watch-a-rollout.md", "find"))
    assert "<svg" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_model_with_little_traffic_is_looked_at_and_decided_about(begun: Harness, tmp_path: Path) -> None:
    serve(begun, "invoice-scorer", bake="1h")
    rollout = begun.deploy("invoice-scorer", "v2")
    begun.until_weight(rollout, 50)
    assert "WaitingForFirstRequest" in typed(begun, tmp_path, script("docs/how-to/low-traffic.md", "see"))
    typed(begun, tmp_path, script("docs/how-to/low-traffic.md", "promote"))
    begun.until(rollout, Phase.BAKING)
    typed(begun, tmp_path, script("docs/how-to/low-traffic.md", "abort"))
    begun.until(rollout, Phase.ABORTED)


def test_the_pack_counts_what_each_version_answered(plays: Plays) -> None:
    blocks = plays.pack.result(PLAYS_SECONDS)
    errors, first_tokens, truncated = ([block.checks[n] for block in blocks] for n in range(3))
    assert sum(each.canary.requests for each in errors) == 50
    assert sum(each.canary.bad for each in errors) == 3
    assert sum(each.stable.requests for each in errors) == 200
    assert sum(each.canary.requests for each in first_tokens) == 50
    assert sum(each.canary.bad for each in truncated) == 7


def test_the_first_model_of_ones_own(plays: Plays) -> None:
    said = plays.first_model.result(PLAYS_SECONDS)
    assert "every policy is valid" in said
    assert "Promoted: v1 serves everyone" in said
    assert "tumor-classifier-2: v2 of tumor-classifier" in said


def test_the_tutorial_promotes_one_version_and_rolls_another_back(plays: Plays) -> None:
    said = plays.tutorial.result(PLAYS_SECONDS)
    assert "Promoted: v2 serves everyone" in said
    assert "RolledBack  0%  CheckFailed: errors" in said
    assert "exit code 3" in said
    assert "evidence that the canary is worse: decisive" in said
