"""Another tool's query template as a query of a policy, where that can be done exactly.

A template says which version it reads by names that only its own tool has: a Service, a Deployment, a hash.
A policy says ``$version``, as the value of a label that the metric has. So a matcher of the canary becomes a
matcher of the label that people name, and without one the query is not carried over.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from controller.policy.quantities import shown
from controller.policy.queries import MOST_BYTES, QueryError, check_query

_VARIABLE = re.compile(r"\{\{-?\s*([^{}]*?)\s*-?\}\}")
_STRING = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`"
_SELECTOR = re.compile(rf"\{{(?:{_STRING}|[^{{}}\"'`])*\}}", re.DOTALL)
_MATCHER = re.compile(rf"([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*({_STRING})(\s*,\s*)?", re.DOTALL)
_MARK = "\ue000"
"""Of Unicode's private use: it stands for a variable while the query is taken apart."""
_MARKED = re.compile(f"{_MARK}([0-9]+){_MARK}")
_SAFE = re.compile(r"[A-Za-z0-9_.:/@ -]*")
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE = 100


class Who(Enum):
    """Which version something names."""

    CANARY = "canary"
    STABLE = "stable"
    VERSION = "version"
    """The canary, by its version alone."""


@dataclass(frozen=True, slots=True)
class Variable:
    """What a template's variable stands for: a text, and the version that it names, if it does."""

    text: str
    who: Who | None = None


@dataclass(frozen=True, slots=True)
class Naming:
    """How the source tells versions apart. ``resolve`` gives None for a variable that it does not know.

    ``names`` are fixed names of the versions, which may stand in queries as they are. ``label`` is the label
    of the metrics that has the version, if people named one.
    """

    resolve: Callable[[str], Variable | None]
    names: tuple[tuple[str, Who], ...]
    label: str | None


class NotExactError(Exception):
    """The query cannot be carried over: why, and what to do."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.advice = advice


def negated(query: str) -> str:
    """Minus the query: what has a lower limit has an upper one then."""
    return f"-(\n{query}\n)" if "\n" in query or "#" in query else f"-({query})"


def is_label_name(text: str) -> bool:
    """Whether Prometheus takes it for a label's name."""
    return _LABEL.fullmatch(text) is not None


def converted(template: str, naming: Naming) -> str:
    """The policy's query. Raises `NotExactError`."""
    if len(template.encode()) > MOST_BYTES or _MARK in template:
        raise NotExactError(
            f"the query is longer than {MOST_BYTES // 1024} KiB", "record it as a rule in Prometheus"
        )
    variables: list[Variable] = []

    def mark(found: re.Match[str]) -> str:
        variable = naming.resolve(found[1])
        if variable is None:
            raise NotExactError(
                f"nothing says what {shown(found[0])} is", "write its value, and convert again"
            )
        if not _SAFE.fullmatch(variable.text):
            raise NotExactError(f"{shown(variable.text)} cannot stand in a query", "write the query yourself")
        variables.append(variable)
        return f"{_MARK}{len(variables) - 1}{_MARK}"

    rewriter = _Rewriter(naming, variables)
    text = rewriter.rest(_SELECTOR.sub(rewriter.selector, _VARIABLE.sub(mark, template)))
    query = tidy(text)
    try:
        check_query(query)
    except QueryError as error:
        raise NotExactError(str(error), error.suggestion) from error
    return query


def tidy(query: str) -> str:
    """Without what a template leaves around its lines; on one line if that is short."""
    lines = [line.rstrip() for line in query.expandtabs(2).strip().splitlines()]
    single = " ".join(line.strip() for line in lines)
    if len(single) <= _LINE and "#" not in single:
        return single
    first, *others = lines or [""]
    indent = min((len(line) - len(line.lstrip()) for line in others if line), default=0)
    return "\n".join([first, *(line[indent:] for line in others if line)])


class _Rewriter:
    def __init__(self, naming: Naming, variables: list[Variable]) -> None:
        self._naming = naming
        self._variables = variables

    def selector(self, block: re.Match[str]) -> str:
        """One pair of braces with its matchers."""
        named: list[str] = []

        def matcher(found: re.Match[str]) -> str:
            label, operator, quoted = found[1], found[2], found[3]
            text, who = self._value(quoted[1:-1])
            if who is None:
                return f"{label}{operator}{quoted[0]}{text}{quoted[-1]}{found[4] or ''}"
            new = self._version(label, operator, who)
            if new in named:
                return ""
            named.append(new)
            return new + (found[4] or "")

        changed = _MATCHER.sub(matcher, block[0])
        return re.sub(r"\s*,\s*\}$", "}", changed) if named else changed

    def _value(self, raw: str) -> tuple[str, Who | None]:
        """A label's value with its variables filled in, and the version that it names."""
        found = [self._variables[int(number)] for number in _MARKED.findall(raw)]
        text = _MARKED.sub(lambda match: self._variables[int(match[1])].text, raw)
        for name, who in self._naming.names:
            if name and re.match(rf"(?:\.\*)?{re.escape(name)}{_end(name)}", text):
                return text, who
        whose: set[Who] = {variable.who for variable in found if variable.who is not None}
        if len(whose) > 1:
            raise NotExactError("a label names two versions at once", "write the query yourself")
        one = next(iter(whose), None)
        if one is Who.VERSION and not _MARKED.fullmatch(raw):
            raise NotExactError(f"the version is only a part of {shown(text)}", "match it as a whole value")
        return text, one

    def _version(self, label: str, operator: str, who: Who) -> str:
        if who is Who.STABLE:
            raise NotExactError(
                "it reads the stable version", "query one version; worse_by compares it with stable"
            )
        if operator.startswith("!"):
            raise NotExactError(f"{label} excludes the canary", "query one version")
        if who is Who.VERSION:
            return f'{label}="$version"'
        if self._naming.label is None:
            raise NotExactError(
                f"it finds the canary by {label}, which Serinus does not know",
                "name the label that has the version: --version-label LABEL",
            )
        return f'{self._naming.label}="$version"'

    def rest(self, text: str) -> str:
        """Variables outside of selectors: a range, a number, a metric's name."""

        def fill(found: re.Match[str]) -> str:
            variable = self._variables[int(found[1])]
            if variable.who is not None:
                raise NotExactError("it names the canary outside of a label", "write the query yourself")
            return variable.text

        return _MARKED.sub(fill, text)


def _end(name: str) -> str:
    """What may follow a version's name: more of its pods' names only where the name itself is clear."""
    letters = "A-Za-z0-9" if name.endswith(("-canary", "-primary")) else "A-Za-z0-9-"
    return rf"(?![{letters}])"
