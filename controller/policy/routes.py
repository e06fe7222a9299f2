"""Where a policy says who splits the traffic: one kind of gateway, and the route's address there."""

import re
from typing import Annotated, Any, TypeVar

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

AnySection = TypeVar("AnySection", bound=Section)
_PATH = re.compile(r"/|(?:/[A-Za-z0-9._~-]+)+")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,251}[A-Za-z0-9])?")
_OBJECT = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_SERVED = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:/-]{0,251}[A-Za-z0-9])?")
_LONGEST_PATH = 512
_PATH_SCHEMA = {"type": "string", "pattern": f"^(?:{_PATH.pattern})$"}
_SERVED_SCHEMA = {"type": "string", "pattern": f"^{_SERVED.pattern}$"}
_OBJECT_SCHEMA = {"type": "string", "pattern": f"^{_OBJECT.pattern}$"}


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


def is_object_name(text: str) -> bool:
    """Whether it can be the name of a route or a backend in a cluster."""
    return _OBJECT.fullmatch(text) is not None


def _object(value: object) -> str:
    if isinstance(value, str) and _OBJECT.fullmatch(value):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise QuantityError(f"{value} is a number, not a name", f'write "{value}", in quotes, if it is one')
    suggestion = "write the object's name: lower-case letters, digits, dots and -"
    if isinstance(value, str):
        _, slash, rest = value.rpartition("/")
        kebab = re.sub(r"[^a-z0-9.]+", "-", value.lower()).strip("-.")
        if slash and _OBJECT.fullmatch(rest):
            suggestion = f"write {rest}; its namespace is the policy's"
        elif _OBJECT.fullmatch(kebab):
            suggestion += f"; did you mean {kebab}?"
    raise QuantityError(f"{shown(value)} is not a name in a cluster", suggestion)


ObjectName = Annotated[str, Kind("the name of an object"), parsed_by(_object), WithJsonSchema(_OBJECT_SCHEMA)]


def is_served_name(text: str) -> bool:
    """Whether an engine may call a model or an adapter so, as requests name it."""
    return _SERVED.fullmatch(text) is not None


def _served(value: object) -> str:
    if isinstance(value, str) and is_served_name(value):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise QuantityError(f"{value} is a number, not a name", f'write "{value}", in quotes, if it is one')
    suggestion = "write it as requests name it: letters, digits and ._:/-, such as food-review or org/chat-v2"
    raise QuantityError(f"{shown(value)} is not the name of a model", suggestion)


ServedName = Annotated[str, Kind("the name of a model"), parsed_by(_served), WithJsonSchema(_SERVED_SCHEMA)]


class RewriteRoute(Section):
    """A rewrite of model names within one InferencePool, whose rule is found by the model."""

    name: ObjectName = Field(description="Name of the InferenceModelRewrite.", examples=["food-review"])
    model: ServedName | None = Field(
        default=None,
        description="Model that requests ask for; the policy's own name when absent.",
        examples=["food-review"],
    )
    stable: ServedName | None = Field(
        default=None,
        description=(
            "Adapter that serves the model before the first release,"
            " where its rule has others too; found by what is on record after that."
        ),
        examples=["food-review-v1"],
    )


class ServiceRoute(Section):
    """An object of a cluster, in the policy's namespace, that tells itself which version serves."""

    name: ObjectName = Field(description="Name of the object.", examples=["fraud-detector"])


class NamedRoute(ServiceRoute):
    """A route that is an object of a cluster, in the policy's namespace, and the model's as a whole."""

    name: ObjectName = Field(description="Name of the route.", examples=["fraud-detector"])
    stable: ObjectName | None = Field(
        default=None,
        description=(
            "Backend that serves the model before the first release,"
            " where its rule has others too; found by what is on record after that."
        ),
        examples=["fraud-detector-v1"],
    )


class ObjectRoute(NamedRoute):
    """A route that is an object of a cluster, in the policy's namespace."""

    rule: ObjectName | None = Field(
        default=None,
        description="Name of the rule that is the model's; found by its backends when absent.",
        examples=["infer"],
    )


class GroupRoute(NamedRoute):
    """A routing group of KServe's LLMInferenceServices, in the policy's namespace."""

    name: ObjectName = Field(
        description="Name of the group, spec.router.route.group of its members.", examples=["support-chat"]
    )
    stable: ObjectName | None = Field(
        default=None,
        description=(
            "LLMInferenceService that serves the model before the first release, where the group has others"
            " with a weight; found by what is on record after that."
        ),
        examples=["support-chat-v1"],
    )


_SECTIONS: dict[str, type[Section]] = {
    "envoy": PathRoute,
    "httpRoute": ObjectRoute,
    "grpcRoute": ObjectRoute,
    "virtualService": ObjectRoute,
    "aiGatewayRoute": ObjectRoute,
    "knativeService": NamedRoute,
    "inferenceModelRewrite": RewriteRoute,
    "inferenceService": ServiceRoute,
    "llmInferenceService": GroupRoute,
}
_OBJECTS = {kind: section for kind, section in _SECTIONS.items() if issubclass(section, ServiceRoute)}
ADAPTER_KINDS = frozenset(kind for kind, section in _SECTIONS.items() if section is RewriteRoute)
"""Kinds of route whose versions are adapters in the same pods."""
OBJECT_KINDS = frozenset({*_OBJECTS, *ADAPTER_KINDS})
"""Kinds of route that are objects of a cluster."""


def route_section(kind: str) -> type[Section] | None:
    """What the long form of a kind of route consists of; None for a kind that has none."""
    return _SECTIONS.get(kind)


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
    route = _long_form(_OBJECTS[kind], "name", address)
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
        kind: {"anyOf": [{"type": "string"}, json_schema_of(section)]} for kind, section in _SECTIONS.items()
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
