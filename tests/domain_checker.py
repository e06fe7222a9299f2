"""Judges a history of `tests.domain_world` by the guarantees, without asking the code under test.

Only S10 runs the core again, because determinism is what it is about.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from controller.domain.audience import EVERYBODY, Audience
from controller.domain.commands import announce, obey
from controller.domain.judge.counts import Block
from controller.domain.machine import decide
from controller.domain.mirroring import skips
from controller.domain.model import CommandKind, Decision, Rollout
from controller.domain.observation import GateWord, NoReading, Reading
from controller.domain.policy import CheckKind, Milestone, Policy, Step
from controller.domain.release import Split
from controller.domain.vocabulary import Phase, Reason, Verdict
from tests.domain_facts import Committed, Edited, Fact, Looked, Written

LONGEST_WATCHED = timedelta(seconds=60)
MOST_AT_FIRST = 200
"""The weight, in thousandths, at which a ladder may begin at the most."""


def judge(history: Sequence[Fact], initial: dict[str, Rollout], *, ever_bad: set[str]) -> None:
    """Raise AssertionError with the name of the guarantee that the history breaks."""
    for rollout_id, first in initial.items():
        story = [f for f in history if isinstance(f, Committed) and f.rollout.id == rollout_id]
        looks = [f for f in history if isinstance(f, Looked) and f.rollout_id == rollout_id]
        s10_the_log_can_be_replayed(first, story)
        s9_it_ends_once_and_as_the_route_says(story)
        for before, after in pairwise(story):
            s2_weights_move_by_single_steps(before, after, story)
            s8_stable_is_not_left_for_an_unready_one(before, after)
            s4_no_answer_decides_nothing(after, ever_bad)
            s19_people_approved_what_waits_for_them(before, after, story)
            s20_gates_let_pass_what_waits_for_them(before, after, story)
            if _asks_more(before, after) and not _person_promotes(after, story):
                s3_a_rise_rests_on_evidence(before, after, story)
                s14_a_rise_comes_after_the_time(before, after, story, looks)
            if _settles(before, after) and after.entry.command is None:
                s14_a_rise_comes_after_the_time(before, after, story, looks)
    s5_a_failed_version_stays_away(history)
    s1_writes_follow_the_record(history)


def copies(split: Split) -> bool:
    """Whether users' requests are copied to a version."""
    return split.canary is not None and split.mirror_permille > 0


def exposes(split: Split, version: str) -> bool:
    """Whether the version gets requests."""
    as_canary = split.canary is not None and split.canary.version == version
    given = as_canary and (split.weight_permille > 0 or split.audience != EVERYBODY)
    return given or (split.stable is not None and split.stable.version == version)


def s10_the_log_can_be_replayed(first: Rollout, story: Sequence[Committed]) -> None:
    assert [c.entry.seq for c in story] == list(range(1, len(story) + 1)), "S10: the log has gaps"
    record = first
    for each in story:
        entry = each.entry
        if entry.seq == 1:
            again = announce(record, entry.command)
        elif entry.command is not None:
            obeyed = obey(record, entry.command)
            assert isinstance(obeyed, Decision), f"S10: {entry.command} was followed and is now refused"
            again = obeyed
        else:
            assert entry.observation is not None, f"S10: entry {entry.seq} says not what it rests on"
            again = decide(record, entry.observation)
        assert again.entry == entry, f"S10: entry {entry.seq} is decided differently again"
        assert again.rollout == each.rollout, f"S10: record {entry.seq} is decided differently again"
        record = each.rollout


def s9_it_ends_once_and_as_the_route_says(story: Sequence[Committed]) -> None:
    for before, after in pairwise(story):
        rollout = after.rollout
        if before.rollout.phase.terminal:
            s21_copies_go_after_their_requests(before, after)
            continue
        if rollout.phase is Phase.SUCCEEDED:
            assert after.running == Split(stable=rollout.release), "S9: promoted, and not served"
        elif before.rollout.phase is Phase.ROLLING_BACK and rollout.phase.terminal:
            assert not exposes(after.running, rollout.release.version), f"S9: {rollout.phase}, and served"
        if rollout.phase.terminal and before.rollout.phase is Phase.ROLLING_BACK:
            assert not copies(after.running), f"S9: {rollout.phase}, and requests are copied"
        if rollout.phase is Phase.NOT_DEPLOYED:
            given = {each.rollout.weight_permille for each in story}
            assert given == {0}, f"S9: NotDeployed, and it had {max(given) / 10:g}% of the requests"


