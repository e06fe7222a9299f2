"""Watching in a pipe: every change once, in order, none missed between two polls."""

import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

from controller.adapters.kube.resources import MODEL_ROLLOUTS
from controller.cli.choosing import Choice
from controller.cli.polling import Pace
from controller.cli.session import Session
from controller.cli.watching import watch_lines
from controller.cli.way import Line
from controller.control.client import ControlClient
from controller.domain.vocabulary import Phase, Reason
from tests.unit.cli.cluster_stage import a_cluster
from tests.unit.control.stage import Stage, progressing, serving


class Script:
    """What happens between one poll and the next; time itself takes none."""

    def __init__(self, *scenes: Callable[[], object]) -> None:
        self._scenes = list(scenes)

    def sleep(self, _: float) -> None:
        self._scenes.pop(0)()

    def pace(self) -> Pace:
        return Pace(1.0, 60.0, self.sleep, lambda: 0.0)


def lines_of(stage: Stage, path: Path, script: Script, *, as_records: bool = False) -> list[str]:
    with serving(stage, path), redirect_stdout(io.StringIO()) as out:
        watch_lines(
            Session(Line()), ControlClient(path), "fraud", script.pace(), Choice().of, as_records=as_records
        )
    return out.getvalue().splitlines()


def test_changes_between_two_polls_are_all_shown_and_what_moves_nothing_is_not(tmp_path: Path) -> None:
    stage = Stage()
    stage.begin(progressing())

    def much_happens() -> None:
        stage.move("fraud-1", message="20s more at 5%")
        stage.move("fraud-1", reason=Reason.CHECKS_FAILING, message="errors 2%")
        stage.move("fraud-1", reason=Reason.STEP_RUNNING, message="errors are fine again")
        stage.move("fraud-1", reason=Reason.STEP_RUNNING, message="10s more at 5%")

    def it_ends() -> None:
        stage.move("fraud-1", phase=Phase.ROLLED_BACK, reason=Reason.CHECK_FAILED, message="over")

    lines = lines_of(stage, tmp_path / "sock", Script(much_happens, lambda: None, it_ends))
    assert [line.split("  ", 1)[1] for line in lines] == [
        "fraud-1  Progressing  5%  StepRunning: 25s more at 5%",
        "fraud-1  Progressing  5%  ChecksFailing: errors 2%",
        "fraud-1  Progressing  5%  StepRunning: errors are fine again",
        "fraud-1  RolledBack  5%  CheckFailed: over",
    ]


def test_records_are_the_status_first_and_then_entries(tmp_path: Path) -> None:
    stage = Stage()
    stage.begin(progressing())

    def it_ends() -> None:
        stage.move("fraud-1", phase=Phase.ROLLED_BACK, reason=Reason.CHECK_FAILED, event="rollback_finished")

    records = [
        json.loads(line) for line in lines_of(stage, tmp_path / "sock", Script(it_ends), as_records=True)
    ]
    assert records[0]["steps"] == 2
    assert (records[1]["event"], records[1]["seq"]) == ("rollback_finished", 2)


def test_a_daemon_that_restarts_is_waited_for(tmp_path: Path) -> None:
    stage, path = Stage(), tmp_path / "sock"
    stage.begin(progressing())
    first = serving(stage, path)
    first.__enter__()

    def it_dies() -> None:
        first.__exit__(None, None, None)
        stage.move("fraud-1", phase=Phase.ABORTED, reason=Reason.ABORTED_BY_PERSON)

    second = serving(stage, path)
    with redirect_stdout(io.StringIO()) as out:
        watch_lines(
            Session(Line()),
            ControlClient(path),
            "fraud",
            Script(it_dies, second.__enter__).pace(),
            Choice().of,
            as_records=False,
        )
    second.__exit__(None, None, None)
    assert [line.split("  ")[2] for line in out.getvalue().splitlines()] == ["Progressing", "Aborted"]


def test_what_has_no_log_yet_is_followed_by_its_status() -> None:
    with a_cluster() as cluster, redirect_stdout(io.StringIO()) as out:
        cluster.apply("fraud-v2")

        def it_is_refused() -> None:
            said = {"phase": "NotDeployed", "reason": "SpecInvalid", "message": "no"}
            cluster.api.modify(MODEL_ROLLOUTS, "ml", "fraud-v2", lambda obj: obj.update(status=said))

        script = Script(lambda: None, it_is_refused)
        watch_lines(Session(Line()), cluster.client(), "fraud", script.pace(), Choice().of, as_records=False)
    assert [line.split("  ")[2] for line in out.getvalue().splitlines()] == ["Pending", "NotDeployed"]
