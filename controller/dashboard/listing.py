"""Which models a page lists, in which order. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from controller.control.views import StatusView

PAGE = 200
"""Models on one page."""


class Show(StrEnum):
    """Which models are wanted."""

    ALL = "all"
    PERSON = "person"
    """Those that wait for a person."""
    MOVING = "moving"
    """Those with a rollout that is not over."""
    INVALID = "invalid"
    """Those whose policy file is not valid."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model that has a policy, a rollout, or both. ``valid`` is None where no policy is for it."""

    model: str
    namespace: str | None
    valid: bool | None
    status: StatusView | None

    @property
    def rank(self) -> int:
        """What needs a person comes first, then what moves, then what is at rest."""
        if self.status is None or self.status.terminal:
            return 2
        return 0 if self.status.waits_for_person else 1


@dataclass(frozen=True, slots=True)
class Query:
    """What a viewer looks for: ``text`` is a part of a model's, version's or namespace's name."""

    text: str = ""
    show: Show = Show.ALL
    page: int = 1


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of what was found, and how many there are of each kind in all."""

    query: Query
    rows: Sequence[ModelRow]
    found: int
    pages: int
    models: int
    people: int
    moving: int
    invalid: int


def listing(models: Sequence[ModelRow], query: Query) -> Listing:
    """What is wanted of all models."""
    found = sorted(
        (row for row in models if _wanted(row, query)),
        key=lambda row: (row.rank, row.model, row.namespace or ""),
    )
    pages = max(-(-len(found) // PAGE), 1)
    number = min(max(query.page, 1), pages)
    return Listing(
        query=query,
        rows=found[(number - 1) * PAGE : number * PAGE],
        found=len(found),
        pages=pages,
        models=len(models),
        people=sum(row.rank == 0 for row in models),
        moving=sum(row.rank == 1 for row in models),
        invalid=sum(row.valid is False for row in models),
    )


def _place(row: ModelRow) -> tuple[int, str, str]:
    return row.rank, row.model, row.namespace or ""


def _wanted(row: ModelRow, query: Query) -> bool:
    kinds = {
        Show.ALL: True,
        Show.PERSON: row.rank == 0,
        Show.MOVING: row.rank < 2,  # noqa: PLR2004 - as `ModelRow.rank` says
        Show.INVALID: row.valid is False,
    }
    status = row.status
    names = [row.model, row.namespace or "", *((status.canary, status.stable or "") if status else ())]
    text = query.text.strip().lower()
    return kinds[query.show] and any(text in name.lower() for name in names)
