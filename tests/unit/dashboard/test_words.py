"""What a viewer is offered to say."""

from dataclasses import replace

import pytest

from controller.control.views import status_view
from controller.dashboard.words import offers
from controller.domain.model import CommandKind, Rollout
from controller.domain.policy import ApprovalRules, Fallback
from controller.domain.vocabulary import Phase, Reason
from tests.fakes import EPOCH
from tests.unit.control.stage import asking, ended, progressing

EVERY = frozenset(CommandKind)


def offered(rollout: Rollout, may: frozenset[CommandKind] = EVERY) -> str:
    return " ".join(offer.kind for offer in offers(status_view(rollout, EPOCH), may))


def at(phase: Phase) -> Rollout:
    return replace(progressing(), phase=phase, resume_to=Phase.PROGRESSING)


@pytest.mark.parametrize(
    ("rollout", "words"),
    [
        (at(Phase.PREPARING), "pause abort"),
        (at(Phase.PROGRESSING), "pause promote abort"),
        (at(Phase.PAUSED), "resume promote abort"),
        (at(Phase.FROZEN), "resume abort"),
        (at(Phase.HALTED), "retry abort"),
        (at(Phase.ROLLING_BACK), ""),
        (asking(ApprovalRules()), "approve deny pause promote abort"),
        (asking(ApprovalRules(people=2), "bob", "cy"), "deny pause promote abort"),
        (ended(Phase.SUCCEEDED, Reason.PROMOTED), ""),
        (ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED), "retry"),
        (ended(Phase.NOT_DEPLOYED, Reason.GOLDEN_REQUEST_FAILED), "retry"),
    ],
)
def test_a_phase_has_the_words_that_make_sense_in_it(rollout: Rollout, words: str) -> None:
    assert offered(rollout) == words


def test_nobody_is_offered_what_they_may_not_say() -> None:
    assert offered(progressing(), frozenset({CommandKind.ABORT})) == "abort"
    assert offered(progressing(), frozenset()) == ""


def test_an_answer_is_to_what_the_viewer_sees_and_a_no_says_why() -> None:
    rollout = asking(ApprovalRules(on_deny=Fallback.HOLD))
    assert rollout.asking is not None
    rollout = replace(rollout, asking=replace(rollout.asking, number=7))
    approve, deny, *_ = offers(status_view(rollout, EPOCH), EVERY)
    assert (approve.asking, deny.asking) == (7, 7)
    assert (approve.reason, deny.reason) == ("", "required")
    assert deny.happens == "You say no to step 2 (25%): it pauses until somebody says resume."
