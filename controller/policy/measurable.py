"""Which checks a metrics pack measures, and what to write where it does not."""

from collections.abc import Iterable, Mapping
from typing import Any

from controller.domain.measures import AUTO
from controller.domain.probes import PROBES
from controller.policy.catalogue import Catalogue, Measures, did_you_mean
from controller.policy.check_sections import ERRORS, QUANTILE, AnyCheck, check_section, own_count
from controller.policy.fields import KEY_COMPLAINT, Found, complaint
from controller.policy.quality_sections import DRIFT, DriftCheck, EvaluationCheck, GoldenCheck, drifting
from controller.policy.quantities import shown


def unmeasured(checks: Mapping[str, AnyCheck], pack: str, known: Catalogue) -> list[Found]:
    """The checks that rely on the metrics pack for what it does not measure."""
    if pack == AUTO:
        return []  # which pack it is shows when a copy runs; the names are known by one of them
    measures = known.packs[pack]
    return [
        (
            (name,),
            _lacking(name, pack, measures, known)
            or nowhere_measured(name, f"the metrics pack {pack}", [measures]),
        )
        for name, section in checks.items()
        if not isinstance(section, GoldenCheck | EvaluationCheck)
        and own_count(section) is None
        and not measured_by(name, [measures], type(section))
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
        and measured_by(name, [each], check_section(name))
    }
    if not able:
        return complaint(sentence, "write a check with a query of your own", KEY_COMPLAINT)
    gateways = sorted(one for one, each in able.items() if each.of_gateway)
    if gateways and not measures.of_gateway:
        return complaint(sentence, f"use a gateway's pack: metrics: {', '.join(gateways)}", KEY_COMPLAINT)
    return complaint(sentence, f"packs that measure it: {', '.join(sorted(able))}", KEY_COMPLAINT)


def measured_by(name: str, packs: Iterable[Measures], section: type[AnyCheck]) -> bool:
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


def nowhere_measured(name: str, pack: str, packs: Iterable[Measures]) -> Any:
    """That no pack of these measures it, and what is meant perhaps."""
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
