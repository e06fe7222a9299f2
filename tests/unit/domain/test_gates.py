"""Waiting for the word of a gate: when it is asked, and what follows from what it says."""

import pytest

from controller.domain.approval import Goal
from controller.domain.model import CommandKind, Refusal
from controller.domain.observation import GateWord
from controller.domain.planning import plan
from controller.domain.policy import ApprovalRules, Fallback, GateRules, Milestone
from controller.domain.vocabulary import Phase, Reason
from tests.domain_scenes import (
    BAD,
    a_step,
    a_world,
    entry_of,
    events,
    followed,
    newest,
    oldest,
    once,
    reach,
    seconds,
)
from tests.domain_world import World

DESK = (a_step(50), a_step(250, gate="desk"))
AT_ONCE = (a_step(50, gate="desk"), a_step(250))
HOUR = seconds(3600)


def asked(*, passes: int = 500, **changes: object) -> World:
    """A world that has lived until a gate is asked."""
    world = a_world(**{"steps": DESK, **changes})
    for _ in range(passes):
        if (asking := oldest(world).asking) is not None and asking.shut:
            return world
        once(world)
    raise AssertionError(f"no gate is asked: {oldest(world).phase}, {oldest(world).message}")


def desk(**changes: object) -> tuple[GateRules, ...]:
    return (GateRules("desk", **changes),)  # type: ignore[arg-type]


def test_a_step_waits_at_the_weight_before_it_until_the_gate_lets_it_pass() -> None:
    world = asked()
    rollout = once(world, 50)
    assert (rollout.phase, rollout.weight_permille) == (Phase.PROGRESSING, 50)
    assert rollout.reason is Reason.WAITING_FOR_GATE
    assert rollout.message == "step 2 (25%) waits for gate desk"
    assert plan(rollout).gates == ("desk",)
    world.gates["desk"] = GateWord.ALLOW
    once(world)
    assert entry_of(world, "gate_passed").entry.message == "gate desk lets step 2 (25%) pass"
    once(world, 2)
    assert (oldest(world).weight_permille, oldest(world).asking) == (250, None)
    reach(world, Phase.SUCCEEDED)
    assert events(world).count("gate_asked") == events(world).count("gate_passed") == 1


def test_an_asking_bears_the_number_of_the_entry_that_asked() -> None:
    world = asked()
    asking = oldest(world).asking
    assert asking is not None
    assert asking.goal == Goal(Milestone.STEP, 1)
    assert asking.number == entry_of(world, "gate_asked").entry.seq


def test_a_gate_is_asked_before_the_start_and_before_the_promotion() -> None:
    world = asked(steps=(a_step(50),), gates=desk(before=(Milestone.START, Milestone.PROMOTION)))
    assert oldest(world).phase is Phase.PENDING
    assert oldest(world).message == "the start waits for gate desk"
    world.gates["desk"] = GateWord.ALLOW
    reach(world, Phase.PROGRESSING)
    del world.gates["desk"]
    while oldest(world).asking is None:
        once(world)
    assert oldest(world).message == "the promotion waits for gate desk"
    assert oldest(world).weight_permille == 50
    world.gates["desk"] = GateWord.ALLOW
    reach(world, Phase.SUCCEEDED)


def test_people_and_gates_are_asked_at_once_and_all_must_agree() -> None:
    steps = (a_step(50), a_step(250, gate="desk", approval=True))
    world = asked(steps=steps, gates=(GateRules("audit", before=(Milestone.PROMOTION,)),))
    assert oldest(world).reason is Reason.WAITING_FOR_APPROVAL
    assert oldest(world).message == "step 2 (25%) waits for the approval of 1 person and for gate desk"
    world.gates["desk"] = GateWord.ALLOW
    once(world, 3)
    assert oldest(world).message == "step 2 (25%) waits for the approval of 1 person"
    followed(world.say(CommandKind.APPROVE, newest(world), actor="bob"))
    once(world, 2)
    assert oldest(world).weight_permille == 250


def test_a_promotion_asks_the_gates_of_the_steps_that_it_skips() -> None:
    world = a_world(None, steps=DESK)
    while oldest(world).asking is None:
        once(world)
    assert oldest(world).message == "the promotion waits for gate desk"


def test_a_persons_word_does_not_replace_the_gates() -> None:
    world = asked()
    for kind, said in (
        (CommandKind.APPROVE, "step 2 (25%) asks for nobody's approval; it waits for gate desk"),
        (CommandKind.PROMOTE, "step 2 (25%) waits for gate desk, which promote does not replace"),
    ):
        answer = world.say(kind, newest(world), actor="bob")
        assert isinstance(answer, Refusal)
        assert answer.message == said
    early = a_world(steps=DESK)
    reach(early, Phase.PROGRESSING)
    answer = early.say(CommandKind.PROMOTE, newest(early))
    assert isinstance(answer, Refusal)
    assert "gate desk asked about step 2 (25%), which promote does not skip" in answer.message