def s2_weights_move_by_single_steps(before: Committed, after: Committed, story: Sequence[Committed]) -> None:
    old, new, rollout = before.rollout.route.intended, after.rollout.route.intended, after.rollout
    if old == new:
        return
    ladder = [*(_rungs(rollout.policy) if rollout.stable else []), 1000]
    if new.canary is not None:
        person = _person_promotes(after, story)
        up = _level(new, ladder) - _level(old, ladder)
        audience = _audience(rollout.policy, new)
        asked = Split(rollout.stable, rollout.release, new.weight_permille, audience, new.mirror_permille)
        assert new == asked, "S1: a strange backend, or a strange audience"
        shadows = sum(step.mirror_permille > 0 for step in rollout.policy.steps)
        without = not old.reaches and bool(rollout.route.unmirrored) and up == 1 + shadows
        raised = up == 1 or without or (person and new.weight_permille == 1000)
        begun = rollout.policy.auto_steps and not old.weight_permille and new.weight_permille <= MOST_AT_FIRST
        lowered = up < 0 and after.entry.event == "weight_lowered"
        assert raised or begun or lowered, f"S2: {old} became {new}"
    elif new == Split(stable=rollout.release):
        assert old.weight_permille == 1000, f"S2: called stable at {old.weight_permille}"
        assert before.rollout.phase is Phase.BAKING, "S2: called stable without a bake"
    elif after.entry.event == "shadow_skipped":
        assert old.mirror_permille, f"S2: the shadow was left out at {old}"
        assert new == Split(stable=rollout.stable), f"S2: {new} where nothing can be copied"
    elif rollout.phase is Phase.PREPARING:
        assert new == Split(stable=rollout.stable), f"S2: {new} before any traffic"
    else:
        assert rollout.phase is Phase.ROLLING_BACK, f"S2: {new} in {rollout.phase}"
        assert new == Split(stable=rollout.stable), f"S2: rolled back to {new}"


def _rungs(policy: Policy) -> list[int]:
    """A number for each step: its weight, or what it copies below 0; a testers' step has the weight 0."""
    return [s.weight_permille or -s.mirror_permille for s in policy.steps if s.weight_permille < 1000]


def _level(split: Split, ladder: Sequence[int]) -> int:
    """0 before anything reaches the canary, then one more with each step."""
    exposed = split.canary is not None and exposes(split, split.canary.version)
    rung = split.weight_permille or -split.mirror_permille
    return 1 + ladder.index(rung) if exposed or copies(split) else 0


def _audience(policy: Policy, split: Split) -> Audience:
    """Testers from their step on, users who keep it from the first weight on, until one serves all."""
    if split.weight_permille == 1000 or split.mirror_permille:
        return EVERYBODY
    return Audience(policy.audience.testers, policy.audience.sticky if split.weight_permille else None)


def s8_stable_is_not_left_for_an_unready_one(before: Committed, after: Committed) -> None:
    old, rollout = before.rollout.route.intended, after.rollout
    alone = old.weight_permille == 1000 or old == Split(stable=rollout.release)
    starts = rollout.phase is Phase.ROLLING_BACK is not before.rollout.phase
    seen = after.entry.observation
    latched = seen is not None and seen.route is not None and seen.route.latched is not None
    if starts and alone and rollout.stable and not latched and after.entry.command is None:
        assert rollout.stable.version in after.ready, "S8: rolled back to a stable that is not ready"
    if starts and alone and not rollout.stable:
        assert rollout.ending is not Phase.SUPERSEDED, "S8: the only copy went for a newer release"
    if old.weight_permille < 1000 and rollout.route.intended.weight_permille == 1000:
        assert rollout.phase is Phase.PROMOTING, f"S8: everything to the canary in {rollout.phase}"


