"""SIGTERM in every phase, a restart with nothing to do, a second daemon in the same place."""

import json
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from controller.domain.model import CommandKind
from controller.domain.vocabulary import Phase
from deploy.local.daemon import ARGV
from deploy.local.stack import free_port
from tests.e2e.fake_model import fake_model
from tests.e2e.harness import Harness
from tests.e2e.policies import step
from tests.e2e.proof import assert_gapless, eventually, weights

pytestmark = pytest.mark.integration

GOLDEN = {
    "protocol": "oip-v2",
    "timeout": "60s",
    "requests": [
        {"name": "any", "body": {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [0]}]}}
    ],
}


def stop_and_start(harness: Harness) -> float:
    """SIGTERM, the exit code, and the daemon again; gives the seconds to the exit."""
    daemon = harness.stage.daemon
    assert daemon.service is not None
    began = time.monotonic()
    assert daemon.service.stop(10) == 0
    seconds = time.monotonic() - began
    daemon.start()
    return seconds


def test_sigterm_in_any_phase_ends_the_daemon_in_order_and_the_next_goes_on(
    harness: Harness, figures: Callable[[str], None]
) -> None:
    """One rollout, stopped in each phase that lasts; the test decides what the canary does."""
    took: dict[str, float] = {}
    (harness.stage.daemon.policies / "any.golden.yaml").write_text(json.dumps(GOLDEN))
    model = harness.model(
        (step("50%", "3s"),),
        bake="2s",
        ready_deadline="1m",
        validation={"golden": "any.golden.yaml", "deadline": "1m"},
        notify=["hanging"],
    )
    with fake_model() as canary, harness.traffic(model) as stream:
        canary.ready = False
        canary.answering.clear()
        rollout = harness.deploy(model, "v7", canary.endpoint)
        harness.until(rollout, Phase.PREPARING)
        took["Preparing"] = stop_and_start(harness)
        assert harness.client.status(rollout).phase is Phase.PREPARING
        canary.ready = True
        eventually(lambda: canary.asked, "a golden request waits for its answer")
        took["Validating"] = stop_and_start(harness)
        canary.answering.set()
        harness.until_weight(rollout, 50)
        took["Progressing"] = stop_and_start(harness)
        harness.client.command(rollout, CommandKind.PAUSE)
        took["Paused"] = stop_and_start(harness)
        assert harness.client.status(rollout).phase is Phase.PAUSED
        harness.client.command(rollout, CommandKind.RESUME)
        harness.until(rollout, Phase.BAKING)
        took["Baking"] = stop_and_start(harness)
        harness.until(rollout, Phase.SUCCEEDED)
        traffic = stream.stop()
    figures(", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in took.items()))
    figures(f"{traffic.sent} requests, {traffic.failed} failed")
    assert max(took.values()) < 10, took
    entries = harness.entries(rollout)
    assert_gapless(entries)
    assert weights(entries) == [0, 50, 100]
    assert traffic.failed == 0, (traffic.statuses, traffic.errors)


def test_sigterm_amid_a_rollback_that_the_gateway_cannot_confirm(harness: Harness) -> None:
    model = harness.model((step("50%", "1h"),))
    rollout = harness.deploy(model, "v2")
    harness.until_weight(rollout, 50)
    harness.stage.gateway.kill()
    harness.client.command(rollout, CommandKind.ABORT)
    harness.until(rollout, Phase.ROLLING_BACK)
    assert stop_and_start(harness) < 10
    assert harness.client.status(rollout).phase is Phase.ROLLING_BACK
    harness.stage.restart_gateway()
    harness.until(rollout, Phase.ABORTED)
    assert harness.ask(model, 50) == {f"{model}@v1": 50}


def test_a_restart_with_nothing_to_do_writes_nothing(harness: Harness) -> None:
    files = [harness.stage.stack.xds / name for name in ("rds.json", "cds.json")]
    with closing(harness.connect_to_store()) as connection:

        def state() -> tuple[object, ...]:
            version = connection.execute("PRAGMA data_version").fetchone()
            entries = connection.execute("SELECT count(*), max(rowid) FROM entry").fetchone()
            return version, entries, [(path.read_bytes(), path.stat().st_mtime_ns) for path in files]

        assert all(status.terminal for status in harness.client.get().items)
        stop_and_start(harness)  # what earlier tests left behind is swept by now
        before = state()
        stop_and_start(harness)
        eventually(
            lambda: 'serinus_passes_total{outcome="ok"}' in harness.http("/metrics")[1], "a pass over all"
        )
        assert state() == before


def second_daemon(harness: Harness, **settings: str) -> "subprocess.CompletedProcess[str]":
    ours = harness.stage.daemon.settings | {"SERINUS_HTTP_PORT": str(free_port())} | settings
    return subprocess.run(
        ARGV,
        cwd=Path(__file__).parents[2],
        env={"PATH": "/usr/bin:/bin"} | ours,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("shares", ["everything", "the gateway's folder", "the state folder", "the socket"])
def test_a_second_daemon_is_refused_and_the_first_goes_on(
    harness: Harness, tmp_path: Path, shares: str
) -> None:
    own = {
        "SERINUS_STATE_DIR": str(tmp_path / "state"),
        "SERINUS_ENVOY__FOLDER": str(tmp_path / "xds"),
        "SERINUS_SOCKET": str(tmp_path / "socket"),
    }
    (tmp_path / "state").mkdir()
    shared = {
        "everything": set(own),
        "the gateway's folder": {"SERINUS_ENVOY__FOLDER"},
        "the state folder": {"SERINUS_STATE_DIR"},
        "the socket": {"SERINUS_SOCKET"},
    }[shares]
    before = harness.http("/readyz"), harness.client.get()
    said = second_daemon(harness, **{name: value for name, value in own.items() if name not in shared})
    assert said.returncode == 1, said.stderr
    last = said.stderr.splitlines()[-1]
    assert last.startswith("serinus: another "), said.stderr
    assert "stop it" in last
    assert "Traceback" not in said.stderr
    assert (harness.http("/readyz"), harness.client.get()) == before
