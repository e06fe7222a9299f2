"""Small records for the tests of stores."""

from datetime import UTC, datetime, timedelta

from controller.domain.judge.base import Assessment
from controller.domain.model import Command, CommandKind, Entry, Rollout
from controller.domain.policy import Policy, RouteRef, Step
from controller.domain.release import Release
from controller.domain.vocabulary import Phase, Reason, Verdict

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def rollout(name: str, model: str = "fraud", version: str = "v2") -> Rollout:
    step = Step(weight_permille=50, hold=timedelta(minutes=1), min_requests=10, deadline=timedelta(hours=1))
    policy = Policy(
        model, "ml", RouteRef("envoy", f"/{model}"), "envoy", steps=(step,), checks=(), judge="threshold"
    )
    release = Release(version, ("127.0.0.1:9000",))
    return Rollout(name, model, release, policy, created_at=NOW, created_by="ann", seq=1)


def entry(record: Rollout, command: Command | None = None) -> Entry:
    return Entry(
        seq=record.seq,
        at=NOW,
        actor=command.actor if command else "serinus",
        event="step_advanced",
        phase_before=Phase.PENDING,
        phase=record.phase,
        reason=Reason.STEP_RUNNING,
        message="5 % to v2",
        step=0,
        weight_permille=50,
        assessment=Assessment(Verdict.PASS),
        command=command,
    )


def word(request_id: str) -> Command:
    return Command(CommandKind.PAUSE, request_id, "ann", NOW)
