"""Where a policy says who splits the traffic: one kind of gateway, and the route's address there."""

import re
from typing import Annotated, Any, TypeVar

from pydantic import PlainValidator, ValidationError, ValidationInfo, WithJsonSchema

from controller.domain.policy import RouteRef
from controller.policy.fields import (
    KEY_COMPLAINT,
    Section,
    below,
    catalogue_of,
    complaint,
    complaints,
    json_schema_of,
)
from controller.policy.quantities import shown
from controller.policy.route_sections import (
    ADAPTER_KINDS,
    OBJECT_KINDS,
    OBJECTS,
    SECTIONS,
    NamedRoute,
    ObjectRoute,
    PathRoute,
    RewriteRoute,
)

AnySection = TypeVar("AnySection", bound=Section)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,251}[A-Za-z0-9])?")


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
        if kind in ADAPTER_KINDS:
            return _rewrites(kind, address)
        if kind in OBJECT_KINDS:
            return _objects(kind, address)
        return _paths(kind, address) if kind == "envoy" else _named(kind, address)
    except ValidationError as error:
        raise complaints(below(error, kind)) from error


def _paths(kind: str, address: object) -> RouteRef:
    route = _long_form(PathRoute, "prefix", address)
    return RouteRef(kind, route.prefix, route.rewrite)


def _objects(kind: str, address: object) -> RouteRef:
    route = _long_form(OBJECTS[kind], "name", address)
    rule = route.rule if isinstance(route, ObjectRoute) else None
    stable = route.stable if isinstance(route, NamedRoute) else None
    return RouteRef(kind, route.name, rule=rule, stable=stable)


def _rewrites(kind: str, address: object) -> RouteRef:
    route = _long_form(RewriteRoute, "name", address)
    return RouteRef(kind, route.name, rule=route.model, stable=route.stable)


def _long_form(section: type[AnySection], field: str, address: object) -> AnySection:
    """The section, from its long form or from its one field that must be there alone."""
    short = not isinstance(address, dict)
    try:
        return section.model_validate({field: address} if short else address)
    except ValidationError as error:
        # The short form has no key of its own for its place to be found by.
        raise complaints([((), item[1]) for item in below(error)]) if short else error from error


def _named(kind: str, address: object) -> RouteRef:
    if not isinstance(address, str) or not _NAME.fullmatch(address):
        raise complaints([((), complaint(f"{shown(address)} is not a route's name", f"write {kind}: NAME"))])
    return RouteRef(kind, address)


def _json_schema() -> dict[str, Any]:
    addresses = {
        kind: {"anyOf": [{"type": "string"}, json_schema_of(section)]} for kind, section in SECTIONS.items()
    }
    return {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "properties": addresses,
        "additionalProperties": {"type": "string"},
    }


Route = Annotated[RouteRef, PlainValidator(_validate), WithJsonSchema(_json_schema())]
"""Who splits the traffic."""
