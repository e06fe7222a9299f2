"""What operators and scripts see of the daemon: health, metrics, help, and a policy that is edited."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from controller.adapters.exported import EXPORTED
from controller.domain.vocabulary import Phase
from deploy.local.stack import REPOSITORY
from tests.e2e.harness import Harness
from tests.e2e.policies import ENDLESS, ONE_STEP, step
from tests.e2e.proof import eventually, weights

pytestmark = pytest.mark.integration

HEAVY = (
    "uvicorn",
    "jinja2",
    "apscheduler",
    "starlette",
    "httpx2",
    "sqlite3",
    "prometheus_client",
    "controller.app",
)


def test_health_and_metrics_answer_on_loopback(harness: Harness) -> None:
    model = harness.model(ENDLESS)
    with harness.traffic(model):
        rollout = harness.deploy(model, "v2")
        harness.until_status(rollout, lambda status: bool(status.checks[0].requests), "measured")
        status, text = harness.http("/metrics")
        harness.cli("abort", model)
    assert status == 200
    assert harness.http("/livez") == (200, "ok\n")
    assert harness.http("/readyz") == (200, "ok\n")
    families = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert families == set(EXPORTED)
    assert "\nserinus_leader 1.0" in text
    assert f'serinus_step_hold_seconds{{model="{model}"}}' in text
    assert f'serinus_rollout_phase{{model="{model}",phase="Progressing"}} 1.0' in text
    assert f'serinus_weight_ratio{{model="{model}"}} 0.5' in text
    assert f'serinus_policy_valid{{model="{model}"}} 1.0' in text
    pid = harness.stage.daemon.service.pid if harness.stage.daemon.service else 0
    assert listening_addresses(pid) == {"127.0.0.1"}


def listening_addresses(pid: int) -> set[str]:
    """The addresses of the TCP ports that a process listens at, by the kernel's word."""
    links = subprocess.run(
        ("readlink", "-v", *sorted(f"/proc/{pid}/fd/{fd}" for fd in range(256))),
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    inodes = set(re.findall(r"socket:\[(\d+)\]", links))
    found = set()
    for table in ("tcp", "tcp6"):
        with Path(f"/proc/{pid}/net/{table}").open() as lines:
            for line in list(lines)[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[9] in inodes:
                    address = fields[1].split(":")[0]
                    found.add(".".join(str(byte) for byte in reversed(bytes.fromhex(address))))
    return found


def test_help_loads_nothing_of_the_daemon() -> None:
    answer = subprocess.run(
        (sys.executable, "-X", "importtime", "-m", "controller", "--help"),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in answer.stderr.splitlines()}
    assert "controller.cli.main" in loaded
    assert not [name for name in loaded for heavy in HEAVY if name == heavy or name.startswith(f"{heavy}.")]


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("deploy", "--help"),
        ("get", "-o", "wide"),
        ("status", "m0"),
        ("why", "m0"),
        ("history", "m0", "--all"),
        ("report", "m0"),
        ("report", "m0", "--html"),
        ("explain", "steps"),
        ("status", "nobody"),
    ],
    ids=" ".join,
)
def test_nothing_piped_holds_an_escape_byte(harness: Harness, words: tuple[str, ...]) -> None:
    answer = harness.cli(*words)
    assert answer.stdout or answer.stderr
    assert "\x1b" not in answer.stdout + answer.stderr


def test_a_policy_that_becomes_invalid_amid_a_rollout_changes_only_the_next(harness: Harness) -> None:
    model = harness.model(ONE_STEP)
    file = harness.policy_file(model)
    with harness.traffic(model) as stream:
        rollout = harness.deploy(model, "v2")
        before = harness.until_weight(rollout, 50).policy
        file.write_text(f"model: {model}\nsteps: [ruin]\n")
        told = eventually(
            lambda: [line["error"] for line in harness.log("policy_invalid") if str(file) in line["error"]],
            "the log tells of the invalid file",
        )
        assert any(line.startswith(f"{file}:2:9: steps[0]") for line in told), told
        text = harness.http("/metrics")[1]
        assert f'serinus_policy_valid{{model="{model}"}} 0.0' in text
        assert "\nserinus_policy_files_invalid 1.0" in text
        assert harness.until(rollout, Phase.SUCCEEDED).policy == before
        assert stream.stop().failed == 0
    assert weights(harness.entries(rollout)) == [0, 50, 100]
    harness.write_policy(model, (step("10%", "1h"),))
    harness.until_in_force(model)
    following = harness.deploy(model, "v1")
    status = harness.until_weight(following, 10)
    assert status.policy != before
    harness.cli("abort", model)
