"""The metrics of Argo's analysis templates as checks with a query."""

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from controller.convert.conditions import Limit, failure_limit, success_limit
from controller.convert.draft import check_name, each_unknown
from controller.convert.notes import Notes
from controller.convert.place import Place
from controller.convert.promql import Naming, NotExactError, converted, negated
from controller.convert.units import seconds_or_duration, writable
from controller.policy.quantities import show_duration, shown
from controller.policy.writing import Value

_KEYS = frozenset(
    {"name", "interval", "count", "successCondition", "failureCondition", "failureLimit", "provider"}
)
_LOST = {
    "initialDelay": ("a step's clock begins with the canary's first request", ""),
    "inconclusiveLimit": ("a measurement is good or bad, or there is none", ""),
    "consecutiveErrorLimit": (
        "what cannot be measured holds the weight",
        "no_data says what follows, and when",
    ),
    "consecutiveSuccessLimit": ("no number of successes ends a check", ""),
}
_PROMETHEUS = frozenset({"query", "address"})
_ALL = ".*"
_NAME = re.compile(r"(\^?)([A-Za-z0-9_ -]+)(\$?)")
_MOST_FAILURES, _MOST_CHECKS = 100, 50
_MOST_COUNT = 100_000


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric with what its query's variables stand for, and the rules of dry runs."""

    metric: Place
    naming: Naming
    dry: tuple[Place, ...]


class ArgoMetrics:
    """Collects checks by name, and the shortest interval of those that became one."""

    def __init__(self, notes: Notes) -> None:
        self.checks: dict[str, dict[str, Value]] = {}
        self.interval: timedelta | None = None
        self._notes = notes

    def time(self, metric: Place) -> timedelta:
        """How long the counted measurements take; none where they go on for ever."""
        count, between = metric.at("count").whole() or 1, seconds_or_duration(metric.at("interval"))
        wait = seconds_or_duration(metric.at("initialDelay")) or timedelta()
        return wait + (between or timedelta()) * (min(max(count, 1), _MOST_COUNT) - 1)

    def add(self, measured: Measured) -> None:
        """A check of its own, or a note why not."""
        metric = measured.metric
        each_unknown(metric, _KEYS | _LOST.keys(), self._notes)
        if len(self.checks) >= _MOST_CHECKS - 1:
            self._notes.lost(metric, f"a policy has {_MOST_CHECKS} checks at most", "keep those that decide")
            return
        query = self._query(measured)
        limit = self._limit(metric) if query is not None else None
        if query is None or limit is None:
            return
        name = check_name(metric.at("name").text(), self.checks)
        if not limit.upper:
            query = negated(query)
        check: dict[str, Value] = {"query": query, "max": limit.number if limit.upper else -limit.number}
        self.checks[name] = check | self._failures(measured, name)
        self._interval(metric, name)
        self._words(metric, limit, name)
        for key, (message, advice) in _LOST.items():
            if metric.at(key).there:
                self._notes.lost(metric.at(key), message, advice)

    def _query(self, measured: Measured) -> str | None:
        provider = measured.metric.at("provider")
        source = provider.at("prometheus")
        if not source.there:
            kind = next(iter(provider.names()), None)
            advice = "bring the figure into Prometheus, and write a check with a query"
            self._notes.lost(measured.metric, f"it is measured by {shown(kind)}, not by Prometheus", advice)
            return None
        if source.at("rangeQuery").given:
            advice = "write a query that gives one number"
            self._notes.lost(source.at("rangeQuery"), "a query over a range gives many numbers", advice)
            return None
        for key in source.names():
            if key not in _PROMETHEUS and source.at(key).given:
                message = "how Prometheus is reached is the daemon's to know"
                self._notes.lost(source.at(key), message, "write it into the daemon's settings")
        if source.at("address").given:
            message = "the daemon asks the one Prometheus of its settings"
            self._notes.changed(source.at("address"), message, "see that it is the same")
        try:
            return converted(source.at("query").text(), measured.naming)
        except NotExactError as error:
            message = f"its query: {error}"
            self._notes.lost(source.at("query"), message, error.advice)
            return None

    def _limit(self, metric: Place) -> Limit | None:
        """What fails is what counts: with both conditions, the failure's."""
        success, failure = metric.at("successCondition"), metric.at("failureCondition")
        place = failure if failure.given else success
        found = failure_limit(failure.text()) if failure.given else success_limit(success.text())
        if found is None:
            what = f"{place.quoted} is no comparison with a number" if place.given else "it has no condition"
            self._notes.lost(place if place.given else metric, what, "write a check with a query and a max")
        elif success.given and failure.given and not _same(found, success_limit(success.text())):
            message = "between the two conditions Argo asks a person; here only the failure's limit fails"
            self._notes.changed(success, message, "approval: true asks a person before a step")
        return found

    def _failures(self, measured: Measured, name: str) -> dict[str, Value]:
        """How many failures end it. Argo counts them in all, and one more than its limit ends it."""
        place = measured.metric.at("failureLimit")
        limit = place.whole() or 0
        if any(_rules(rule, measured.metric) for rule in measured.dry) or limit < 0:
            return {"report_only": True}
        if limit == 0:
            return {"critical": True}
        most = min(limit + 1, _MOST_FAILURES)
        message = f"{most} failures in a row, not {limit + 1} in all"
        self._notes.changed(place, message, at=("checks", name))
        return {"failures": most}

    def _interval(self, metric: Place, name: str) -> None:
        place = metric.at("interval")
        interval = seconds_or_duration(place)
        if interval is None or not writable(interval) or interval > timedelta(days=1):
            message = "it is measured at every check, from the first weight to the last, not once"
            self._notes.changed(place if place.there else metric, message, at=("checks", name))
            return
        if metric.at("count").given:
            message = "it is measured at every check, from the first weight to the last"
            self._notes.changed(metric.at("count"), message, at=("checks", name))
        if self.interval is not None and interval != self.interval:
            message = f"all checks have the shortest interval: {show_duration(min(interval, self.interval))}"
            self._notes.changed(place, message, at=("interval",))
        self.interval = min(interval, self.interval or interval)

    def _words(self, metric: Place, limit: Limit, name: str) -> None:
        number = f"{limit.number.normalize() if limit.number else Decimal(0):f}"
        words = [] if limit.upper else [f"at least {number}, negated"]
        words += [f"{number} itself passes, which it did not"] if limit.strict else []
        words += ["without data nothing passes or fails: see no_data"] if limit.guarded else []
        if words:
            key = "failureCondition" if metric.at("failureCondition").given else "successCondition"
            self._notes.changed(metric.at(key), "; ".join(words), at=("checks", name))


def _same(one: Limit, other: Limit | None) -> bool:
    return other is not None and (one.operator, one.number) == (other.operator, other.number)


def is_plain(rule: Place) -> bool:
    """Whether a rule of dry runs is one that can be followed: a name, a part of one, or all."""
    return rule.at("metricName").text() == _ALL or _NAME.fullmatch(rule.at("metricName").text()) is not None


def _rules(rule: Place, metric: Place) -> bool:
    """Whether a rule of dry runs is about a metric. An expression finds a part of a name, as in Go."""
    name, text = metric.at("name").text(), rule.at("metricName").text()
    match = _NAME.fullmatch(text)
    if match is None:
        return text == _ALL
    start, part, end = match.groups()
    whole = (not start or name.startswith(part)) and (not end or name.endswith(part))
    return part in name and whole and (name == part or not (start and end))
