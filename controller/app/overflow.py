"""Where entries go that the log of a ModelRollout has no room for."""

import structlog

from controller.domain.model import Entry, Rollout

log = structlog.get_logger(__name__)


def log_overflow(rollout: Rollout, entry: Entry) -> None:
    """The structured log keeps what the object has no room for; what people are told is an Event as well."""
    log.info(
        "entry_left_record",
        model=rollout.model,
        rollout=rollout.id,
        seq=entry.seq,
        at=entry.at.isoformat(),
        actor=entry.actor,
        entry=entry.event,
        phase=entry.phase,
        reason=entry.reason,
        weight_percent=entry.weight_permille / 10,
        verdict=entry.assessment.verdict,
        message=entry.message,
    )
