"""Where a policy says how Serinus itself asks through the gateway, and what must be said for it to be honest.

Which version answered must show in the answer. On Serinus' own Envoy it does, for the route adds a header
that nobody else can set; elsewhere the policy names a header in which each version names itself.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Annotated

from pydantic import Field, StringConstraints, WithJsonSchema

from controller.domain.capabilities import Capabilities
from controller.domain.policy import RouteRef
from controller.domain.probes import PROBES, ProbeRules
from controller.policy.fields import (
    KEY_COMPLAINT,
    Duration,
    Found,
    Kind,
    Latency,
    Section,
    complaint,
    complaints,
    parsed_by,
    written,
)
from controller.policy.names import Label
from controller.policy.quantities import QuantityError, shown

COMPLETIONS = "/v1/chat/completions"


_PATH = r"/[A-Za-z0-9._~/-]{0,300}"
_HEADER = r"[A-Za-z0-9-]{1,64}"
_HOST = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"


def _like(pattern: str, what: str, example: str) -> Callable[[object], str]:
    """A parser of text that matches the pattern whole."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise QuantityError(f"{shown(value)} is not {what}", f"write it like {example}")
        return value

    return parse


def _schema(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


Path = Annotated[str, Kind("a path"), parsed_by(_like(_PATH, "a path", COMPLETIONS)), _schema(_PATH)]
Header = Annotated[
    str,
    Kind("the name of a header"),
    parsed_by(_like(_HEADER, "the name of a header", "x-model-version")),
    _schema(_HEADER),
]
Host = Annotated[
    str, Kind("a host name"), parsed_by(_like(_HOST, "a host name", "chat.example.com")), _schema(_HOST)
]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class ProbeSection(Section):
    """Streamed requests of Serinus' own through the gateway, for the check probes. They cost tokens."""

    every: Duration = Field(
        default=written("1m"), description="Time from one round of requests to the next.", examples=["2m"]
    )
    requests: int = Field(default=10, ge=1, le=50, description="Requests of a round.", examples=[20])
    path: Path = Field(
        default=COMPLETIONS,
        description="Path of the OpenAI-compatible chat completions at the gateway.",
        examples=["/chat/v1/chat/completions"],
    )
    host: Host | None = Field(
        default=None,
        description="Host header, where the route has host names.",
        examples=["chat.example.com"],
    )
    gateway: Label = Field(
        default="default",
        description="Gateway that is asked, by the name that the operator's settings give it.",
        examples=["public"],
    )
    served_model: Text | None = Field(
        default=None,
        description="What requests call the model; the policy's model where it is absent.",
        examples=["meta-llama/Llama-3.1-8B-Instruct"],
    )
    prompt: Text = Field(
        default="Count from one to five.", description="What to ask.", examples=["Say hello."]
    )
    max_tokens: int = Field(
        default=16, ge=1, le=512, description="Tokens of an answer at most.", examples=[8]
    )
    first_token: Latency = Field(
        default=written("10s"), description="Time to the first token, after which it is bad.", examples=["5s"]
    )
    timeout: Duration = Field(
        default=written("60s"), description="Time to the end, after which it is bad.", examples=["30s"]
    )
    version_header: Header | None = Field(
        default=None,
        description=(
            "Header of the answer in which each version names itself. On a route of the kind envoy the"
            " gateway adds one by itself; any other needs it."
        ),
        examples=["x-model-version"],
    )

    def to_rules(self, model: str) -> ProbeRules:
        """In the words of the domain."""
        assert self.version_header is not None, "the policy's file names one, or its kind of route has one"
        return ProbeRules(
            path=self.path,
            served_model=self.served_model or model,
            version_header=self.version_header.lower(),
            every=self.every,
            requests=self.requests,
            prompt=self.prompt,
            max_tokens=self.max_tokens,
            first_token=self.first_token,
            timeout=self.timeout,
            gateway=self.gateway,
            host=self.host or "",
        )


def unasked(policy: object) -> list[Found]:
    """What a file says of probes that it does not ask for."""
    checks = policy.get("checks") if isinstance(policy, dict) else None
    if not isinstance(policy, dict) or not isinstance(checks, dict):
        return []
    if PROBES not in checks or policy.get("probe") is not None:
        return []
    sentence = "the policy does not say what to ask"
    return [(("checks", PROBES), complaint(sentence, "add probe: {every: 1m}, or remove it", KEY_COMPLAINT))]


def told_apart(
    probe: ProbeSection, route: RouteRef | None, checks: Collection[str], known: Mapping[str, Capabilities]
) -> ProbeSection:
    """The section with the header that tells versions apart. Raises what is wrong with it.

    The route is None where it has faults of its own. ``known`` is what each kind of route can do.
    """
    found: list[Found] = []
    if PROBES not in checks:
        sentence = f"nothing judges the probes: there is no check {PROBES}"
        found.append(((), complaint(sentence, f"add {PROBES}: {{max: 5%}} to checks", KEY_COMPLAINT)))
    if route is not None:
        own = known[route.kind].version_header if route.kind in known else ""
        probe = probe.model_copy(update={"version_header": probe.version_header or own or None})
        found += _of_route(probe, route)
    if found:
        raise complaints(found)
    return probe


def _of_route(probe: ProbeSection, route: RouteRef) -> list[Found]:
    found: list[Found] = []
    if probe.version_header is None:
        sentence = (
            f"an answer through a route of the kind {route.kind} does not say which version gave it,"
            " so it could count for neither"
        )
        suggestion = "add version_header: NAME, a header of the answer in which each version names itself"
        found.append((("version_header",), complaint(sentence, suggestion)))
    prefix, by_path = route.name.rstrip("/"), route.name.startswith("/")
    if by_path and probe.path != prefix and not probe.path.startswith(f"{prefix}/"):
        sentence = f"{shown(probe.path)} does not belong to the model's route {route.name}"
        found.append((("path",), complaint(sentence, f"write path: {prefix}{COMPLETIONS}")))
    return found