def s4_no_answer_decides_nothing(after: Committed, ever_bad: set[str]) -> None:
    seen, rollout = after.entry.observation, after.rollout
    if after.entry.event == "rollback_started" and rollout.cause is Reason.CHECK_FAILED:
        assert rollout.release.version in ever_bad, "S4: CheckFailed, and it was never bad"
        decided_before = seen is not None and seen.route is not None and seen.route.latched is not None
        silent = seen is not None and isinstance(seen.reading, NoReading)
        assert decided_before or not silent, "S4: no answer counted as FAIL"


def s3_a_rise_rests_on_evidence(before: Committed, after: Committed, story: Sequence[Committed]) -> None:
    policy, seen = before.rollout.policy, after.entry.observation
    assert seen is not None
    if before.rollout.phase is Phase.VALIDATING:
        asked = policy.validation is not None
        assert not asked or (seen.validation is not None and seen.validation.ok), "S3: not validated"
        return
    assert before.rollout.step is not None
    if skips(before.rollout):
        confirmed = seen.route is not None and seen.route.accepted and not copies(seen.route.split)
        assert confirmed, "S3: a rise while requests are perhaps still copied"
        return
    assert isinstance(seen.reading, Reading), "S3: a rise without an answer"
    fresh = seen.reading.blocks
    assert fresh, "S3: a rise without anything new"
    assert fresh[-1].end >= seen.reading.server_time - 2 * policy.interval, "S3: stale evidence"
    deciding = [c for c in after.entry.assessment.checks if not c.report_only]
    assert after.entry.assessment.verdict is Verdict.PASS, "S3: a rise without PASS"
    assert all(c.verdict in (Verdict.PASS, Verdict.SKIPPED) for c in deciding), "S3: a check does not pass"
    blocks = _blocks_in_force(story[_asked_at(story, before) : story.index(after) + 1])
    step = policy.steps[before.rollout.step]
    requests = sum(block.canary_requests for block in blocks)
    assert requests >= step.min_requests, f"S3: {requests} requests of {step.min_requests}"
    if policy.judge != "threshold":
        weight, most = after.rollout.weight_permille, after.entry.assessment.ceiling_permille
        assert weight in (1000, *range(most + 1)), f"S3: {weight} where the judge allows {most}"
        return
    for check in policy.checks:
        if check.kind is CheckKind.RATIO and check.max is not None and not check.report_only:
            tallies = [c.canary for block in blocks for c in block.checks if c.check == check.name]
            bad, of = sum(t.bad for t in tallies), sum(t.requests for t in tallies)
            assert bad <= check.max * of + 1e-6, f"S3: {bad} bad of {of} in {check.name}"


def s14_a_rise_comes_after_the_time(
    before: Committed, after: Committed, story: Sequence[Committed], looks: Sequence[Looked]
) -> None:
    policy, asked = before.rollout.policy, before.rollout.route.intended
    if before.rollout.phase is Phase.VALIDATING or skips(before.rollout):
        return
    baking = before.rollout.phase is Phase.BAKING
    needed = policy.bake if baking else policy.steps[before.rollout.step or 0].hold
    since = story[_asked_at(story, before)].at
    watched, longest = 0.0, max(LONGEST_WATCHED, 4 * policy.interval).total_seconds()
    for one, two in pairwise(look for look in looks if since <= look.at <= after.at):
        both = all(look.answered and look.running == asked for look in (one, two))
        gap = two.at - one.at
        watched += gap if both and one.clock_id == two.clock_id and gap <= longest else 0.0
    assert watched >= needed.total_seconds() - 1e-6, f"S14: watched {watched} s of {needed} at {asked}"


def s19_people_approved_what_waits_for_them(
    before: Committed, after: Committed, story: Sequence[Committed]
) -> None:
    """No weight that needs approval is given without enough people's words for it, after it was asked."""
    if not _needs_approval(before, after):
        return
    rules, rollout = after.rollout.policy.approval, after.rollout
    told: set[str] = set()
    for each in reversed(story[: story.index(after)]):
        command = each.entry.command
        assert command is None or command.kind is not CommandKind.DENY, "S19: given after a no"
        assert each.rollout.route.intended == before.rollout.route.intended, "S19: approved at other weights"
        if command is not None and command.kind is CommandKind.APPROVE:
            told.add(command.actor)
        if each.entry.event == "approval_asked":
            break
    else:
        raise AssertionError("S19: nobody was asked")
    others = told - {rollout.created_by} if rules.people > 1 else told
    assert len(others) >= rules.people, f"S19: {after.entry.message} with the words of {told}"


