"""Where a policy says how Serinus itself asks through the gateway, and what must be said for it to be honest.

Which version answered must show in the answer. On Serinus' own Envoy it does, for the route adds a header
that nobody else can set; elsewhere the policy names a header in which each version names itself.
"""

import re
from typing import Annotated, Any

from pydantic import Field, StringConstraints, WithJsonSchema

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
    parsed_by,
    written,
)
from controller.policy.names import Label
from controller.policy.quantities import QuantityError, shown

COMPLETIONS = "/v1/chat/completions"
_OWN_KIND, _OWN_HEADER = "envoy", "x-serinus-version"


def _text(pattern: str, what: str, example: str) -> Any:
    """Text that matches the pattern whole."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise QuantityError(f"{shown(value)} is not {what}", f"write it like {example}")
        return value

    return Annotated[
        str, Kind(what), parsed_by(parse), WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})
    ]


Path = _text(r"/[A-Za-z0-9._~/-]{0,300}", "a path", COMPLETIONS)
Header = _text(r"[A-Za-z0-9-]{1,64}", "the name of a header", "x-model-version")
Host = _text(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", "a host name", "chat.example.com")
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class ProbeSection(Section):
    """Streamed requests of Serinus' own through the gateway, for the check probes. They cost tokens."""

    every: Duration = Field(
        default=written("1m"), description="Time from one round of requests to the next.", examples=["2m"]
    )
    requests: int = Field(default=10, ge=1, le=50, description="Requests of a round.", examples=[20])
    path: Path = Field(  # type: ignore[valid-type]
        default=COMPLETIONS,
        description="Path of the OpenAI-compatible chat completions at the gateway.",
        examples=["/chat/v1/chat/completions"],
    )
    host: Host | None = Field(  # type: ignore[valid-type]
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
    version_header: Header | None = Field(  # type: ignore[valid-type]
        default=None,
        description=(
            "Header of the answer in which each version names itself. On a route of the kind envoy the"
            " gateway adds one by itself; any other needs it."
        ),
        examples=["x-model-version"],
    )

    def to_rules(self, model: str) -> ProbeRules:
        """In the words of the domain."""
        return ProbeRules(
            path=self.path,
            served_model=self.served_model or model,
            version_header=(self.version_header or _OWN_HEADER).lower(),
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


def probe_troubles(probe: ProbeSection | None, route: RouteRef | None, checks: frozenset[str]) -> list[Found]:
    """What is wrong with it beside the route and the checks, which have their own faults told elsewhere."""
    if probe is None:
        return []
    found: list[Found] = []
    if PROBES not in checks:
        sentence = f"nothing judges the probes: there is no check {PROBES}"
        found.append(((), complaint(sentence, f"add {PROBES}: {{max: 5%}} to checks", KEY_COMPLAINT)))
    if route is not None:
        found += _of_route(probe, route)
    return found


def _of_route(probe: ProbeSection, route: RouteRef) -> list[Found]:
    found: list[Found] = []
    if route.kind != _OWN_KIND and probe.version_header is None:
        sentence = (
            f"an answer through a route of the kind {route.kind} does not say which version gave it,"
            " so it could count for neither"
        )
        suggestion = "add version_header: NAME, a header of the answer in which each version names itself"
        found.append((("version_header",), complaint(sentence, suggestion)))
    prefix = route.name.rstrip("/")
    if route.kind == _OWN_KIND and probe.path != prefix and not probe.path.startswith(f"{prefix}/"):
        sentence = f"{shown(probe.path)} does not belong to the model's route {route.name}"
        found.append((("path",), complaint(sentence, f"write path: {prefix}{COMPLETIONS}")))
    return found
