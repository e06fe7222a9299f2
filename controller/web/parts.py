"""What the application works with: ports, and how a request's handlers come to them."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Path, Query, Request
from pydantic import BaseModel, StringConstraints
from starlette.responses import Response

from controller.control.board import Board
from controller.control.errors import InvalidRequest
from controller.control.library import Key, Library, Readings
from controller.control.policy_views import PolicyShelf
from controller.control.steering import Releasing, Steering
from controller.domain.policy import Policy
from controller.ports import Clock
from controller.web.admission import Admission, Caller
from controller.web.gate import caller_of


@dataclass(frozen=True, slots=True)
class Parts:
    """``made_by`` is the program that reports name."""

    library: Library
    shelf: PolicyShelf
    steering: Steering
    releasing: Releasing
    board: Board
    clock: Clock
    admission: Admission
    made_by: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What one caller may see: namespaces, and the rollouts in them."""

    caller: Caller
    namespaces: frozenset[str]
    readings: Readings


def ruling(parts: Parts, sight: Sight, model: str) -> tuple[Policy, str] | None:
    """The model's policy in force and its place, if the caller may read there."""
    policy = parts.shelf.current().get(model)
    place = None if policy is None else parts.library.place(policy)
    return None if policy is None or place is None or place not in sight.namespaces else (policy, place)


def parts_of(request: Request) -> Parts:
    """The application's parts."""
    return cast("Parts", request.app.state.parts)


async def sight_of(request: Request) -> Sight:
    """What the caller may see. Raises `NotPermitted` for who may see nothing."""
    parts, caller = parts_of(request), caller_of(request)
    seen = await parts.admission.sight(caller.person, parts.library.namespaces())
    return Sight(caller, seen, parts.library.readings(seen))


Here = Annotated[Parts, Depends(parts_of)]
Seen = Annotated[Sight, Depends(sight_of)]
_Segment = StringConstraints(min_length=1, max_length=128)
ModelName = Annotated[str, _Segment, Path(description="A model.")]
RolloutId = Annotated[
    str, _Segment, Path(description="The id of a rollout; to read also a model, for its newest.")
]
Namespace = Annotated[
    str | None,
    Query(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        description="In a cluster: which of several of the same name is meant. None on one machine.",
    ),
]


def placed(namespace: str | None, name: str) -> str:
    """A target as `Readings` takes it."""
    return f"{namespace}/{name}" if namespace else name


def answer(document: BaseModel, status: int = 200) -> Response:
    """The document as JSON."""
    return Response(document.model_dump_json(by_alias=True), status, media_type="application/json")


def token_after(key: Key) -> str:
    """Asks for what follows a model in a list."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def key_in(token: str | None) -> Key:
    """The model that a list goes on after. Raises `InvalidRequest` for no token of ours."""
    if token is None:
        return ("", "")
    try:
        match json.loads(base64.b64decode(token, altchars=b"-_", validate=True)):
            case [str(model), str(namespace)]:
                return model, namespace
    except (binascii.Error, ValueError, RecursionError):
        pass
    raise InvalidRequest("continue is not what an earlier page gave: begin without it")