def s20_gates_let_pass_what_waits_for_them(
    before: Committed, after: Committed, story: Sequence[Committed]
) -> None:
    """No weight that needs a gate's word is given without it, after it was asked, and never after a no."""
    needed = _gates_needed(before, after)
    if not needed:
        return
    passed: set[str] = set()
    for each in reversed(story[: story.index(after)]):
        words = each.entry.observation.gates if each.entry.observation is not None else ()
        assert each.entry.event != "gate_denied", "S20: given after a no"
        assert each.rollout.route.intended == before.rollout.route.intended, "S20: asked at other weights"
        if each.entry.event == "gate_passed":
            passed |= {seen.name for seen in words if seen.word is GateWord.ALLOW}
        if each.entry.event in ("approval_asked", "gate_asked"):
            break
    else:
        raise AssertionError("S20: no gate was asked")
    assert needed <= passed, f"S20: {after.entry.message} with the words of {passed}"


def _gates_needed(before: Committed, after: Committed) -> set[str]:
    policy = after.rollout.policy
    milestone, steps = _passes(before, after)
    if milestone is None:
        return set()
    return {rules.name for rules in policy.gates if milestone in rules.before} | {
        step.gate for step in steps if step.gate
    }


def _needs_approval(before: Committed, after: Committed) -> bool:
    milestone, steps = _passes(before, after)
    asked = milestone in after.rollout.policy.approval.before
    return milestone is not None and (asked or any(step.approval for step in steps))


def _passes(before: Committed, after: Committed) -> tuple[Milestone | None, Sequence[Step]]:
    """What is passed between the two, and the steps that come with it or are skipped."""
    policy, weight = after.rollout.policy, after.rollout.weight_permille
    if before.rollout.phase is Phase.PENDING and after.rollout.phase is Phase.PREPARING:
        return Milestone.START, ()
    if not _asks_more(before, after):
        return None, ()
    if weight < 1000:
        assert after.rollout.step is not None
        first = -1 if before.rollout.step is None or policy.auto_steps else before.rollout.step
        return Milestone.STEP, policy.steps[first + 1 : after.rollout.step + 1]
    at = before.rollout.step
    return Milestone.PROMOTION, policy.steps[0 if at is None else at + 1 :]


def s21_copies_go_after_their_requests(before: Committed, after: Committed) -> None:
    """After the end nothing changes but, once, that the loser's requests have ended or had the drain time."""
    old, new, seen = before.rollout, after.rollout, after.entry.observation
    assert old.drain is None, "S9: it went on after its end"
    assert new == replace(old, drain=new.drain, seq=old.seq + 1), "S9: the end was changed afterwards"
    assert new.drain is not None
    assert seen is not None
    assert seen.in_flight is not None
    waited = max(seen.at - (old.updated_at or old.created_at), timedelta(0))
    over = waited >= old.policy.workload.drain
    assert seen.in_flight.requests == 0 or over, f"S21: cut after {waited}"


def s5_a_failed_version_stays_away(history: Sequence[Fact]) -> None:
    condemned: set[str] = set()
    versions: dict[str, str] = {}
    for fact in history:
        if isinstance(fact, Committed):
            version = versions[fact.rollout.id] = fact.rollout.release.version
            command = fact.entry.command
            if command is not None and command.kind is CommandKind.RETRY:
                condemned.discard(version)
            elif fact.entry.assessment.verdict is Verdict.FAIL:
                condemned.add(version)
        elif isinstance(fact, Written):
            given = versions[fact.rollout_id] in condemned and exposes(fact.after, versions[fact.rollout_id])
            assert not given, f"S5: {fact.after} after FAIL"


