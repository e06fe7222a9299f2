"""Flagger's metrics as checks: the two built-in ones, and queries of MetricTemplates."""

from collections.abc import Sequence
from decimal import Decimal

from controller.convert.draft import Draft, check_name, each_entry, each_unknown
from controller.convert.manifests import Manifest, find
from controller.convert.notes import Notes
from controller.convert.place import Place
from controller.convert.promql import Naming, NotExactError, Variable, Who, converted, negated
from controller.convert.units import go_duration
from controller.policy.quantities import shown
from controller.policy.writing import Value

_SUCCESS, _DURATION = "request-success-rate", "request-duration"
_BUILT_IN = {_SUCCESS: "errors", _DURATION: "latency_p99"}
_EXAMPLES = {"errors": "0.1%", "latency_p99": "500ms"}
_KEYS = frozenset(
    {"name", "interval", "threshold", "thresholdRange", "templateRef", "templateVariables", "query"}
)
_MOST_FAILURES, _MOST_CHECKS = 100, 50
_HUNDRED = Decimal(100)
_MICRO = Decimal("0.000001")
_LONGEST_MS = Decimal(86_400_000)
_PROMETHEUS = "prometheus"
_WINDOW = "1m"
"""Flagger's, for a metric without interval."""


class FlaggerMetrics:
    """Adds the checks of one Canary to its draft."""

    def __init__(
        self, manifest: Manifest, objects: Sequence[Manifest], label: str | None, notes: Notes
    ) -> None:
        self._manifest = manifest
        self._objects = objects
        self._label = label
        self._notes = notes
        self._window_told = False
        self._namespace = manifest.namespace

    def add_to(self, draft: Draft, analysis: Place) -> None:
        """All metrics of the analysis; and what becomes of the number of failures."""
        self._namespace = draft.namespace
        failures = max(analysis.at("threshold").whole() or 1, 1)
        self._count(analysis.at("threshold"), failures)
        for metric in each_entry(analysis.at("metrics"), self._notes):
            each_unknown(metric, _KEYS, self._notes)
            if len(draft.checks) >= _MOST_CHECKS - 1:
                self._notes.lost(metric, f"a policy has {_MOST_CHECKS} checks at most", "keep the best")
            elif metric.at("templateRef").given or metric.at("query").given:
                self._own(draft, metric, failures)
            else:
                self._built_in(draft, metric)

    def _count(self, place: Place, failures: int) -> None:
        if not place.there:
            return
        message = f"failed checks are not counted in all ({failures}): every request is weighed"
        self._notes.lost(
            place,
            message,
            f"judge: threshold with failures: {min(failures, _MOST_FAILURES)} counts them in a row",
        )

    def _built_in(self, draft: Draft, metric: Place) -> None:
        source = metric.at("name").text()
        name = _BUILT_IN.get(source)
        if name is None:
            advice = f"known are {_SUCCESS}, {_DURATION}, and those with a templateRef"
            self._notes.lost(metric, f"{shown(source or None)} is not a metric of Flagger's own", advice)
            return
        lowest, highest = self._range(metric, legacy="min" if source == _SUCCESS else "max")
        used, other = (lowest, highest) if source == _SUCCESS else (highest, lowest)
        limit = _errors(used) if source == _SUCCESS else _latency(used)
        if other is not None:
            self._notes.lost(metric.at("thresholdRange"), "a limit on the good side fails nothing", "")
        if limit is None:
            number = metric.at("thresholdRange") if metric.at("thresholdRange").there else metric
            none = name == _BUILT_IN[_SUCCESS] and used == _HUNDRED
            message = (
                "no number of requests shows that none fails" if none else "it has no limit to carry over"
            )
            self._notes.lost(number, message, f"write {name}: {{max: {_EXAMPLES[name]}}}")
        elif name in draft.checks:
            self._notes.lost(metric, f"{shown(source)} is there twice", "keep the stricter one")
        else:
            draft.checks[name] = {"max": limit}
            self._window(metric.at("interval"))

    def _window(self, place: Place) -> None:
        if place.there and not self._window_told:
            self._window_told = True
            message = "all requests of the step are counted, not those of a window"
            self._notes.changed(place, message)

    def _own(self, draft: Draft, metric: Place, failures: int) -> None:
        found = self._query(metric)
        if found is None:
            return
        lowest, highest = self._range(metric, legacy="max")
        if lowest is None and highest is None:
            self._notes.lost(metric, "it has no limit", "write thresholdRange, or a check with max")
            return
        limits = [(highest, found, "")] if highest is not None else []
        if lowest is not None:
            limits.append(
                (-lowest, negated(found), f"negated, for it has to be at least {lowest.normalize():f}; ")
            )
        for limit, query, words in limits:
            name = check_name(metric.at("name").text(), draft.checks)
            check: dict[str, Value] = {"query": query, "max": limit}
            check["failures"] = min(failures, _MOST_FAILURES)
            draft.checks[name] = check
            message = f"{words}failures are in a row and of this check, not in all and of all checks"
            self._notes.changed(metric, message, at=("checks", name))

    def _range(self, metric: Place, legacy: str) -> tuple[Decimal | None, Decimal | None]:
        """The lowest and the highest number that pass; ``legacy`` is which of them threshold is."""
        given = metric.at("thresholdRange")
        if given.there:
            return given.at("min").number(), given.at("max").number()
        number = metric.at("threshold").number()
        return (number, None) if legacy == "min" else (None, number)

    def _query(self, metric: Place) -> str | None:
        """The policy's query, or None when that was told."""
        place, query = metric, metric.at("query")
        if metric.at("templateRef").given:
            template = self._template(metric)
            if template is None:
                return None
            provider = template.at("spec", "provider")
            kind = provider.at("type").text()
            if kind.lower() != _PROMETHEUS:
                advice = "bring the figure into Prometheus, and write a check with a query"
                self._notes.lost(
                    metric, f"it is measured by {shown(kind or None)}, not by Prometheus", advice
                )
                return None
            for key in provider.names():
                if key not in ("type", "address") and provider.at(key).given:
                    message = "how Prometheus is reached is the daemon's to know"
                    self._notes.lost(provider.at(key), message, "write it into the daemon's settings")
            if provider.at("address").given:
                message = "the daemon asks the one Prometheus of its settings"
                self._notes.changed(provider.at("address"), message, "see that it is the same")
            place, query = metric.at("templateRef"), template.at("spec", "query")
        try:
            return converted(query.text(), self._naming(metric))
        except NotExactError as error:
            self._notes.lost(place, f"its query: {error}", error.advice)
            return None

    def _template(self, metric: Place) -> Place | None:
        reference = metric.at("templateRef")
        name, where = reference.at("name").text(), reference.at("namespace").text()
        found = find(self._objects, "MetricTemplate", name, where or self._manifest.namespace or None)
        if found is None:
            advice = "give its file too: serinus convert CANARY TEMPLATE"
            self._notes.lost(
                reference, f"the MetricTemplate {shown(name or None)} is not in the files", advice
            )
        return found.place if found else None

    def _naming(self, metric: Place) -> Naming:
        spec = self._manifest.place.at("spec")
        target = spec.at("targetRef", "name").text()
        service = spec.at("service", "name").text() or target
        window = metric.at("interval").text()
        texts = {
            "name": self._manifest.name,
            "namespace": self._namespace,
            "service": service,
            "ingress": spec.at("ingressRef", "name").text(),
            "interval": window if go_duration(window) else _WINDOW,
        }

        def resolve(name: str) -> Variable | None:
            if name == "target":
                return Variable(target, Who.CANARY)
            if name.startswith("variables."):
                value = metric.at("templateVariables", name.removeprefix("variables."))
                return Variable(value.text()) if value.there else None
            return Variable(texts[name]) if texts.get(name) else None

        stable = [(f"{name}-primary", Who.STABLE) for name in (target, service)]
        canary = [(f"{name}-canary", Who.CANARY) for name in (target, service)]
        return Naming(resolve, (*stable, *canary), self._label)


def _errors(least_good: Decimal | None) -> str | None:
    """The largest share of errors, where a share of successes is in percent."""
    if least_good is None or not 0 < least_good < _HUNDRED or least_good % _MICRO:
        return None
    return f"{(_HUNDRED - least_good).normalize():f}%"


def _latency(longest: Decimal | None) -> str | None:
    """A time from milliseconds."""
    if longest is None or not 1 <= longest <= _LONGEST_MS or longest % 1:
        return None
    return f"{longest:f}ms" if longest % 1000 else f"{longest / 1000:f}s"