# no, nothing, and nonsense


@pytest.mark.parametrize(
    ("steps", "end"),
    [(DESK, Phase.ROLLED_BACK), (AT_ONCE, Phase.NOT_DEPLOYED)],
    ids=["with", "without traffic"],
)
def test_a_no_ends_the_rollout(steps: tuple[object, ...], end: Phase) -> None:
    world = asked(steps=steps)
    world.gates["desk"] = GateWord.DENY
    rollout = reach(world, end)
    assert rollout.reason is Reason.GATE_DENIED
    assert rollout.message.startswith("gate desk does not let step ")


def test_a_no_that_holds_pauses_and_a_resume_asks_anew() -> None:
    world = asked(gates=desk(on_deny=Fallback.HOLD))
    world.gates["desk"] = GateWord.DENY
    rollout = reach(world, Phase.PAUSED)
    assert (rollout.reason, rollout.weight_permille, rollout.asking) == (Reason.GATE_DENIED, 50, None)
    assert plan(rollout).gates == ()
    world.gates["desk"] = GateWord.ALLOW
    followed(world.say(CommandKind.RESUME, newest(world)))
    reach(world, Phase.SUCCEEDED)
    assert events(world).count("gate_asked") == 2


def test_a_gate_that_gives_no_word_is_told_of_once_and_asked_again() -> None:
    world = asked()
    world.gates["desk"] = GateWord.ERROR
    rollout = once(world, 20)
    assert (rollout.phase, rollout.reason, rollout.weight_permille) == (
        Phase.PROGRESSING,
        Reason.GATE_FAILED,
        50,
    )
    assert rollout.message == "gate desk gives no word: no route to host; it is asked again"
    assert events(world).count("gate_failed") == 1
    assert entry_of(world, "gate_failed").entry.notable
    world.gates["desk"] = GateWord.ALLOW
    reach(world, Phase.SUCCEEDED)


def test_a_gate_that_gives_no_word_ends_the_rollout_where_the_policy_says_so() -> None:
    world = asked(gates=desk(on_error=Fallback.ROLLBACK))
    world.gates["desk"] = GateWord.ERROR
    rollout = reach(world, Phase.ROLLED_BACK)
    assert rollout.reason is Reason.GATE_FAILED


@pytest.mark.parametrize("word", [None, GateWord.ERROR])
def test_a_gate_that_takes_too_long_ends_the_rollout_where_the_policy_says_so(word: GateWord | None) -> None:
    world = asked(gates=desk(within=HOUR, on_timeout=Fallback.ROLLBACK))
    world.gates.update({"desk": word} if word else {})
    begun = world.seconds
    rollout = reach(world, Phase.ROLLED_BACK, passes=5000)
    assert 3600 <= world.seconds - begun < 3660
    assert rollout.reason is Reason.GATE_TIMED_OUT
    assert rollout.message == "not let pass within 1h: step 2 (25%) waits for gate desk"


def test_a_gate_that_takes_too_long_is_told_of_once_where_the_policy_holds() -> None:
    world = asked(gates=desk(within=HOUR))
    once(world, 1500)
    assert oldest(world).reason is Reason.WAITING_FOR_GATE
    assert events(world).count("gate_overdue") == 1
    world.gates["desk"] = GateWord.ALLOW
    reach(world, Phase.SUCCEEDED)


def test_people_who_have_approved_are_not_late_because_a_gate_is() -> None:
    steps = (a_step(50), a_step(250, gate="desk", approval=True))
    rules = ApprovalRules(within=HOUR, on_timeout=Fallback.ROLLBACK)
    world = asked(steps=steps, approval=rules)
    followed(world.say(CommandKind.APPROVE, newest(world), actor="bob"))
    once(world, 1500)
    assert (oldest(world).phase, oldest(world).reason) == (Phase.PROGRESSING, Reason.WAITING_FOR_GATE)


def test_while_a_gate_is_asked_a_bad_version_is_rolled_back_and_a_person_may_abort() -> None:
    world = asked()
    world.versions["v2"].bad["errors"] = BAD
    assert reach(world, Phase.ROLLED_BACK).reason is Reason.CHECK_FAILED
    world = asked()
    followed(world.say(CommandKind.ABORT, newest(world)))
    reach(world, Phase.ABORTED)


def test_the_wait_for_a_gate_makes_no_step_late() -> None:
    world = asked()
    late = oldest(world).clocks.since_step
    once(world, 200)
    assert oldest(world).clocks.since_step == late
    assert "step_deadline_exceeded" not in events(world)


def test_a_word_on_what_is_not_asked_any_more_changes_nothing() -> None:
    world = asked()
    world.gates["desk"] = GateWord.ALLOW
    stale = world._observe(oldest(world), None, None)
    followed(world.say(CommandKind.PAUSE, newest(world)))
    before = events(world)
    world._advance(newest(world), stale)
    assert events(world) == before
    assert newest(world).phase is Phase.PAUSED
