"""How each kind of route is written in a policy: its fields, by kind."""

import re
from typing import Annotated

from pydantic import Field, WithJsonSchema

from controller.policy.fields import Kind, Section, parsed_by
from controller.policy.quantities import QuantityError, shown

_PATH = re.compile(r"/|(?:/[A-Za-z0-9._~-]+)+")
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


SECTIONS: dict[str, type[Section]] = {
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
OBJECTS = {kind: section for kind, section in SECTIONS.items() if issubclass(section, ServiceRoute)}
ADAPTER_KINDS = frozenset(kind for kind, section in SECTIONS.items() if section is RewriteRoute)
"""Kinds of route whose versions are adapters in the same pods."""
OBJECT_KINDS = frozenset({*OBJECTS, *ADAPTER_KINDS})
"""Kinds of route that are objects of a cluster."""


def route_section(kind: str) -> type[Section] | None:
    """What the long form of a kind of route consists of; None for a kind that has none."""
    return SECTIONS.get(kind)
