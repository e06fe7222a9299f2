"""The demo's two policies differ in the judge alone, what users met is counted by backend, reports stay."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from controller.adapters.registry import catalogue
from controller.control.client import ControlClient
from controller.domain.policy import CheckKind, Policy
from controller.domain.vocabulary import Phase, Reason
from controller.policy.loader import parse_policy
from deploy.local.compare import FOLDERS, Round
from deploy.local.http_client import Reply
from deploy.local.reports import write_reports
from deploy.local.stage import SLOW_SECONDS
from deploy.local.stream import Traffic
from deploy.local.tally import Tally
from tests.unit.control.stage import Stage, ended, serving

GOLDEN = b"protocol: json\npath: /predict\nrequests: [{name: one, body: {}}]\n"


def policy_in(folder: Path) -> Policy:
    (file,) = folder.glob("*.yaml")
    policy = parse_policy(file.read_bytes(), file.name, catalogue(), lambda _: GOLDEN)
    assert isinstance(policy, Policy), [str(fault) for fault in policy]
    return policy


def test_the_policies_that_are_compared_have_the_same_limits() -> None:
    policies = {judge: policy_in(folder) for judge, folder in FOLDERS.items()}
    assert {judge: policy.judge for judge, policy in policies.items()} == {judge: judge for judge in FOLDERS}
    sequential, classic = policies.values()
    assert sequential.checks == classic.checks
    assert (sequential.model, sequential.interval) == (classic.model, classic.interval)
    limits = [check.max for check in sequential.checks if check.kind is CheckKind.QUANTILE]
    assert limits == [SLOW_SECONDS]


@pytest.mark.parametrize(("seconds", "slow"), [(0.09, 0), (0.11, 1)])
def test_answers_beyond_the_limit_are_slow(seconds: float, slow: int) -> None:
    tally = Tally(slow_seconds=0.1)
    tally.count(Reply(200, {b"x-served-by": b"m@v4"}, b"{}"), seconds)
    assert tally.report(in_flight=0)["slow"] == {"m@v4": slow}


def test_without_a_limit_nothing_is_slow() -> None:
    tally = Tally()
    tally.count(Reply(500, {b"x-served-by": b"m@v3"}, b""), 15.0)
    assert tally.report(in_flight=0)["slow"] == {"m@v3": 0}


def test_bad_are_errors_of_the_one_version_and_slow_answers_of_the_other() -> None:
    backends = {"m@v3": {"200": 90, "500": 10}, "m@v4": {"200": 30, "500": 1}}
    traffic = Traffic(131, backends=backends, slow={"m@v3": 5, "m@v4": 25})
    failing, slow = (SimpleNamespace(backend=f"m@{version}") for version in ("v3", "v4"))
    assert Round("sequential", failing, slow).bad(traffic) == (10, 25)  # type: ignore[arg-type]


def test_a_report_of_each_act_takes_the_place_of_the_last_demos(tmp_path: Path) -> None:
    stage = Stage()
    rollout = stage.begin(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED))
    outcome = SimpleNamespace(act=SimpleNamespace(version="v2"), status=SimpleNamespace(rollout=rollout.id))
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "v2-Succeeded.html").touch()
    (folder / "mine.txt").touch()
    with serving(stage, tmp_path / "s" / "serinus.sock") as path:
        written = write_reports(ControlClient(path), [outcome], folder)  # type: ignore[list-item]
    assert written == [folder / "v2-RolledBack.html"]
    assert written[0].read_text().startswith("<!DOCTYPE html>")
    assert {file.name for file in folder.iterdir()} == {"v2-RolledBack.html", "mine.txt"}
