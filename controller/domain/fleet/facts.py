"""What a pass sees of the fleet: all that the rules of one rollout may depend on besides its own model."""

from dataclasses import dataclass
from datetime import datetime

from controller.domain.vocabulary import Phase, Reason


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing starts, or nothing steps up, now; ``message`` says for whom or what it waits."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Somebody's word that nothing shall start or step up, of whatever model. ``note`` is why."""

    actor: str
    at: datetime
    note: str = ""

    @property
    def sentence(self) -> str:
        """Who wanted it so, since when, and why, in words for people."""
        why = f": {self.note}" if self.note else ""
        return f"everything is paused by {self.actor} since {self.at:%Y-%m-%d %H:%M} UTC{why}"


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another model that the rollout looks to, with its newest rollout; ``rollout`` is empty without any."""

    model: str
    rollout: str = ""
    version: str = ""
    phase: Phase | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class FleetSeen:
    """``closed``: nothing starts or steps up. ``line``: there is no place for one more that starts.

    ``before`` are the models that the policy wants promoted first, ``circle`` the models that wait for one
    another because of such wishes, the first of them named again at the end. ``group`` are the other models
    of its group.
    """

    closed: Hold | None = None
    line: Hold | None = None
    before: tuple[Sibling, ...] = ()
    circle: tuple[str, ...] = ()
    group: tuple[Sibling, ...] = ()


@dataclass(frozen=True, slots=True)
class Ties:
    """What a rollout has to remember of other models' rollouts, by their ids.

    ``partners`` are those of its group that are rolled out together with it, as pairs of model and id.
    ``held_by`` are those that it waits for, or that failed before it; ``overruled`` those of them that a
    person told it not to mind.
    """

    partners: tuple[tuple[str, str], ...] = ()
    held_by: tuple[str, ...] = ()
    overruled: tuple[str, ...] = ()
