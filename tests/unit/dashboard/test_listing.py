"""Which models are listed, in which order."""

from dataclasses import replace

import pytest

from controller.control.views import status_view
from controller.dashboard.listing import PAGE, Query, Show, listing
from controller.domain.model import Rollout
from controller.domain.policy import ApprovalRules
from controller.domain.vocabulary import Phase, Reason
from controller.web.documents import ModelView
from tests.fakes import EPOCH
from tests.unit.control.stage import asking, ended, progressing


def row(
    model: str, rollout: Rollout | None = None, *, valid: bool | None = True, namespace: str | None = None
) -> ModelView:
    status = None if rollout is None else status_view(replace(rollout, model=model), EPOCH)
    return ModelView(model=model, namespace=namespace, policy=None, valid=valid, rollout=status)


MODELS = [
    row("at-rest"),
    row("done", ended(Phase.SUCCEEDED, Reason.PROMOTED)),
    row("broken", ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED, "v9"), valid=False),
    row("rolling", progressing()),
    row("asking", asking(ApprovalRules())),
    row("paused", replace(progressing(), phase=Phase.PAUSED)),
]


def names(query: Query) -> list[str]:
    return [found.model for found in listing(MODELS, query).rows]


def test_what_needs_a_person_comes_first_and_then_what_moves() -> None:
    assert names(Query()) == ["asking", "paused", "rolling", "at-rest", "broken", "done"]
    found = listing(MODELS, Query())
    assert (found.models, found.people, found.moving, found.invalid) == (6, 2, 1, 1)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(show=Show.PERSON), ["asking", "paused"]),
        (Query(show=Show.MOVING), ["asking", "paused", "rolling"]),
        (Query(show=Show.INVALID), ["broken"]),
        (Query("ROLL"), ["rolling"]),
        (Query(" v9 "), ["broken"]),
        (Query("nothing of the kind"), []),
        (Query("ed", Show.PERSON), ["paused"]),
    ],
)
def test_only_what_is_wanted_is_listed(query: Query, found: list[str]) -> None:
    assert names(query) == found


def test_a_namespace_is_found_and_tells_two_models_apart() -> None:
    models = [row("same", namespace="b"), row("same", namespace="a"), row("other", namespace="c")]
    assert [found.namespace for found in listing(models, Query()).rows] == ["c", "a", "b"]
    assert [found.namespace for found in listing(models, Query("b")).rows] == ["b"]


@pytest.mark.parametrize(("page", "shown", "first"), [(-5, 1, 0), (1, 1, 0), (3, 3, 400), (10**9, 3, 400)])
def test_hundreds_are_on_pages_of_which_there_is_always_one(page: int, shown: int, first: int) -> None:
    models = [row(f"m-{number:04}") for number in range(2 * PAGE + 7)]
    found = listing(models, Query(page=page))
    assert (found.pages, found.found) == (3, len(models))
    assert found.rows[0].model == f"m-{first:04}"
    assert shown == min(max(page, 1), 3)
    assert listing([], Query(page=page)).pages == 1
