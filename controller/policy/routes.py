"""Where a policy says who splits the traffic: one kind of gateway, and the route's address there."""

import re
from typing import Annotated, Any

from pydantic import Field, PlainValidator, ValidationError, ValidationInfo, WithJsonSchema

from controller.domain.policy import RouteRef
from controller.policy.fields import (
    KEY_COMPLAINT,
    Kind,
    Section,
    below,
    catalogue_of,
    complaint,
    complaints,
    json_schema_of,
    parsed_by,
)
from controller.policy.quantities import QuantityError, shown

_PATH = re.compile(r"/|(?:/[A-Za-z0-9._~-]+)+")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,251}[A-Za-z0-9])?")
_LONGEST_PATH = 512
_PATH_SCHEMA = {"type": "string", "pattern": f"^(?:{_PATH.pattern})$"}


def _path(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_PATH:
        raise QuantityError(f"{shown(value)} is not a path", "write it like /v2/models/fraud-detector")
    if value != "/" and value.endswith("/") and _PATH.fullmatch(value[:-1]):
        raise QuantityError(f"{shown(value)} ends with a slash", f"write {value[:-1]}")
    if not _PATH.fullmatch(value) or {".", ".."} & set(value.split("/")):
        suggestion = (
            f"write /{value}" if _PATH.fullmatch("/" + value) else "write it like /v2/models/fraud-detector"
        )
        raise QuantityError(f"{shown(value)} is not a path", suggestion)
    return value


Path = Annotated[str, Kind("a path such as /chat"), parsed_by(_path), WithJsonSchema(_PATH_SCHEMA)]


class PathRoute(Section):
    """A route by path prefix."""

    prefix: Path = Field(
        description="Requests whose path begins with this belong to the model.", examples=["/chat"]
    )
    rewrite: Path | None = Field(
        default=None,
        description="What the prefix becomes on its way to the model; it stays when absent.",
        examples=["/"],
    )


def _validate(value: object, info: ValidationInfo) -> RouteRef:
    kinds = catalogue_of(info).routes
    known = ", ".join(sorted(kinds))
    if not isinstance(value, dict) or len(value) != 1:
        sentence = f"{shown(value)} does not name one kind of route"
        address = shown(value) if isinstance(value, str) and value.startswith("/") else "ADDRESS"
        raise complaint(sentence, f"write {{KIND: {address}}}; kinds known here: {known}")
    ((kind, address),) = value.items()
    if kind not in kinds:
        raise complaints(
            [
                (
                    (kind,),
                    complaint(
                        f"{shown(kind)} is not a kind of route", f"kinds known here: {known}", KEY_COMPLAINT
                    ),
                )
            ]
        )
    try:
        return _paths(kind, address) if kind == "envoy" else _named(kind, address)
    except ValidationError as error:
        raise complaints(below(error, kind)) from error


def _paths(kind: str, address: object) -> RouteRef:
    by_prefix = not isinstance(address, dict)
    try:
        route = PathRoute.model_validate({"prefix": address} if by_prefix else address)
    except ValidationError as error:
        # The short form has no key of its own for its place to be found by.
        raise complaints([((), item[1]) for item in below(error)]) if by_prefix else error from error
    return RouteRef(kind, route.prefix, route.rewrite)


def _named(kind: str, address: object) -> RouteRef:
    if not isinstance(address, str) or not _NAME.fullmatch(address):
        raise complaints([((), complaint(f"{shown(address)} is not a route's name", f"write {kind}: NAME"))])
    return RouteRef(kind, address)


def _json_schema() -> dict[str, Any]:
    address = {"anyOf": [{"type": "string"}, json_schema_of(PathRoute)]}
    return {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": address}


Route = Annotated[RouteRef, PlainValidator(_validate), WithJsonSchema(_json_schema())]
"""Who splits the traffic."""
