"""Testers before everybody else, and users who keep their version: what is asked for, and judged."""

from dataclasses import replace

import pytest

from controller.adapters.store.codec import decode_rollout, encode_rollout
from controller.domain.audience import EVERYBODY, Audience, AudienceRules, Carrier, Key, Match, Sticky
from controller.domain.judge.counts import Tally
from controller.domain.judge.share import CONTRADICTION, share_contradiction
from controller.domain.model import Rollout
from controller.domain.observing import Folded
from controller.domain.policy import Check, CheckKind, OnDrift
from controller.domain.release import Split
from controller.domain.rules.serving import misrouted
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.domain_facts import Written
from tests.domain_scenes import BAD, ERRORS, a_step, at, events, in_force, oldest, once, reach, seen
from tests.domain_world import World
from tests.judge_scenes import ENOUGH, Trial, errors, judged, past, strength

MATCH = Match(Key(Carrier.HEADER, "x-tester"), "1")
STICKY = Sticky(Key(Carrier.HEADER, "x-user-id"))
RULES = AudienceRules((MATCH,), STICKY, requests_per_user=20)
STEPS = (a_step(0, testers=True), a_step(50), a_step(250))
TESTERS = Audience((MATCH,))
BOTH = Audience((MATCH,), STICKY)


def with_testers(phase: Phase, /, **changes: object) -> World:
    return at(phase, **{"steps": STEPS, "audience": RULES, **changes})


def written(world: World) -> list[Split]:
    return [fact.after for fact in world.history if isinstance(fact, Written)]


def test_testers_come_first_keep_the_canary_and_everybody_else_follows() -> None:
    world = with_testers(Phase.SUCCEEDED)
    asked = [(split.weight_permille, split.audience) for split in written(world)]
    assert asked == [(0, TESTERS), (50, BOTH), (250, BOTH), (1000, EVERYBODY), (0, EVERYBODY)]
    assert events(world).count("step_advanced") == 2


@pytest.mark.parametrize("judge", ["threshold", "sequential"])
def test_testers_are_judged_by_limits_of_their_own_and_never_compared(judge: str) -> None:
    """Stable is worse than the limit against it would ever allow: nothing follows from that."""
    world = with_testers(Phase.PROGRESSING, judge=judge)
    rollout = reach_verdict(world)
    (found,) = rollout.evidence.checks
    assert found.limit == 0.01, "the absolute limit, and none against stable"
    assert found.strength is None or found.strength.difference is None
    assert found.reason not in (Reason.WORSE_THAN_STABLE, Reason.NO_STABLE_TRAFFIC)


def reach_verdict(world: World) -> Rollout:
    for _ in range(60):
        rollout = oldest(world)
        if rollout.step == 0 and rollout.evidence.canary_requests:
            return rollout
        world.live(seconds=5)
    raise AssertionError("nothing was measured")


@pytest.mark.parametrize("judge", ["threshold", "sequential"])
def test_a_canary_that_fails_its_testers_never_gets_anybody_else(judge: str) -> None:
    world = with_testers(Phase.PROGRESSING, judge=judge)
    world.versions["v2"].bad["errors"] = BAD
    rollout = reach(world, Phase.ROLLED_BACK)
    assert rollout.cause is Reason.CHECK_FAILED
    assert max(split.weight_permille for split in written(world)) == 0
    assert world.gateway.running == Split(stable=rollout.stable)


def test_a_check_without_a_limit_of_its_own_is_skipped_for_testers_and_asked_again_after() -> None:
    errors = Check("errors", CheckKind.RATIO, worse_by_points=0.005)
    world = with_testers(Phase.PROGRESSING, checks=(errors, Check("all", CheckKind.RATIO, max=0.5)))
    first = reach_verdict(world).evidence.checks[0]
    assert (first.verdict, first.reason) == (Verdict.SKIPPED, Reason.NO_STABLE_TRAFFIC)
    reach(world, Phase.PROGRESSING, step=1)
    world.live(seconds=20)
    second = oldest(world)
    assert (second.step, second.evidence.checks[0].limit) == (1, 0.005)


@pytest.mark.parametrize("judge", ["threshold", "sequential"])
def test_probes_are_no_tester_s_and_are_not_waited_for_at_their_step(judge: str) -> None:
    probes = Check("probes", CheckKind.RATIO, max=0.05, measure="probes")
    world = with_testers(Phase.PROGRESSING, judge=judge, checks=(ERRORS, probes))
    rollout = reach_verdict(world)
    assert [check.verdict for check in rollout.evidence.checks if check.name == "probes"] == [Verdict.SKIPPED]
    reach(world, Phase.PROGRESSING, step=1)


def test_a_canary_that_is_not_ready_loses_its_testers_too() -> None:
    world = with_testers(Phase.PROGRESSING)
    in_force(world)
    world.versions["v2"].ready = False
    world.live(seconds=60)
    assert oldest(world).cause is Reason.CANARY_NOT_READY


def test_testers_who_somebody_else_lets_in_or_shuts_out_are_drift() -> None:
    for edited in (EVERYBODY, Audience(edited=True)):
        world = with_testers(Phase.PROGRESSING)
        running = in_force(world).route.intended
        world.edit(replace(running, audience=edited))
        assert once(world, 2).phase is Phase.FROZEN
    world = with_testers(Phase.PROGRESSING, on_drift=OnDrift.RESTORE)
    running = in_force(world).route.intended
    world.edit(replace(running, audience=Audience(edited=True)))
    once(world, 3)
    assert world.gateway.declared == running


