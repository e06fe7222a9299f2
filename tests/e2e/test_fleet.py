"""The rules of the fleet at the running daemon: whose turn it is, and the pause of everything."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.domain.model import CommandKind
from controller.domain.vocabulary import Phase, Reason
from tests.deploy.shell_blocks import script
from tests.deploy.terminal import Terminal
from tests.e2e.fake_model import fake_model
from tests.e2e.harness import Harness
from tests.e2e.policies import ENDLESS, ONE_STEP, step
from tests.e2e.proof import assert_gapless, weights
from tests.e2e.terminal import on_a_terminal

pytestmark = pytest.mark.integration

TWO_STEPS = (step("20%", "4s"), step("50%", "1s"))
BECAUSE = "the feature store is down"


@contextmanager
def one_at_a_time(harness: Harness) -> Iterator[None]:
    """One rollout at once, and none that other tests have left."""
    for each in harness.client.get().items:
        if not each.terminal:
            assert each.rollout is not None
            harness.client.command(each.rollout, CommandKind.ABORT)
            harness.until(each.rollout, Phase.ABORTED)
    with harness.daemon_with_settings({"SERINUS_FLEET__MAX_ROLLOUTS": "1"}):
        yield


@contextmanager
def nothing_stays_paused(harness: Harness) -> Iterator[None]:
    """Whatever happens, the next test finds nothing paused."""
    try:
        yield
    finally:
        harness.heal()
        harness.client.resume_all()


def test_the_second_waits_for_its_turn_says_so_and_starts_when_the_first_ends(harness: Harness) -> None:
    first, second = harness.model(ENDLESS), harness.model(ENDLESS)
    with one_at_a_time(harness):
        running = harness.deploy(first, "v2")
        harness.until_weight(running, 50)
        waiting = harness.deploy(second, "v2")
        harness.until_status(waiting, lambda status: status.reason is Reason.WAITING_FOR_TURN, "waiting")
        listed = json.loads(harness.cli("get", second, "-o", "json").stdout)["items"]
        assert [(each["phase"], each["reason"], each["weight"]) for each in listed] == [
            ("Pending", "WaitingForTurn", 0)
        ]
        assert "WaitingForTurn" in harness.cli("get", second, "-o", "wide").stdout
        why = harness.cli("why", second)
        assert why.returncode == 0, why.stderr
        assert "waits for its turn: 1 of 1 rollouts run already" in why.stdout
        assert "starts when there is a place for it" in why.stdout
        assert harness.ask(second, 10) == {f"{second}@v1": 10}

        harness.client.command(running, CommandKind.ABORT)
        harness.until(running, Phase.ABORTED)
        harness.until_weight(waiting, 50, within=10)
        ended = harness.entries(running)[-1]
        began = next(entry for entry in harness.entries(waiting) if entry.event == "rollout_started")
        assert ended.at <= began.at
        harness.client.command(waiting, CommandKind.ABORT)
        harness.until(waiting, Phase.ABORTED)


def test_a_pause_of_everything_outlives_the_daemon_and_keeps_no_rollback(harness: Harness) -> None:
    good, bad, late = harness.model(TWO_STEPS), harness.model(ENDLESS), harness.model(ENDLESS)
    with fake_model() as canary, harness.traffic(good), nothing_stays_paused(harness):
        failing = harness.deploy(bad, "v7", canary.endpoint)
        harness.until_weight(failing, 50)
        rollout = harness.deploy(good, "v2")
        harness.until_weight(rollout, 20)
        said = harness.cli("pause", "--all", "--reason", BECAUSE)
        assert said.returncode == 0, said.stderr
        assert said.stdout.startswith("everything is paused by ")
        assert said.stdout.endswith(f": {BECAUSE}\n")
        assert "resume --all" in said.stderr
        unstarted = harness.deploy(late, "v2")
        assert_held(harness, rollout, unstarted)

        daemon = harness.stage.daemon
        assert daemon.service is not None
        daemon.service.kill()
        daemon.start()
        assert_held(harness, rollout, unstarted)
        assert_shown(harness)
        early = harness.cli("promote", good)
        assert early.returncode == 1
        assert BECAUSE in early.stderr

        canary.ready = False
        assert harness.until(failing, Phase.ROLLED_BACK).reason is Reason.CANARY_NOT_READY
        assert harness.ask(bad, 20) == {f"{bad}@v1": 20}
        assert_held(harness, rollout, unstarted)

        resumed = harness.cli("resume", "--all")
        assert resumed.returncode == 0, resumed.stderr
        assert resumed.stdout.endswith(" lets everything go on\n")
        harness.until_weight(unstarted, 50)
        harness.until(rollout, Phase.SUCCEEDED)
        harness.client.command(late, CommandKind.ABORT)
    assert weights(harness.entries(rollout)) == [0, 20, 50, 100]
    assert_gapless(harness.entries(rollout))


def assert_held(harness: Harness, rollout: str, unstarted: str) -> None:
    """The one has its weight and does not step up, though nothing else lacks; the other does not start."""
    held = harness.until_status(rollout, lambda s: s.reason is Reason.EVERYTHING_PAUSED, "held")
    assert (held.phase, held.weight) == (Phase.PROGRESSING, 20)
    pending = harness.until_status(unstarted, lambda s: s.reason is Reason.EVERYTHING_PAUSED, "not started")
    assert (pending.phase, pending.weight) == (Phase.PENDING, 0)
    assert pending.message.endswith(f": {BECAUSE}")


def assert_shown(harness: Harness) -> None:
    """Who looks at all rollouts is told."""
    socket = str(harness.stage.daemon.socket)
    with on_a_terminal([sys.executable, "-m", "controller", "--socket", socket, "get"]) as screen:
        screen.until("everything is paused by ")
        screen.until("resume --all")
        assert screen.ended() == 0
    assert "EverythingPaused" in harness.cli("get", "-o", "wide").stdout


@pytest.mark.parametrize("word", ["pause", "resume"])
@pytest.mark.parametrize("more", [(), ("m0", "--all")], ids=["nothing", "both"])
def test_neither_a_model_nor_all_and_both_of_them_exit_2(
    harness: Harness, word: str, more: tuple[str, ...]
) -> None:
    answer = harness.cli(word, *more)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "give a MODEL, or --all for every model" in " ".join(answer.stderr.split())
    assert harness.client.fleet().paused is None


def serve(harness: Harness, model: str, **more: object) -> None:
    """A model of the page's name, served by v1, under a policy for its next rollout."""
    harness.write_policy(model, ONE_STEP)
    harness.until_in_force(model)
    harness.deploy(model, "v1")
    harness.until(model, Phase.SUCCEEDED)
    harness.write_policy(model, ENDLESS, **more)
    harness.until_in_force(model)


def test_the_commands_of_the_page(harness: Harness, tmp_path: Path) -> None:
    serve(harness, "text-embedder")
    serve(harness, "search-ranker", after=["text-embedder"])
    harness.until_weight(harness.deploy("text-embedder", "v2"), 50)
    ranker = harness.deploy("search-ranker", "v2")
    harness.until_status(ranker, lambda status: status.reason is Reason.WAITING_FOR_MODEL, "waiting")
    terminal = Terminal(tmp_path, {"SERINUS_SOCKET": str(harness.stage.daemon.socket)})
    try:
        with nothing_stays_paused(harness):
            assert "comes after text-embedder v2, which is Progressing" in terminal.run(
                script("docs/how-to/fleet.md", "waiting")
            )
            said = terminal.run(script("docs/how-to/fleet.md", "pause"))
            assert "everything is paused by " in said
            assert "lets everything go on" in said
        terminal.run(script("docs/how-to/fleet.md", "order"))
        harness.until_weight(ranker, 50)
        terminal.run(script("docs/how-to/fleet.md", "end"))
        harness.until(ranker, Phase.ABORTED)
    finally:
        terminal.close()
    harness.client.command("text-embedder", CommandKind.ABORT)
