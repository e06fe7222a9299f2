"""The checks of a policy: which limits go with which name.

The name says how a check is measured: ``errors``, ``latency_p99`` and what else the metrics pack knows come
from there; any other name brings selections of its own counters, or a query.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import PlainValidator, ValidationError, ValidationInfo, WithJsonSchema

from controller.domain.policy import Check, CheckKind
from controller.domain.probes import PROBES
from controller.policy.catalogue import Measures
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
from controller.policy.measurable import measured_by, nowhere_measured
from controller.policy.quality_sections import (
    QUALITY,
    SHORTEST_EVERY,
    DriftCheck,
    EvaluationCheck,
    GoldenCheck,
    QualityCheck,
)
from controller.policy.quantities import shown

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MOST_CHECKS = 50
_OWN_NAME = "give a check of your own a name of its own"
_OWN = ("query", "histogram", "bad", "of")


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
    if own is None and isinstance(raw, dict) and not measured_by(name, packs.values(), section):
        return nowhere_measured(name, "the metrics pack", packs.values())
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
