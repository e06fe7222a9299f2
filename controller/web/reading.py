"""The endpoints that change nothing."""

import asyncio
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from controller.control.errors import NotFound
from controller.control.interface import ENTRIES_AT_ONCE
from controller.control.library import unknown
from controller.control.policy_views import PolicyList, faults_of, policy_list, standing
from controller.control.record_view import RecordView
from controller.control.views import EntryList
from controller.domain.vocabulary import Phase
from controller.report.collecting import collect_from
from controller.report.views import ReportView
from controller.web.documents import CallerView, ModelDetail, ModelList, RolloutPage
from controller.web.listing import MOST_ON_A_PAGE, models_page, rollouts_page
from controller.web.parts import Here, ModelName, Namespace, RolloutId, Seen, answer, placed, ruling

_MOST_OF_A_MODEL = 50

Search = Annotated[str, Query(max_length=128, description="Letters that are in the model's name.")]
InPhase = Annotated[Phase | None, Query(description="Only rollouts in this phase.")]
After = Annotated[
    str | None, Query(alias="continue", max_length=1024, description="What the page before gave.")
]
Limit = Annotated[int, Query(ge=1, le=MOST_ON_A_PAGE, description="Models on a page.")]


class Form(StrEnum):
    """What a report can be had as."""

    HTML = "html"
    MARKDOWN = "md"
    JSON = "json"


router = APIRouter(tags=["reading"])


@router.get("/me", response_model=CallerView)
async def me(sight: Seen) -> Response:
    """Who the daemon takes you for, and where you may read."""
    return answer(CallerView(name=sight.caller.person.name, namespaces=tuple(sorted(sight.namespaces))))


@router.get("/models", response_model=ModelList)
async def models(
    parts: Here,
    sight: Seen,
    search: Search = "",
    phase: InPhase = None,
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """The models that have a policy or a rollout, each with its newest rollout."""
    return answer(await models_page(parts, sight, search, phase, after, limit))


@router.get("/models/{model}", response_model=ModelDetail)
async def model(parts: Here, sight: Seen, model: ModelName, namespace: Namespace = None) -> Response:
    """One model: its policy and its newest rollouts."""
    found = ruling(parts, sight, model)
    seen = found if found is not None and namespace in (None, found[1]) else None
    try:
        rollouts = (await sight.readings.rollouts(placed(namespace, model), _MOST_OF_A_MODEL)).items
    except NotFound:
        rollouts = ()
    if any(each.model != model for each in rollouts):  # the name is that of a rollout
        rollouts = ()
    if seen is None and not rollouts:
        raise unknown(model)
    where = rollouts[0].namespace if rollouts else (seen[1] if seen else None) or None
    return answer(
        ModelDetail(
            model=model,
            namespace=where,
            policy=standing(parts.shelf, *seen) if seen else None,
            faults=tuple(faults_of(parts.shelf, model)) if seen else (),
            rollouts=rollouts,
        )
    )


@router.get("/rollouts", response_model=RolloutPage)
async def rollouts(
    sight: Seen, model: Search = "", phase: InPhase = None, after: After = None, limit: Limit = 100
) -> Response:
    """Each model's newest rollout and the older ones that are not over: `serinus get`."""
    return answer(await rollouts_page(sight.readings, model, phase, after, limit))


@router.get("/rollouts/{rollout}", response_model=RecordView)
async def record(sight: Seen, rollout: RolloutId, namespace: Namespace = None) -> Response:
    """Where a rollout stands, why, and by which policy: `serinus status` and `serinus why`."""
    return answer(await sight.readings.record(placed(namespace, rollout)))


@router.get("/rollouts/{rollout}/entries", response_model=EntryList)
async def entries(
    sight: Seen,
    rollout: RolloutId,
    namespace: Namespace = None,
    after: Annotated[
        int, Query(ge=0, le=2**53, description="The number of the last entry that you have.")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=ENTRIES_AT_ONCE)] = 100,
) -> Response:
    """The decision log with its evidence, oldest first, from an entry on."""
    return answer(await sight.readings.entries(placed(namespace, rollout), after, limit))


@router.get("/rollouts/{rollout}/history", response_model=EntryList)
async def history(
    sight: Seen,
    rollout: RolloutId,
    namespace: Namespace = None,
    limit: Annotated[int, Query(ge=1, le=ENTRIES_AT_ONCE)] = 50,
    every: Annotated[bool, Query(description="Also what was of no consequence.")] = False,  # noqa: FBT002 - a query
) -> Response:
    """The last log entries of consequence, oldest first: `serinus history`."""
    return answer(await sight.readings.history(placed(namespace, rollout), limit, every=every))


@router.get(
    "/rollouts/{rollout}/report",
    response_model=ReportView,
    responses={200: {"content": {"text/html": {}, "text/markdown": {}}}},
)
async def report(
    request: Request,
    parts: Here,
    sight: Seen,
    rollout: RolloutId,
    namespace: Namespace = None,
    form: Form = Form.JSON,
) -> Response:
    """How a rollout went, in one document: `serinus report`."""
    async with request.app.state.writing:  # charts are work
        found = await collect_from(
            sight.readings, placed(namespace, rollout), parts.clock.now(), parts.made_by
        )
        return await asyncio.to_thread(_written, found, form)


@router.get("/policies", response_model=PolicyList)
async def policies(parts: Here, sight: Seen) -> Response:
    """The policies in force, and what is wrong with policy files.

    Faults of a file that has never been valid belong to no namespace: who may read all of them is told.
    """
    everything = sight.namespaces >= frozenset(parts.library.namespaces())
    return answer(policy_list(parts.shelf, parts.library.place, sight.namespaces, unowned=everything))


def _written(found: ReportView, form: Form) -> Response:
    match form:
        case Form.HTML:
            from controller.report.page import content_security, page  # noqa: PLC0415 - Jinja

            headers = {"Content-Security-Policy": f"{content_security()}; frame-ancestors 'none'"}
            return Response(page(found), headers=headers, media_type="text/html")
        case Form.MARKDOWN:
            from controller.report.markdown import markdown  # noqa: PLC0415 - as above

            return Response(markdown(found), media_type="text/markdown")
        case Form.JSON:
            return answer(found)
