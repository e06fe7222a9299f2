"""Whether a policy's own PromQL query can be asked for each version of a model.

Placeholders are filled in by the metric source, in the parsed tree, as whole label values: text is never
pasted into a query. So they must stand alone there, under ``=``.
"""

import re
from typing import Any

import promql_parser

from controller.policy.catalogue import did_you_mean
from controller.policy.quantities import QuantityError, shown

VERSION_PLACEHOLDERS = frozenset({"$adapter", "$backend", "$version"})
"""``$adapter`` is for routes whose versions are LoRA adapters."""
PLACEHOLDERS = VERSION_PLACEHOLDERS | {"$model"}
MOST_BYTES = 4096
_BOUND_LABEL = "le"
_DEEPEST = 20
_MOST_OPERATORS = 40
_TEXT_OR_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`|#[^\n]*', re.DOTALL)
_MATCHERS = re.compile(r"\{[^{}]*\}")
_OPERATOR = re.compile(r"[-+*/%^]|[<>=!]=?|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"\$\{?[A-Za-z_]\w*\}?")
_NOT_A_NUMBER = {
    "MatrixSelector": "gives all samples of a time range, not one number",
    "SubqueryExpr": "gives all samples of a time range, not one number",
    "StringLiteral": "gives a text, not a number",
}
_TELL_APART = (
    'select one version with {backend="$backend"} or {version="$version"}, by your metric\'s own label'
)


class QueryError(QuantityError):
    """A query that cannot serve as a check, with a suggestion."""


def check_query(query: str) -> None:
    """Raise `QueryError` unless the query is PromQL that gives each version a number of its own."""
    if len(query.encode()) > MOST_BYTES:
        raise QueryError(
            f"the query is longer than {MOST_BYTES // 1024} KiB", "record it as a rule in Prometheus"
        )
    _check_size(query)
    try:
        tree = promql_parser.parse(query)
    except ValueError as error:
        raise QueryError(f"the query is not PromQL: {_bounded(str(error))}", _advice(query)) from error
    if complaint := _NOT_A_NUMBER.get(type(tree).__name__):
        raise QueryError(f"the query {complaint}", "wrap it in a function such as rate() or avg_over_time()")
    used: set[str] = set()
    promql_parser.walk(tree, lambda node: _visit(node, used))
    if not used & VERSION_PLACEHOLDERS:
        sentence = "the query has neither $backend nor $version: both versions would give the same series"
        raise QueryError(sentence, _TELL_APART)


def check_selection(text: str) -> None:
    """Raise `QueryError` unless the text selects the series of one metric, for each version its own."""
    check_query(text)
    tree = promql_parser.parse(text)
    if not isinstance(tree, promql_parser.VectorSelector) or tree.offset or tree.at or not tree.name:
        sentence = f"{shown(text)} is more than a selection, and only counters can be counted"
        raise QueryError(sentence, 'write metric{label="value", …}, without functions, ranges and offsets')
    if tree.matchers.or_matchers:
        raise QueryError("a selection cannot have alternatives", 'write {label=~"one|other"}')
    seen: set[tuple[str, bool]] = set()
    for matcher in tree.matchers.matchers:
        same = matcher.op in (promql_parser.MatchOp.Equal, promql_parser.MatchOp.Re)
        if matcher.name == _BOUND_LABEL:
            raise QueryError("le says which bucket it is, and all are read", "remove the matcher of le")
        if (matcher.name, same) in seen:
            raise QueryError(f"{matcher.name} is matched twice", "write both in one regular expression")
        seen.add((matcher.name, same))
        _check_regex(matcher)


def _check_regex(matcher: Any) -> None:
    if matcher.op in (promql_parser.MatchOp.Re, promql_parser.MatchOp.NotRe):
        try:
            re.compile(matcher.value)
        except re.error as error:
            sentence = f"{shown(matcher.value)} is not a regular expression: {error}"
            raise QueryError(sentence, f"mend the matcher of {matcher.name}") from error


def _check_size(query: str) -> None:
    """Keep deep queries from the parser: its time grows with the cube of the depth, its stack overflows."""
    skeleton = _MATCHERS.sub("", _TEXT_OR_COMMENT.sub("", query))
    depth = deepest = 0
    for character in skeleton:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > _DEEPEST:
        raise QueryError(f"the query nests {deepest} brackets; the limit is {_DEEPEST}", "simplify it")
    operators = len(_OPERATOR.findall(skeleton))
    if operators > _MOST_OPERATORS:
        raise QueryError(
            f"the query has {operators} operators; the limit is {_MOST_OPERATORS}", "simplify it"
        )


def _visit(node: Any, used: set[str]) -> None:
    match type(node).__name__:
        case "VectorSelector":
            _visit_selector(node, used)
        case "MatrixSelector":
            _visit_selector(node.vector_selector, used)
        case "StringLiteral" if _PLACEHOLDER.search(node.val):
            raise QueryError(f"{shown(node.val)} stands outside a label matcher", _TELL_APART)
        case _:
            pass


def _visit_selector(selector: Any, used: set[str]) -> None:
    rows = [selector.matchers.matchers, *selector.matchers.or_matchers]
    for matcher in (matcher for row in rows for matcher in row):
        found = _PLACEHOLDER.search(matcher.value)
        if found is None:
            continue
        if found[0] not in PLACEHOLDERS:
            raise QueryError(f"{shown(found[0])} is not a placeholder", did_you_mean(found[0], PLACEHOLDERS))
        if matcher.value != found[0]:
            sentence = f"{found[0]} is only a part of {matcher.name}'s value {shown(matcher.value)}"
            raise QueryError(sentence, f'a placeholder must be the whole value: {matcher.name}="{found[0]}"')
        if matcher.op != promql_parser.MatchOp.Equal:
            raise QueryError(
                f"{found[0]} is matched with another operator than =", f'write {matcher.name}="{found[0]}"'
            )
        used.add(found[0])


def _advice(query: str) -> str:
    if "$" in _TEXT_OR_COMMENT.sub("", query):
        return f"{', '.join(sorted(PLACEHOLDERS))} may stand only as whole label values, in quotes"
    return "try it in Prometheus first"


def _bounded(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else line[:119] + "…"  # noqa: PLR2004 - one line of a terminal
