"""What is done to workloads once a rollout is over."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.domain.aftercare import Care, Due, aftercare, backends_in_use, in_use
from controller.domain.model import Rollout
from controller.domain.policy import WorkloadRules
from controller.domain.release import Backend, BackendKind, Image, Release
from controller.domain.vocabulary import TERMINAL, Phase
from tests.fakes import EPOCH, a_policy, a_rollout

RULES = WorkloadRules(drain=timedelta(seconds=60), keep_for=timedelta(hours=1))
OURS = Release("v2", backend=Backend(BackendKind.SERVICE, "fraud-v2", 80), image=Image("fraud:v2"))
OLD = Release("v1", backend=Backend(BackendKind.SERVICE, "fraud-v1", 80), image=Image("fraud:v1"))
THEIRS = Release("v1", backend=Backend(BackendKind.SERVICE, "fraud-v1", 80))
LOST = sorted(TERMINAL - {Phase.SUCCEEDED})


def ended(
    phase: Phase, release: Release = OURS, stable: Release | None = OLD, *, scale: bool = False
) -> Rollout:
    policy = a_policy(workload=replace(RULES, scale=scale))
    return replace(
        a_rollout(policy), phase=phase, release=release, stable=stable, updated_at=EPOCH, supply_permille=50
    )


@pytest.mark.parametrize("phase", LOST)
def test_a_canary_that_lost_is_drained_scaled_down_and_at_last_deleted(phase: Phase) -> None:
    assert aftercare(ended(phase), EPOCH) == (
        Due(OURS, Care.SCALE_DOWN, timedelta(seconds=60)),
        Due(OURS, Care.DELETE, timedelta(hours=1)),
    )
    later = aftercare(ended(phase), EPOCH + timedelta(minutes=10))
    assert [due.wait for due in later] == [timedelta(0), timedelta(minutes=50)]


def test_after_a_promotion_it_is_the_old_stable() -> None:
    assert {due.release for due in aftercare(ended(Phase.SUCCEEDED), EPOCH)} == {OLD}


def test_what_serinus_did_not_create_is_left_alone_and_never_deleted() -> None:
    assert aftercare(ended(Phase.SUCCEEDED, stable=THEIRS), EPOCH) == ()
    assert aftercare(ended(Phase.SUCCEEDED, stable=None), EPOCH) == ()
    [due] = aftercare(ended(Phase.SUCCEEDED, stable=THEIRS, scale=True), EPOCH)
    assert due.care is Care.SCALE_DOWN


def test_a_rollout_that_never_asked_for_copies_left_none() -> None:
    assert aftercare(replace(ended(Phase.SUPERSEDED), supply_permille=0), EPOCH) == ()


@pytest.mark.parametrize("phase", [phase for phase in Phase if not phase.terminal])
def test_nothing_is_done_while_it_runs(phase: Phase) -> None:
    assert aftercare(ended(phase), EPOCH + timedelta(days=9)) == ()


def test_a_clock_that_went_back_only_makes_it_late() -> None:
    [first, _] = aftercare(ended(Phase.ABORTED), EPOCH - timedelta(hours=2))
    assert first.wait == RULES.drain


def test_what_serves_or_takes_part_is_in_use() -> None:
    assert OLD.backend is not None
    assert backends_in_use([], OLD) == (OLD.backend,)
    assert backends_in_use([ended(Phase.PROGRESSING)], None) == (OLD.backend, OURS.backend)
    assert backends_in_use([ended(Phase.ABORTED)], None) == ()
    assert in_use(replace(OLD.backend, port=None), [OLD.backend]), "the port does not matter"
    assert not in_use(replace(OLD.backend, name="other"), [OLD.backend])
