"""The checks of a policy: which limits go with which name.

The name says how a check is measured: ``errors``, ``latency_p99`` and what else the metrics pack knows come
from there; any other name brings selections of its own counters, or a query.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationError, ValidationInfo, WithJsonSchema

from controller.domain.measures import AUTO
from controller.domain.policy import Check, CheckKind
from controller.domain.probes import PROBES
from controller.policy.catalogue import Catalogue, Measures, did_you_mean
from controller.policy.check_sections import (
    ERRORS,
    LATENCY,
    LEVELS,
    QUANTILE,
    AnyCheck,
    ErrorsCheck,
    LatencyCheck,
    ProbesCheck,
    QueryCheck,
    SharesCheck,
    check_section,
    is_level,
    own_count,
)
from controller.policy.fields import (
    KEY_COMPLAINT,
    Found,
    below,
    catalogue_of,
    complaint,
    complaints,
    json_schema_of,
)
from controller.policy.quality_sections import (
    DRIFT,
    QUALITY,
    SHORTEST_EVERY,
    DriftCheck,
    EvaluationCheck,
    GoldenCheck,
    QualityCheck,
    drifting,
)
from controller.policy.quantities import shown

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MOST_CHECKS = 50
_OWN_NAME = "give a check of your own a name of its own"
_OWN = ("query", "histogram", "bad", "of")


def unmeasured(checks: Mapping[str, AnyCheck], pack: str, known: Catalogue) -> list[Found]:
    """The checks that rely on the metrics pack for what it does not measure."""
    if pack == AUTO:
        return []  # which pack it is shows when a copy runs; the names are known by one of them
    measures = known.packs[pack]
    return [
        (
            (name,),
            _lacking(name, pack, measures, known) or _unknown(name, f"the metrics pack {pack}", [measures]),
        )
        for name, section in checks.items()
        if not isinstance(section, GoldenCheck | EvaluationCheck)
        and own_count(section) is None
        and not _known(name, [measures], type(section))
    ]


def _lacking(name: str, pack: str, measures: Measures, known: Catalogue) -> Any:
    """What the pack itself says of a check that it cannot measure, and which packs can."""
    match = QUANTILE.fullmatch(name)
    reason = measures.lacks.get(match[1] if match else name)
    if reason is None:
        return None
    sentence = f"{shown(name)} is not measured by the metrics pack {pack}: {reason}"
    able = {
        one: each
        for one, each in known.packs.items()
        if each.of_adapters is measures.of_adapters
        and not each.refused
        and _known(name, [each], check_section(name))
    }
    if not able:
        return complaint(sentence, "write a check with a query of your own", KEY_COMPLAINT)
    gateways = sorted(one for one, each in able.items() if each.of_gateway)
    if gateways and not measures.of_gateway:
        return complaint(sentence, f"use a gateway's pack: metrics: {', '.join(gateways)}", KEY_COMPLAINT)
    return complaint(sentence, f"packs that measure it: {', '.join(sorted(able))}", KEY_COMPLAINT)


def _known(name: str, packs: Iterable[Measures], section: type[AnyCheck]) -> bool:
    """Whether one of the packs measures what a check of this name reads."""
    if issubclass(section, DriftCheck):
        return any(drifting(name) in pack.histograms | pack.distributions for pack in packs)
    if match := QUANTILE.fullmatch(name):
        return any(match[1] in pack.histograms for pack in packs)
    if name == PROBES:
        return True
    if name == ERRORS:
        return any(pack.errors for pack in packs)
    return any(name in pack.ratios or name in pack.levels for pack in packs)


def _unknown(name: str, pack: str, packs: Iterable[Measures]) -> Any:
    known = {check for measures in packs for check in measures.checks}
    known |= {ERRORS} if any(measures.errors for measures in packs) else set()
    lacks, own = (
        ("histogram", "a histogram")
        if QUANTILE.fullmatch(name) or DRIFT.fullmatch(name)
        else ("query", "bad and of, or a query")
    )
    suggestion = did_you_mean(name, frozenset(known))
    if not suggestion.startswith("did you mean"):
        suggestion += f"; or give it {own} of your own"
    return complaint(f"{shown(name)} is not measured by {pack} and has no {lacks}", suggestion, KEY_COMPLAINT)


def to_check(name: str, section: AnyCheck) -> Check:
    """The check in the words of the domain."""
    if isinstance(section, QualityCheck):
        return section.to_check(name)
    kind, quantile, measure = CheckKind.RATIO, None, "" if name == ERRORS else name
    if isinstance(section, LatencyCheck):
        match = QUANTILE.fullmatch(name)
        assert match is not None
        kind, quantile = CheckKind.QUANTILE, float(Decimal(match[2]) / 100)
        measure = "" if match[1] == LATENCY else match[1]
    elif is_level(type(section)):
        kind = CheckKind.GAUGE
    highest, worse_by, own = section.max, section.worse_by, own_count(section)
    return Check(
        name=name,
        kind=kind,
        max=highest.total_seconds() if isinstance(highest, timedelta) else highest,
        worse_by_ratio=worse_by.ratio if worse_by else None,
        worse_by_points=worse_by.points if worse_by else None,
        quantile=quantile,
        failures=section.failures,
        critical=section.critical,
        report_only=section.report_only,
        query=own,
        measure="" if own else measure,
        of=section.of if isinstance(section, SharesCheck) else None,
    )


def _validate(value: object, info: ValidationInfo) -> dict[str, AnyCheck]:
    if not isinstance(value, dict) or not value:
        raise complaint(f"{shown(value)} is not a mapping of checks", "write at least one: errors: {max: 1%}")
    if len(value) > _MOST_CHECKS:
        raise complaint(f"{len(value)} checks are more than {_MOST_CHECKS}", "keep those that decide")
    checks: dict[str, AnyCheck] = {}
    found: list[Found] = []
    for name, raw in value.items():
        checked = _validate_one(name, raw, info)
        if isinstance(checked, list):
            found += checked
        else:
            checks[name] = checked
    if not found and all(check.report_only for check in checks.values()):
        found.append(
            ((), complaint("every check is report_only: nothing could fail", "let at least one check decide"))
        )
    if found:
        raise complaints(found)
    return checks


def _validate_one(name: str, raw: object, info: ValidationInfo) -> AnyCheck | list[Found]:
    if trouble := _name_trouble(name, raw, catalogue_of(info).packs):
        return [((name,), trouble)]
    section_type = check_section(name, raw if isinstance(raw, dict) else ())
    try:
        section = section_type.model_validate(raw, context=info.context)
    except ValidationError as error:
        return below(error, name)
    if isinstance(section, QualityCheck):
        return _quality_troubles(name, section) or section
    if section.max is None and section.worse_by is None:
        return [((name,), complaint("the check has no limit", "add max, worse_by or both"))]
    if isinstance(section, SharesCheck) and (section.bad is None) != (section.of is None):
        lacks = "of" if section.of is None else "bad"
        return [((name,), complaint(f"the check counts without {lacks}", f"add {lacks}: METRIC{{…}}"))]
    return section


def _quality_troubles(name: str, section: QualityCheck) -> list[Found]:
    if isinstance(section, DriftCheck):
        return []
    found: list[Found] = []
    if not section.limited:
        found.append(((name,), complaint("the check has no limit", "add min, worse_by or both")))
    if section.every < SHORTEST_EVERY:
        sentence = f"{section.every.total_seconds():g}s is shorter than 10s"
        found.append(((name, "every"), complaint(sentence, "write 10s or more")))
    return found


def _name_trouble(name: str, raw: object, packs: Mapping[str, Measures]) -> Any:
    written = raw if isinstance(raw, dict) else {}
    section, match = check_section(name, written), QUANTILE.fullmatch(name)
    if section is LatencyCheck and (match is None or not float(match[2])):
        return complaint(
            f"{shown(name)} names no quantile", "write latency_p50, latency_p95, latency_p99.9, …"
        )
    if not _NAME.fullmatch(name) and match is None:
        return complaint(
            f"{shown(name)} is not a check's name",
            "use lower-case letters, digits and _, at most 63, a letter first",
            KEY_COMPLAINT,
        )
    own = next((key for key in _OWN if key in written), None)
    if own not in (None, "query") and name in LEVELS:
        sentence = f"{shown(name)} is a level of the metrics pack and takes no {own}"
        return complaint(sentence, _OWN_NAME, KEY_COMPLAINT)
    if issubclass(section, GoldenCheck | EvaluationCheck):
        taken = name == ERRORS or name in LEVELS or match is not None
        sentence = f"{shown(name)} is the name of another check"
        return complaint(sentence, _OWN_NAME, KEY_COMPLAINT) if taken else None
    if own is None and isinstance(raw, dict) and not _known(name, packs.values(), section):
        return _unknown(name, "the metrics pack", packs.values())
    if own is not None and section is ProbesCheck:
        sentence = f"{shown(name)} is counted by Serinus itself and takes no {own}"
        return complaint(sentence, _OWN_NAME, KEY_COMPLAINT)
    if own is not None and (section is ErrorsCheck or name.startswith(f"{LATENCY}_p")):
        sentence = f"{shown(name)} is measured by the metrics pack and takes no {own}"
        return complaint(sentence, _OWN_NAME, KEY_COMPLAINT)
    return None


Checks = Annotated[
    dict[str, AnyCheck],
    PlainValidator(_validate),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "properties": {
                ERRORS: json_schema_of(ErrorsCheck),
                PROBES: json_schema_of(ProbesCheck),
                **{
                    str(name): {"anyOf": [json_schema_of(section), json_schema_of(QueryCheck)]}
                    for name, section in LEVELS.items()
                },
            },
            "patternProperties": {
                rf"^{LATENCY}_p[0-9]{{1,2}}(\.[0-9]{{1,3}})?$": json_schema_of(LatencyCheck)
            },
            "additionalProperties": {
                "anyOf": [
                    json_schema_of(section)
                    for section in (LatencyCheck, SharesCheck, QueryCheck, *QUALITY.values())
                ]
            },
        }
    ),
]
"""The checks by name."""
