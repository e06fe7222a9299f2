"""Writes PromQL: selections of many versions at once, and a policy's own query for one version.

**Invariant**: a name from outside can only ever be a label's value: each is quoted and escaped, and a filled
query is parsed again and must differ from the policy's in the values of its placeholders alone.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import promql_parser

from controller.adapters.metrics.counters import Counter, Gauge
from controller.adapters.metrics.packs import Selector, Template
from controller.adapters.naming import adapter_names, backend_name
from controller.domain.release import Release

LONGEST_QUERY_BYTES = 4096
_MEAN_OVER = timedelta(minutes=5)
"""Long enough for two samples where scrapes are a minute apart, and for a mean of more than a few answers."""
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
_TEXT_OR_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`|#[^\n]*', re.DOTALL)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class _Matcher:
    label: str
    operator: str
    equal: bool
    value: str


def samples_query(counters: Sequence[Counter], selectors: Iterable[Selector], window: timedelta) -> str:
    """All samples of the window, of all the versions. Several counters must be `plain`."""
    return f"{selection(counters, selectors)}[{window // _MILLISECOND}ms]"


def plain(counter: Counter) -> bool:
    """Whether it is all series of a metric, so that several can be selected at once."""
    return not counter.where and not counter.unless


def last_query(counters: Sequence[Counter], selectors: Iterable[Selector], longest: timedelta) -> str:
    """The last value of each series, with its name, if it had one within ``longest``."""
    return f"last_over_time({samples_query(counters, selectors, longest)})"


def level_query(gauge: Gauge, selector: Selector) -> str:
    """The pack's level of one version; NaN, or nothing, where it has no series of its own."""
    if gauge.per is None:
        level = f"max({' or '.join(_named(gauge, selector))})"
    else:
        whole, parts = (_risen(counter, selector) for counter in (gauge, gauge.per))
        level = f"({whole} / {parts})"
    return level if gauge.divide_by == 1 else f"{level} / {gauge.divide_by:.15g}"


def _risen(counter: Counter, selector: Selector) -> str:
    risen = (f"increase({one}[{_MEAN_OVER // _MILLISECOND}ms])" for one in _named(counter, selector))
    return f"sum({' or '.join(risen)})"


def _named(counter: Counter, selector: Selector) -> Iterator[str]:
    """The counter's series under each of its names: ``or`` takes the first that a copy has."""
    for one in counter.by_name:
        yield selection([one], [selector])


def filled_query(query: str, model: str, release: Release, backend: str = "") -> str:
    """The policy's query for one version. Raises `ValueError` if that cannot be done safely.

    ``backend`` is what the version's backend is called, where it is not `backend_name`.
    """
    values = {
        Template.BACKEND.value: backend or backend_name(model, release.version),
        Template.VERSION.value: release.version,
        Template.MODEL.value: model,
    }
    for adapter in adapter_names(release.backend):
        values[Template.ADAPTER.value] = adapter
    if not all(value.isprintable() for value in values.values()):
        raise ValueError("a name with unprintable characters cannot stand in a query")
    if len(query.encode()) > LONGEST_QUERY_BYTES:
        raise ValueError(f"the query is longer than {LONGEST_QUERY_BYTES} bytes")
    text, replaced = _replaced(query, values)
    matchers = _matchers(query)
    wanted = [replace(matcher, value=values.get(matcher.value, matcher.value)) for matcher in matchers]
    placed = [matcher for matcher in matchers if any(name in matcher.value for name in values)]
    alone = all(matcher.equal and matcher.value in values for matcher in placed)
    if not alone or replaced != len(placed) or _matchers(text) != wanted:
        raise ValueError("a placeholder of the query is not a label value of its own, after =")
    return text


def selection(counters: Sequence[Counter], selectors: Iterable[Selector]) -> str:
    """The counters' series of all the versions."""
    counter = counters[0]
    allowed: dict[str, set[str]] = {}
    for selector in selectors:
        for label, values in selector.values.items():
            allowed.setdefault(label, set()).update(values)
    regexes = {label: "|".join(sorted(map(escaped, values))) for label, values in allowed.items()}
    matchers = [f"{label}=~{_quoted(regex)}" for label, regex in [*counter.where.items(), *regexes.items()]]
    matchers += [f"{label}!~{_quoted(regex)}" for label, regex in counter.unless.items()]
    names = sorted({one.metric for one in counters})
    if len(names) > 1:
        return f"{{__name__=~{_quoted('|'.join(names))},{','.join(matchers)}}}"
    return f"{counter.metric}{{{','.join(matchers)}}}"


def _replaced(query: str, values: Mapping[str, str]) -> tuple[str, int]:
    """The text with every string that is a placeholder replaced, and how many there were."""
    count = 0

    def replaced(found: re.Match[str]) -> str:
        nonlocal count
        token = found[0]
        if token.startswith("#") or token[1:-1] not in values:
            return token
        count += 1
        return _quoted(values[token[1:-1]])

    return _TEXT_OR_COMMENT.sub(replaced, query), count


def _matchers(query: str) -> list[_Matcher]:
    found: list[_Matcher] = []
    promql_parser.walk(promql_parser.parse(query), lambda node: _collect(node, found))
    return found


def _collect(node: Any, found: list[_Matcher]) -> None:
    if isinstance(node, promql_parser.VectorSelector):
        rows = [node.matchers.matchers, *node.matchers.or_matchers]
        found += [
            _Matcher(matcher.name, str(matcher.op), matcher.op == promql_parser.MatchOp.Equal, matcher.value)
            for row in rows
            for matcher in row
        ]


def escaped(value: str) -> str:
    """As a regular expression of RE2, which refuses escapes of letters."""
    return _SPECIAL.sub(r"\\\g<0>", value)


def _quoted(value: str) -> str:
    """As a string of PromQL, whose escapes are Go's: those of JSON are among them."""
    return json.dumps(value, ensure_ascii=False)