def s1_writes_follow_the_record(history: Sequence[Fact]) -> None:
    """Commit before act; never raised over what somebody else wrote, unless a person resumed since."""
    records: dict[str, Rollout] = {}
    consented: dict[str, float] = {}
    before: dict[str, Split] = {}  # what the gateway may still run, until the weight was seen in force
    edited: dict[Split, float] = {}
    for fact in history:
        match fact:
            case Edited():
                # the first time: consent to overwrite a split holds however often it is written
                edited.setdefault(fact.after, fact.at)
            case Committed():
                command = fact.entry.command
                if command is not None and fact.entry.phase_before is Phase.FROZEN:
                    consented[fact.rollout.id] = fact.at
                last = records.get(fact.rollout.id)
                if last is not None and last.route.intended != fact.rollout.route.intended:
                    before[fact.rollout.id] = last.route.intended
                elif _confirms(fact):
                    before.pop(fact.rollout.id, None)
                    consented.pop(fact.rollout.id, None)  # used up: the weight was seen in force
                records[fact.rollout.id] = fact.rollout
            case Written():
                rollout = records[fact.rollout_id]
                assert fact.after == rollout.route.intended, "S3: a write that no record asks for"
                assert 0 <= fact.after.weight_permille <= 1000, f"S1: weight {fact.after.weight_permille}"
                assert not rollout.phase.terminal, "S18: a write after the end"
                first = fact.after.exposes and not fact.before.exposes
                copied = fact.after.mirror_permille > fact.before.mirror_permille
                raises = first or copied or fact.after.weight_permille > fact.before.weight_permille
                if raises and fact.before in edited:
                    ours = fact.before == before.get(fact.rollout_id)
                    agreed = consented.get(fact.rollout_id, -1.0) >= edited[fact.before]
                    assert ours or agreed, f"S2: raised over the foreign {fact.before}"


def _confirms(fact: Committed) -> bool:
    route = fact.entry.observation.route if fact.entry.observation else None
    return route is not None and route.accepted and route.split == fact.rollout.route.intended


def _asks_more(before: Committed, after: Committed) -> bool:
    """Whether anybody gives the canary more, or copies of requests begin."""
    old, new = before.rollout.route.intended, after.rollout.route.intended
    first = not exposes(old, after.rollout.release.version) and exposes(new, after.rollout.release.version)
    copied = new.mirror_permille > old.mirror_permille
    return first or copied or new.weight_permille > old.weight_permille


def _person_promotes(after: Committed, story: Sequence[Committed]) -> bool:
    """Whether everyone is served on a person's word: said now, or earlier for when it can be done."""
    if after.rollout.weight_permille < 1000:
        return False
    kept = [each.entry for each in story[: story.index(after)] if each.entry.event == "promotion_asked"]
    words = [entry.command for entry in (after.entry, *kept)]
    return any(word is not None and word.kind is CommandKind.PROMOTE for word in words)


def _settles(before: Committed, after: Committed) -> bool:
    done = Split(stable=after.rollout.release)
    return (
        before.rollout.phase is Phase.BAKING
        and before.rollout.route.intended != done == after.rollout.route.intended
    )


def _asked_at(story: Sequence[Committed], until: Committed) -> int:
    """The commit that asked for the weight of ``until``, or the person's word that made it count anew."""
    at = story.index(until)
    asked = until.rollout.route.intended
    while at and story[at - 1].rollout.route.intended == asked:
        command = story[at].entry.command
        if command is not None and story[at].entry.phase_before in (Phase.FROZEN, Phase.HALTED):
            break
        at -= 1
    return at


def _blocks_in_force(story: Sequence[Committed]) -> list[Block]:
    """The blocks that began an interval after the weight was first seen in force, on the source's clock.

    One that began sooner is read again as long as nothing was counted, and may hold what was before.
    """
    asked = story[0].rollout.route.intended
    since: datetime | None = None
    blocks: list[Block] = []
    for each in story[1:]:
        seen = each.entry.observation
        if seen is None:
            continue
        if isinstance(seen.reading, NoReading) and seen.reading.reason is Reason.CLOCK_STEPPED:
            since = None
        if not isinstance(seen.reading, Reading):
            continue
        if since is not None:
            blocks += [block for block in seen.reading.blocks if block.start >= since]
        elif seen.route is not None and seen.route.split == asked and seen.route.accepted:
            since = seen.reading.server_time + each.rollout.policy.interval
    return blocks
