"""The command line against the running daemon: exit codes, effects within 5 s, superseding, retrying."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from controller.domain.vocabulary import Phase, Reason
from tests.e2e.fake_model import fake_model
from tests.e2e.harness import Harness
from tests.e2e.policies import ENDLESS, ONE_STEP
from tests.e2e.proof import assert_gapless
from tests.e2e.terminal import on_a_terminal

pytestmark = pytest.mark.integration

VISIBLE_SECONDS = 5


def running(harness: Harness) -> tuple[str, str]:
    """A model, and its rollout that only a person ends, at 50 %."""
    model = harness.model(ENDLESS)
    rollout = harness.deploy(model, "v2")
    harness.until_weight(rollout, 50)
    return model, rollout


def said(harness: Harness, word: str, model: str, phase: Phase) -> None:
    """Say the word, and see its effect in time."""
    began = time.monotonic()
    answer = harness.cli(word, model)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(f"{model}-")
    harness.until(model, phase, within=VISIBLE_SECONDS - (time.monotonic() - began))


def test_waiting_for_a_promotion_exits_0(harness: Harness) -> None:
    model = harness.new_model(ONE_STEP)
    harness.deploy(model, "v1")
    answer = harness.cli("status", model, "--wait", "--timeout", "30s", "-o", "json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["phase"] == "Succeeded"


def test_waiting_for_what_is_rolled_back_exits_3(harness: Harness) -> None:
    model = harness.model(ENDLESS)
    with fake_model() as canary:
        rollout = harness.deploy(model, "v7", canary.endpoint)
        harness.until_weight(rollout, 50)
        canary.ready = False
        answer = harness.cli("status", model, "--wait", "--timeout", "30s", "-o", "json")
    assert answer.returncode == 3, answer.stderr
    status = json.loads(answer.stdout)
    assert (status["phase"], status["reason"]) == ("RolledBack", "CanaryNotReady")
    assert f" why {rollout}" in answer.stderr


def test_waiting_for_what_is_not_deployed_exits_3(harness: Harness) -> None:
    model = harness.model(ENDLESS)
    with fake_model() as canary:
        canary.ready = False
        answer = harness.cli(
            "deploy", model, "v7", "--endpoint", canary.endpoint, "--wait", "--timeout", "30s", "-o", "json"
        )
    assert answer.returncode == 3, answer.stderr
    status = json.loads(answer.stdout)
    assert (status["phase"], status["reason"]) == ("NotDeployed", "ReadyDeadlineExceeded")


def test_waiting_for_what_is_paused_exits_5(harness: Harness) -> None:
    model, _ = running(harness)
    said(harness, "pause", model, Phase.PAUSED)
    assert harness.cli("status", model, "--wait").returncode == 5


def test_waiting_for_what_is_aborted_exits_6(harness: Harness) -> None:
    model, rollout = running(harness)
    said(harness, "abort", model, Phase.ABORTED)
    assert harness.cli("status", rollout, "--wait").returncode == 6
    assert harness.ask(model, 30) == {f"{model}@v1": 30}


def test_waiting_for_what_is_superseded_exits_6_and_the_newer_starts_at_weight_0(harness: Harness) -> None:
    model, older = running(harness)
    with fake_model() as canary:
        newer = harness.deploy(model, "v7", canary.endpoint)
        assert harness.cli("status", older, "--wait", "--timeout", "30s").returncode == 6
        harness.until_weight(newer, 50)
        assert harness.ask(model, 60).keys() == {f"{model}@v1", f"{model}@v7"}
        went, came = harness.entries(older), harness.entries(newer)
        harness.cli("abort", model)
    assert (went[-1].phase, went[-1].weight) == (Phase.SUPERSEDED, 0)
    assert went[-1].reason is Reason.NEWER_RELEASE
    began = next(entry for entry in came if entry.event == "rollout_started")
    assert went[-1].at <= began.at
    assert next(entry.step for entry in came if entry.weight > 0) == 1
    assert_gapless(went)


def test_waiting_too_long_exits_124(harness: Harness) -> None:
    model, _ = running(harness)
    answer = harness.cli("status", model, "--wait", "--timeout", "1s")
    assert answer.returncode == 124
    assert "still Progressing" in answer.stderr


def test_who_may_not_open_the_socket_exits_4(harness: Harness) -> None:
    socket = harness.stage.daemon.socket
    mode = socket.stat().st_mode
    nobody_special = ("setpriv", "--bounding-set=-dac_override") if os.getuid() == 0 else ()
    socket.chmod(0)
    try:
        answer = harness.cli("get", under=nobody_special)
    finally:
        socket.chmod(mode)
    assert (answer.returncode, answer.stdout) == (4, "")
    assert f"you may not open {socket}" in answer.stderr
    assert f"try:   ls -l {socket}" in answer.stderr


def test_no_daemon_exits_1(harness: Harness, tmp_path: Path) -> None:
    answer = harness.cli("--socket", str(tmp_path / "none"), "get")
    assert answer.returncode == 1
    assert "no daemon answers" in answer.stderr
    assert "serinus run" in answer.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("deploy", "m0", "not a version", "--endpoint", "127.0.0.1:1"),
        ("deploy", "m0", "v7", "--endpoint", "no-port"),
        ("deploy", "m0", "v7"),
        ("deploy", "x" * 200, "v7", "--endpoint", "127.0.0.1:1"),
        ("status", "x" * 200),
        ("status", "m0", "--wait", "--timeout", "soon"),
        ("status", "m0", "--timeout", "5s"),
        ("no-such-command",),
    ],
    ids=lambda words: " ".join(words)[:40],
)
def test_what_makes_no_sense_exits_2(harness: Harness, words: tuple[str, ...]) -> None:
    answer = harness.cli(*words)
    assert answer.returncode == 2, answer.stderr
    assert answer.stderr
    assert not answer.stdout


@pytest.mark.parametrize("words", [("status", "nobody"), ("abort", "nobody"), ("pause", "m0")])
def test_what_cannot_be_done_exits_1_and_says_what_to_type(harness: Harness, words: tuple[str, ...]) -> None:
    answer = harness.cli(*words)
    assert answer.returncode == 1
    assert answer.stderr.startswith("error: ")
    assert "try:   serinus" in answer.stderr


def test_two_rollouts_are_compared_and_the_exit_code_is_0_though_they_differ(harness: Harness) -> None:
    model, rollout = running(harness)
    answer = harness.cli("diff", model, "-o", "json")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert (found["before"]["rollout"], found["after"]["rollout"]) == (f"{model}-1", rollout)
    assert {"field": "version", "before": "v1", "after": "v2"} in found["version"]
    assert {"field": "steps[50%].for", "before": "2s", "after": "1h"} in found["policy"]
    harness.cli("abort", model)


def test_the_live_view_shows_a_real_rollout_and_a_daemon_that_restarts(harness: Harness) -> None:
    model, rollout = running(harness)
    daemon = harness.stage.daemon
    assert daemon.service is not None
    with on_a_terminal(
        [sys.executable, "-m", "controller", "--socket", str(daemon.socket), "watch", model]
    ) as screen:
        for sign in (rollout, "★ stable", "◆ canary  v2", "▶ 50%", "errors", "deadline"):
            screen.until(sign)
        daemon.service.stop(10)
        screen.until("the daemon has not answered for")
        daemon.start()
        harness.cli("abort", model)
        screen.until("Aborted")
        assert screen.ended() == 0
    assert "Traceback" not in screen.text


def test_pause_resume_and_promote_show_within_5_s(harness: Harness) -> None:
    model, rollout = running(harness)
    said(harness, "pause", model, Phase.PAUSED)
    said(harness, "resume", model, Phase.PROGRESSING)
    harness.until_status(rollout, lambda status: status.reason is not Reason.WAITING_FOR_GATEWAY, "at work")
    said(harness, "promote", model, Phase.BAKING)
    harness.until(rollout, Phase.SUCCEEDED)
    assert harness.ask(model, 30) == {f"{model}@v2": 30}
    actors = {entry.event: entry.actor for entry in harness.entries(rollout)}
    for event in ("rollout_paused", "rollout_resumed", "promotion_started"):
        assert actors[event].endswith(")"), "the log names the person"


def test_a_version_that_was_rolled_back_and_fixed_is_tried_again(harness: Harness) -> None:
    model = harness.model(ONE_STEP)
    with fake_model() as canary:
        rollout = harness.deploy(model, "v7", canary.endpoint)
        harness.until_weight(rollout, 50)
        canary.ready = False
        harness.until(rollout, Phase.ROLLED_BACK)
        canary.ready = True
        began = time.monotonic()
        answer = harness.cli("retry", model, "-o", "name")
        assert answer.returncode == 0, answer.stderr
        again = answer.stdout.strip()
        assert again != rollout
        harness.until_status(
            again, lambda status: status.weight == 50, "at 50 % again", within=VISIBLE_SECONDS
        )
        assert time.monotonic() - began < VISIBLE_SECONDS
        assert harness.client.status(again).retry_of == rollout
        with harness.traffic(model) as stream:
            harness.until(again, Phase.SUCCEEDED)
            assert stream.stop().failed == 0