def test_a_rollback_is_not_over_while_testers_have_the_canary() -> None:
    world = with_testers(Phase.PROGRESSING)
    running = in_force(world).route.intended
    world.versions["v2"].bad["errors"] = BAD
    reach(world, Phase.ROLLING_BACK)
    world.edit(replace(running, audience=TESTERS))
    world.live(seconds=60)
    assert oldest(world).phase is Phase.ROLLED_BACK
    assert not world.gateway.running.exposes


def test_copies_are_made_for_testers_before_they_come() -> None:
    assert oldest(with_testers(Phase.PREPARING)).supply_permille > 0


def test_an_eased_canary_keeps_the_first_weight_and_is_not_given_to_testers_alone() -> None:
    world = with_testers(Phase.PROGRESSING, judge="sequential")
    reach(world, Phase.PROGRESSING, step=2)
    world.versions["v2"].bad["errors"] = 0.02
    world.live(seconds=240)
    after = [split.weight_permille for split in written(world)[3:] if split.canary]
    assert 0 not in after


def test_the_record_keeps_the_audience() -> None:
    world = with_testers(Phase.PROGRESSING)
    record = reach(world, Phase.PROGRESSING, step=1)
    assert decode_rollout(encode_rollout(record)) == record
    assert record.route.intended.audience == BOTH


def test_a_record_of_before_there_were_audiences_is_read() -> None:
    record = oldest(at(Phase.PROGRESSING))
    older = encode_rollout(record).replace(b',"audience":{"testers":[],"sticky":null,"edited":false}', b"")
    assert b'"edited"' not in older
    assert decode_rollout(older) == record


def test_without_a_step_of_their_own_testers_come_with_the_first_weight() -> None:
    world = at(Phase.PROGRESSING, audience=RULES)
    assert oldest(world).route.intended.audience == BOTH


def test_a_user_s_requests_are_one_witness_of_the_share() -> None:
    """One user of four hundred requests at 5% is no gateway's fault; forty such users are."""
    assert share_contradiction(400, 400, 0.05) > CONTRADICTION
    assert share_contradiction(400, 400, 0.05, together=400) < CONTRADICTION
    assert share_contradiction(16_000, 16_000, 0.05, together=400) > CONTRADICTION


def test_testers_among_the_counts_excuse_too_many_requests_and_never_too_few() -> None:
    assert share_contradiction(900, 100, 0.05, may_be_more=True) == 0.0
    assert share_contradiction(1000, 0, 0.05, may_be_more=True) == 0.0
    assert share_contradiction(0, 2000, 0.05, may_be_more=True) > CONTRADICTION


def test_a_gateway_that_gives_testers_more_is_not_accused_where_they_are_counted_with_all() -> None:
    for mixed, accused in ((True, False), (False, True)):
        rules = replace(RULES, sticky=None, requests_per_user=1, mixed=mixed)
        rollout = in_force(at(Phase.PROGRESSING, audience=rules))
        counted = replace(rollout.evidence, canary_requests=400, stable_requests=600)
        folded = Folded(replace(rollout, evidence=counted))
        assert (misrouted(folded, seen(at(Phase.PROGRESSING))) is not None) is accused


ONE_BAD = (Tally(20, 1), Tally(1000, 1))


def blocks_until_failure(trial: Trial) -> int:
    for number in range(1, 400):
        if trial.show(errors=ONE_BAD).verdict is Verdict.FAIL:
            return number
    raise AssertionError("never")


def alone(steps: tuple[object, ...], **terms: object) -> Trial:
    policy = judged(errors(max=0.01), steps=steps, audience=AudienceRules((MATCH,)))
    return Trial(policy, compare=False, **terms)


def test_testers_bring_a_part_of_the_evidence_so_that_both_together_mislead_no_more_often() -> None:
    """A mean of two e-processes: a fifth for testers, so five times the evidence is needed of them."""
    usual = blocks_until_failure(alone(STEPS[1:]))
    of_testers = blocks_until_failure(alone(STEPS, testers=True))
    after = blocks_until_failure(alone(STEPS))
    assert usual <= after <= of_testers
    assert usual < of_testers


def test_what_testers_showed_is_neither_lost_nor_counted_twice() -> None:
    fresh = blocks_until_failure(alone(STEPS))
    trial = alone(STEPS, testers=True)
    while trial.show(errors=ONE_BAD).verdict is not Verdict.FAIL:
        before = trial.state
    trial.state = trial.judge.after_testers(before)
    earlier = trial.memory.earlier
    assert 0 < earlier < ENOUGH
    assert trial.memory.checks["errors"].canary.requests == 0, "counts begin anew"
    trial.terms = replace(trial.terms, testers=False)
    assert trial.assess().verdict is not Verdict.FAIL
    assert blocks_until_failure(trial) < fresh
    good = alone(STEPS, testers=True)
    good.show(50, errors=(Tally(100, 0), Tally(1000, 0)))
    good.state = good.judge.after_testers(good.state)
    assert -0.2 <= good.memory.earlier <= 0


def test_a_user_s_requests_are_one_witness_for_the_judge() -> None:
    """The same blocks say less where each user has one version for all of his requests."""
    worse = (Tally(100, 6), Tally(1900, 19))
    check = errors(worse_by_points=0.005)
    by_chance = Trial(judged(check), calibration=past())
    kept = AudienceRules((), STICKY, requests_per_user=20)
    by_user = Trial(judged(check, audience=kept), calibration=past())
    found = [strength(trial.show(6, errors=worse)) for trial in (by_chance, by_user)]
    assert (found[0].design_effect, found[1].design_effect) == (1.0, 20.0)
    assert found[0].against > found[1].against
    unknown = Trial(judged(check, audience=kept), calibration=None)
    assert strength(unknown.show(6, errors=worse)).design_effect == 20.0
