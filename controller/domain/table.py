"""The transition table: which phase may follow which, and on what.

Everything that moves a rollout from phase to phase goes through `move`, which refuses what the table does not
hold. The diagram in the documentation is drawn from the same table.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from controller.domain.model import Rollout
from controller.domain.vocabulary import Phase, Reason
from controller.errors import InvariantError


class Trigger(StrEnum):
    """What can move a rollout; the value is the event's name in the log."""

    START = "rollout_started"
    READY = "canary_ready"
    VALID = "canary_validated"
    REFUSE = "not_deployed"
    STEP = "step_advanced"
    EASE = "weight_lowered"
    PROMOTE = "promotion_started"
    IN_FORCE = "bake_started"
    BAKED = "rollout_succeeded"
    FAIL = "rollback_started"
    HALT = "rollout_halted"
    FREEZE = "rollout_frozen"
    EXPIRE = "deadline_exceeded"
    CLEARED = "rollback_finished"
    SUPERSEDE = "rollout_superseded"
    PAUSE = "rollout_paused"
    RESUME = "rollout_resumed"
    ABORT = "rollout_aborted"
    RETRY = "rollout_retried"


_P = Phase
_BEFORE_TRAFFIC = (_P.PENDING, _P.PREPARING, _P.VALIDATING)
_WITH_TRAFFIC = (_P.PROGRESSING, _P.PROMOTING, _P.BAKING)
_RUNNING = (*_BEFORE_TRAFFIC, *_WITH_TRAFFIC)


def _from(sources: tuple[Phase, ...], *targets: Phase) -> dict[Phase, frozenset[Phase]]:
    return {source: frozenset(targets) for source in sources}


TABLE: Mapping[Trigger, Mapping[Phase, frozenset[Phase]]] = MappingProxyType(
    {
        Trigger.START: _from((_P.PENDING,), _P.PREPARING),
        Trigger.READY: _from((_P.PREPARING,), _P.VALIDATING),
        Trigger.VALID: _from((_P.VALIDATING,), _P.PROGRESSING, _P.PROMOTING),
        Trigger.REFUSE: _from((*_BEFORE_TRAFFIC, _P.PAUSED), _P.NOT_DEPLOYED),
        Trigger.STEP: _from((_P.PROGRESSING,), _P.PROGRESSING),
        Trigger.EASE: _from((_P.PROGRESSING,), _P.PROGRESSING),
        Trigger.PROMOTE: _from((_P.PROGRESSING, _P.PAUSED), _P.PROMOTING),
        Trigger.IN_FORCE: _from((_P.PROMOTING,), _P.BAKING),
        Trigger.BAKED: _from((_P.BAKING,), _P.SUCCEEDED),
        Trigger.FAIL: _from((*_WITH_TRAFFIC, _P.PAUSED, _P.FROZEN, _P.HALTED), _P.ROLLING_BACK),
        Trigger.HALT: _from((_P.PROMOTING, _P.BAKING, _P.PAUSED), _P.HALTED),
        Trigger.FREEZE: _from((*_WITH_TRAFFIC, _P.PAUSED, _P.HALTED), _P.FROZEN),
        Trigger.EXPIRE: _from(_WITH_TRAFFIC, _P.PAUSED),
        Trigger.CLEARED: _from(
            (_P.ROLLING_BACK,), _P.ROLLED_BACK, _P.NOT_DEPLOYED, _P.SUPERSEDED, _P.ABORTED
        ),
        Trigger.SUPERSEDE: {
            **_from(_BEFORE_TRAFFIC, _P.SUPERSEDED),
            **_from(_WITH_TRAFFIC, _P.ROLLING_BACK),
            **_from((_P.PAUSED,), _P.SUPERSEDED, _P.ROLLING_BACK),
        },
        Trigger.PAUSE: _from(_RUNNING, _P.PAUSED),
        Trigger.RESUME: {
            **_from((_P.PAUSED,), *_RUNNING),
            **_from((_P.FROZEN,), *_WITH_TRAFFIC, _P.HALTED),
        },
        Trigger.ABORT: {
            **_from(_BEFORE_TRAFFIC, _P.ABORTED),
            **_from((*_WITH_TRAFFIC, _P.FROZEN, _P.HALTED), _P.ROLLING_BACK),
            **_from((_P.PAUSED,), _P.ABORTED, _P.ROLLING_BACK),
            **_from((_P.ROLLING_BACK,), _P.ROLLING_BACK),
        },
        Trigger.RETRY: _from((_P.HALTED,), _P.PROMOTING),
    }
)
"""For each trigger and phase, the phases it may lead to."""


def move(rollout: Rollout, trigger: Trigger, to: Phase, reason: Reason, message: str) -> Rollout:
    """The record in its new phase, with the phase's clock at 0 and nothing to resume unless it waits.

    Raises `InvariantError` when the table has no such transition.
    """
    if to not in TABLE[trigger].get(rollout.phase, frozenset()):
        error = f"{trigger.name} cannot lead from {rollout.phase} to {to}"
        raise InvariantError(error)
    clocks = replace(rollout.clocks, in_phase=timedelta(0))
    resume_to = rollout.resume_to if to in (Phase.PAUSED, Phase.FROZEN) else None
    moved = replace(rollout, phase=to, reason=reason, message=message, clocks=clocks, resume_to=resume_to)
    return replace(moved, asking=None) if to.terminal else moved
