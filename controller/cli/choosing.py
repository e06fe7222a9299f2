"""Which rollouts of many a person wants to see, and in which order. Pure, and light to import."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING

from controller.domain.vocabulary import Phase

if TYPE_CHECKING:
    from controller.control.views import StatusList, StatusView

_NEVER = datetime.max.replace(tzinfo=UTC)


class Order(StrEnum):
    """What rollouts are sorted by."""

    MODEL = "model"
    PHASE = "phase"
    WEIGHT = "weight"
    NEXT = "next"
    AGE = "age"
    UPDATED = "updated"


_KEYS: Mapping[Order, Callable[["StatusView"], tuple[object, ...]]] = MappingProxyType(
    {
        Order.MODEL: lambda _: (),
        Order.PHASE: lambda status: (list(Phase).index(status.phase),),
        Order.WEIGHT: lambda status: (-status.weight,),
        Order.NEXT: lambda status: (status.next_at or _NEVER,),
        Order.AGE: lambda status: (-status.created_at.timestamp(),),
        Order.UPDATED: lambda status: (-status.updated_at.timestamp(),),
    }
)
"""The youngest, heaviest, soonest first; phases as they follow one another. Equals stay by model."""


@dataclass(frozen=True, slots=True)
class Choice:
    """``pattern`` is a shell's, of a model's name or a rollout's id; no ``phases`` are all of them."""

    pattern: str | None = None
    phases: Sequence[Phase] = ()
    needs_person: bool = False
    order: Order = Order.MODEL

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self.pattern is None and not self.phases and not self.needs_person

    def of(self, found: "StatusList") -> "StatusList":
        """Those that are wanted, sorted."""
        items = [status for status in found.items if self._wants(status)]
        return found.model_copy(update={"items": tuple(sorted(items, key=_KEYS[self.order]))})

    def _wants(self, status: "StatusView") -> bool:
        names = (status.model, status.rollout, f"{status.namespace}/{status.model}")
        return (
            (self.pattern is None or any(fnmatchcase(name, self.pattern) for name in names))
            and (not self.phases or status.phase in self.phases)
            and (status.waits_for_person or not self.needs_person)
        )


def is_pattern(target: str) -> bool:
    """Whether it can mean several: no model's name has such letters."""
    return any(letter in target for letter in "*?[")
