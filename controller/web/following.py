"""The endpoint of live events."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from controller.web.gate import caller_of
from controller.web.parts import Here, Namespace, Parts, Seen, Sight
from controller.web.streaming import Again, EventStream, Wanted, follow

router = APIRouter(tags=["reading"])


@router.get(
    "/events",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def events(
    request: Request,
    parts: Here,
    sight: Seen,  # who may follow nothing is told so, before anything begins
    model: Annotated[
        str | None, Query(min_length=1, max_length=128, description="Only of this model.")
    ] = None,
    namespace: Namespace = None,
    last_event_id: Annotated[str | None, Header(max_length=64, description="To go on after.")] = None,
) -> Response:
    """Follow rollouts live: first as they stand, then each change, as `serinus watch` does."""
    state = request.app.state
    wanted = Wanted(model, namespace, last_event_id)
    stream = follow(parts.board, parts.clock, wanted, _again(request, parts), state.beats)
    return EventStream(state.streams, sight.caller.person.name, stream)


def _again(request: Request, parts: Parts) -> Again:
    first = caller_of(request)
    address = request.client.host if request.client else ""

    async def again() -> Sight:
        caller = await parts.admission.caller(first.token, address, session=first.session)
        seen = await parts.admission.sight(caller.person, parts.library.namespaces())
        return Sight(caller, seen, parts.library.readings(seen))

    return again
