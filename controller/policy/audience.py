"""Who gets the canary when it is not everybody by chance, as a policy file says it.

Names and values come to stand in a gateway's configuration: they are what RFC 9110 and RFC 6265 allow, and
short.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from controller.domain.audience import AudienceRules, Carrier, Digits, Key, Match, Sticky
from controller.domain.probes import PROBES
from controller.policy.catalogue import Catalogue
from controller.policy.check_sections import AnyCheck, compared_by, limit_of, own_count
from controller.policy.fields import Found, Kind, Section, complaint, complaints, parsed_by
from controller.policy.quantities import QuantityError, shown
from controller.policy.steps import AutoSteps, StepSection

_MOST_TESTERS = 10
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_FIELD_VALUE = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?")
_COOKIE_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]{1,128}")
_OF_A_CONNECTION = frozenset({"connection", "content-length", "host", "te", "transfer-encoding", "upgrade"})
_BACKEND = "$backend"


def _header(value: object) -> str:
    name = _token(value)
    if name.lower() == "cookie":
        raise QuantityError(f"{shown(name)} holds all cookies", "name one: write cookie: NAME")
    if name.lower() in _OF_A_CONNECTION:
        raise QuantityError(f"{shown(name)} does not say who sends a request", "name a header that does")
    return name


def _token(value: object) -> str:
    if isinstance(value, str) and _TOKEN.fullmatch(value):
        return value
    suggestion = "use at most 64 letters, digits and -, without spaces or a colon"
    raise QuantityError(f"{shown(value)} is not the name of a header or a cookie", suggestion)


def _value(value: object) -> str:
    if isinstance(value, bool | int | float):
        said = str(value).lower() if isinstance(value, bool) else value
        raise QuantityError(f"{said} is not text", f'write "{said}", in quotes')
    if isinstance(value, str) and _FIELD_VALUE.fullmatch(value):
        return value
    suggestion = "use at most 128 printable ASCII characters, without a space at an end"
    raise QuantityError(f"{shown(value)} cannot be the value of a header or a cookie", suggestion)


def _schema(pattern: re.Pattern[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern.pattern})$"})


Header = Annotated[str, Kind("the name of a header"), parsed_by(_header), _schema(_TOKEN)]
Cookie = Annotated[str, Kind("the name of a cookie"), parsed_by(_token), _schema(_TOKEN)]
Value = Annotated[str, Kind("a text"), parsed_by(_value), _schema(_FIELD_VALUE)]


class _OfSomebody(Section):
    """What says who sends a request."""

    header: Header | None = Field(
        default=None, description="Name of the header that says it.", examples=["x-user-id"]
    )
    cookie: Cookie | None = Field(
        default=None, description="Name of the cookie that says it, in its place.", examples=["session"]
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> "_OfSomebody":
        if (self.header is None) == (self.cookie is None):
            sentence = "neither a header nor a cookie" if self.header is None else "a header and a cookie"
            raise complaint(f"{sentence} is named", "name one of the two")
        return self

    @property
    def key(self) -> Key:
        """The one that is named."""
        if self.cookie is not None:
            return Key(Carrier.COOKIE, self.cookie)
        return Key(Carrier.HEADER, self.header or "")


class MatchSection(_OfSomebody):
    """Requests whose header or cookie has exactly this value: their senders are testers."""

    value: Value = Field(description="Its value, exactly.", examples=["yes"])

    @field_validator("value")
    @classmethod
    def _of_a_cookie(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("cookie") is not None and not _COOKIE_VALUE.fullmatch(value):
            sentence = f"{shown(value)} cannot be the value of a cookie"
            raise complaint(sentence, 'leave out spaces, " , ; and \\')
        return value

    def to_match(self) -> Match:
        """In the words of the domain; no two headers differ by the case of their names alone."""
        key = self.key
        name = key.name.lower() if key.carrier is Carrier.HEADER else key.name
        return Match(Key(key.carrier, name), self.value)


class StickySection(_OfSomebody):
    """Users who keep the version that they were given while the weight grows."""

    requests_per_user: int = Field(
        default=20,
        ge=1,
        le=1000,
        description=(
            "Requests of one user that count as one witness, because one version has them all:"
            " as many as a busy user sends during a rollout."
        ),
        examples=[50],
    )
    digits: Literal["decimal", "hex"] | None = Field(
        default=None,
        description=(
            "For gateways that cannot hash: what the last three characters of the value are,"
            " each as often as any other."
        ),
        examples=["hex"],
    )

    def to_sticky(self) -> Sticky:
        """In the words of the domain."""
        key = self.key
        name = key.name.lower() if key.carrier is Carrier.HEADER else key.name
        return Sticky(Key(key.carrier, name), Digits(self.digits) if self.digits else None)


class AudienceSection(Section):
    """Who gets the canary: testers first, and users who keep what they got; everybody else by chance."""

    testers: list[MatchSection] = Field(
        default=[],
        max_length=_MOST_TESTERS,
        description=(
            "Whose requests go to the canary from the step testers on, or from the first weight on"
            " where no step says so; each by a header or a cookie."
        ),
        examples=[[{"header": "x-tester", "value": "internal"}]],
    )
    sticky: StickySection | None = Field(
        default=None,
        description="Header or cookie by which users keep their version while the weight grows.",
        examples=[{"header": "x-user-id"}],
    )

    @field_validator("testers")
    @classmethod
    def _each_once(cls, testers: list[MatchSection]) -> list[MatchSection]:
        known = [tester.to_match() for tester in testers]
        twice = [index for index, match in enumerate(known) if match in known[:index]]
        if twice:
            raise complaints([((twice[0],), complaint("the same is given twice", "keep one of the two"))])
        return testers

    def to_rules(self, *, mixed: bool) -> AudienceRules:
        """In the words of the domain."""
        sticky = self.sticky
        return AudienceRules(
            testers=tuple(tester.to_match() for tester in self.testers),
            sticky=sticky.to_sticky() if sticky else None,
            requests_per_user=sticky.requests_per_user if sticky else 1,
            mixed=mixed and bool(self.testers),
        )


def unroutable(audience: AudienceSection, kind: str, known: Catalogue) -> Iterator[Found]:
    """What a kind of route cannot do for an audience, with those that can."""
    able = known.routes[kind]
    if audience.testers and not able.match:
        can = ", ".join(sorted(name for name, each in known.routes.items() if each.match))
        sentence = f"a route of the kind {kind} cannot tell testers by their requests"
        yield ("testers",), complaint(sentence, f"remove testers; kinds that can: {can}")
    if audience.sticky is None:
        return
    if not able.sticky:
        can = ", ".join(sorted(name for name, each in known.routes.items() if each.sticky))
        sentence = f"a route of the kind {kind} cannot keep users at their version"
        yield ("sticky",), complaint(sentence, f"remove sticky; kinds that can: {can}")
    elif able.hashes and audience.sticky.digits:
        yield ("sticky", "digits"), complaint(f"a route of the kind {kind} hashes any value", "remove digits")
    elif not able.hashes and not audience.sticky.digits:
        sentence = (
            f"a route of the kind {kind} cannot hash: there users are told by the last three"
            " digits of the value"
        )
        yield ("sticky",), complaint(sentence, "add digits: hex or digits: decimal, or remove sticky")


def counts_mixed(audience: AudienceSection, metrics: str, kind: str, known: Catalogue) -> bool:
    """Whether the metrics count testers' requests among all others of the canary."""
    pack = known.packs.get(metrics)
    return bool(audience.testers) and not (pack is not None and pack.by_upstream and known.routes[kind].match)


