"""Which models a page lists, in which order. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from controller.web.documents import ModelView

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
class Query:
    """What a viewer looks for: ``text`` is a part of a model's, version's or namespace's name."""

    text: str = ""
    show: Show = Show.ALL
    page: int = 1


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of what was found, and how many there are of each kind in all."""

    query: Query
    rows: Sequence[ModelView]
    found: int
    pages: int
    models: int
    people: int
    moving: int
    invalid: int


def listing(models: Sequence[ModelView], query: Query) -> Listing:
    """What is wanted of all models."""
    found = sorted(
        (row for row in models if _wanted(row, query)),
        key=lambda row: (rank(row), row.model, row.namespace or ""),
    )
    pages = max(-(-len(found) // PAGE), 1)
    number = min(max(query.page, 1), pages)
    return Listing(
        query=query,
        rows=found[(number - 1) * PAGE : number * PAGE],
        found=len(found),
        pages=pages,
        models=len(models),
        people=sum(rank(row) == 0 for row in models),
        moving=sum(rank(row) == 1 for row in models),
        invalid=sum(row.valid is False for row in models),
    )


def rank(row: ModelView) -> int:
    """What needs a person comes first, then what moves, then what is at rest."""
    if row.rollout is None or row.rollout.terminal:
        return 2
    return 0 if row.rollout.waits_for_person else 1


def _place(row: ModelView) -> tuple[int, str, str]:
    return rank(row), row.model, row.namespace or ""


def _wanted(row: ModelView, query: Query) -> bool:
    kinds = {
        Show.ALL: True,
        Show.PERSON: rank(row) == 0,
        Show.MOVING: rank(row) < 2,  # noqa: PLR2004 - as `rank` says
        Show.INVALID: row.valid is False,
    }
    status = row.rollout
    names = [row.model, row.namespace or "", *((status.canary, status.stable or "") if status else ())]
    text = query.text.strip().lower()
    return kinds[query.show] and any(text in name.lower() for name in names)
