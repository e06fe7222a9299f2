"""The rules of each phase: the first that applies decides the pass.

A rule is a pure function of the folded record and the observation; it returns the turn to take, or None to
let the next rule speak. The order within a phase is the order of urgency, and it is part of the guarantees:
whatever harms users comes before whatever helps the release.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from controller.domain.observation import Observation
from controller.domain.observing import Folded
from controller.domain.rules import advancing, approving, before, ending, fleet, serving, shadowing
from controller.domain.rules.turns import Turn
from controller.domain.vocabulary import Phase

Rule = Callable[[Folded, Observation], Turn | None]

_HARM = (
    serving.latched,
    shadowing.unmirrored,
    serving.drifted,
    serving.unready,
    serving.failed,
    before.overtaken,
    fleet.parted,
)

PHASE_RULES: Mapping[Phase, tuple[Rule, ...]] = MappingProxyType(
    {
        Phase.PENDING: (
            before.overtaken,
            before.waiting_for_predecessor,
            fleet.parted,
            before.hopeless,
            before.waiting_for_route,
            shadowing.shadowless,
            approving.gated,
            approving.overdue,
            before.start,
        ),
        Phase.PREPARING: (
            before.overtaken,
            fleet.parted,
            before.hopeless,
            before.unanswerable,
            before.ready,
            before.not_ready,
        ),
        Phase.VALIDATING: (
            before.overtaken,
            fleet.parted,
            fleet.reopened,
            approving.gated,
            approving.overdue,
            approving.unanswered,
            before.invalid,
            before.valid,
        ),
        Phase.PROGRESSING: (
            *_HARM,
            serving.silent,
            serving.misrouted,
            serving.eased,
            serving.incident,
            serving.expired,
            approving.gated,
            approving.overdue,
            advancing.promoted_early,
            advancing.advanced,
            serving.holding,
        ),
        Phase.PROMOTING: (*_HARM, serving.expired, ending.in_force),
        Phase.BAKING: (*_HARM, serving.silent, ending.baked, serving.expired, serving.holding),
        Phase.PAUSED: (*_HARM, ending.waiting),
        Phase.FROZEN: (serving.latched, ending.waiting),
        Phase.HALTED: (serving.latched, serving.drifted, ending.recovered),
        Phase.ROLLING_BACK: (ending.cleared,),
    }
)
"""The rules of each phase that is not over, most urgent first. The last of each always applies."""
