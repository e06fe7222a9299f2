"""What every store checks of a write, whatever it writes to."""

from controller.domain.model import Entry, Rollout
from controller.errors import InvariantError


def check_numbers(rollout: Rollout, entry: Entry, *, last_seq: int) -> None:
    """Raises `InvariantError` unless record and entry have the number after ``last_seq``."""
    if not rollout.seq == entry.seq == last_seq + 1:
        raise InvariantError(
            f"Entry {entry.seq} of rollout {rollout.id} (at {rollout.seq}) does not follow {last_seq}."
        )


def check_same(before: Rollout, after: Rollout) -> None:
    """Raises `InvariantError` unless both are records of one rollout."""
    if (after.id, after.model) != (before.id, before.model):
        raise InvariantError(f"A commit to {before.id} cannot write {after.id} of {after.model}.")