def for_testers(steps: Sequence[StepSection] | AutoSteps) -> bool:
    """Whether testers have a step of their own."""
    return not isinstance(steps, AutoSteps) and any(step.testers for step in steps)


def nameless_testers(steps: Sequence[StepSection] | AutoSteps, audience: AudienceSection) -> Iterator[Found]:
    """Steps for testers where the policy names none."""
    for index, step in enumerate(() if isinstance(steps, AutoSteps) else steps):
        if step.testers and not audience.testers:
            sentence = "the step is for testers, and the policy names none"
            yield (index,), complaint(sentence, "add audience: {testers: [{header: NAME, value: VALUE}]}")


def unjudged(checks: Mapping[str, AnyCheck], *, testers_step: bool) -> Iterator[Found]:
    """Nothing but a limit of its own judges those who chose the canary themselves."""
    deciding = [check for name, check in checks.items() if not check.report_only and name != PROBES]
    if testers_step and all(limit_of(check) is None for check in deciding):
        sentence = "no check judges the testers' step: testers chose the canary, so nothing compares"
        yield (), complaint(sentence, "give a check max, or remove the step testers")


def incomparable(checks: Mapping[str, AnyCheck], metrics: str, *, mixed: bool) -> Iterator[Found]:
    """Comparisons with stable of counts that hold testers' requests, who are no random sample."""
    for name, check in checks.items():
        own = own_count(check)
        counted = own is not None and _BACKEND not in own
        key = compared_by(check)
        if key is None or not (counted or (mixed and own is None)):
            continue
        who = "the check's own query" if counted else f"metrics: {metrics}"
        sentence = f"{who} counts testers' requests among the canary's, so it cannot be compared with stable"
        suggestion = "give it max alone, read a gateway's metrics (envoy, envoy-gateway), or remove testers"
        yield (name, key), complaint(sentence, suggestion)
