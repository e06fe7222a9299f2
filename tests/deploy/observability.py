"""The alert rules and the dashboard as data, and what of the daemon's metrics their PromQL speaks of."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser
from ruamel.yaml import YAML

from controller.adapters.exported import EXPORTED, Exported, Kind, Label
from deploy.local.stack import REPOSITORY
from tests.deploy.rendering import CHART, Obj

RULES = CHART / "files" / "alerts.yaml"
DASHBOARD = CHART / "files" / "grafana-dashboard.json"
RULE_TESTS = REPOSITORY / "tests" / "deploy" / "alerts.test.yaml"
RUNBOOKS = REPOSITORY / "docs" / "runbooks"
OF_THE_TARGET = {"namespace": Label(""), "job": Label("")}
"""Labels that Prometheus gives a series besides its own, and that we rely upon at most."""
_VARIABLES = {
    "$job": ".*",
    "$model": ".*",
    "$check": "errors",
    "$__rate_interval": "5m",
    "$__range": "6h",
}


def rules() -> list[Obj]:
    """The alert rules of the file."""
    [group] = YAML(typ="safe", pure=True).load(RULES.read_text(encoding="utf-8"))["groups"]
    found: list[Obj] = group["rules"]
    return found


def dashboard() -> Obj:
    """The dashboard of the file."""
    found: Obj = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Each query of the dashboard with its panel's title, and values in place of Grafana's variables."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], filled(target["expr"])


def filled(query: str) -> str:
    """The query as Grafana would send it."""
    for name, value in _VARIABLES.items():
        query = query.replace(name, value)
    return query


@dataclass(frozen=True, slots=True)
class Selector:
    """A sample by its name, and what its labels shall be, as regular expressions."""

    name: str
    matchers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Named:
    """What a query names: samples, and labels to group and to match by."""

    selectors: tuple[Selector, ...]
    labels: frozenset[str]

    def unknown(self) -> list[str]:
        """What no daemon exports: samples, labels, values of labels."""
        found = [each.name for each in self.selectors if metric(each.name) is None]
        for each in self.selectors:
            labels = labels_of(each.name)
            for label, pattern in each.matchers:
                values = labels[label].values if label in labels else None
                if values is None or (values and not _all_match(pattern, values)):
                    found.append(f"{each.name}{{{label}={pattern}}}")
        known = {label for each in self.selectors for label in labels_of(each.name)}
        return found + sorted(self.labels - known)


def _all_match(pattern: str, values: Iterable[str]) -> bool:
    """Whether each alternative of the pattern is a value that there is."""
    matched = [value for value in values if re.fullmatch(pattern, value)]
    return len(matched) == pattern.count("|") + 1


def named(query: str) -> Named:
    """What the query names. Raises ValueError when it is no PromQL."""
    selectors: list[Selector] = []
    labels: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            matchers = ((each.name, each.value) for each in node.matchers.matchers)
            selectors.append(Selector(node.name or "", tuple(matchers)))
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            labels.update(node.modifier.labels)
        elif isinstance(node, promql_parser.BinaryExpr) and node.modifier is not None:
            matching = node.modifier.matching
            labels.update(matching.labels if matching is not None else ())
            labels.update(node.modifier.group_labels or ())

    promql_parser.walk(promql_parser.parse(query), visit)
    return Named(tuple(selectors), frozenset(labels))


def metric(sample: str) -> Exported | None:
    """The metric that a sample belongs to."""
    if sample in EXPORTED:
        return EXPORTED[sample]
    for suffix in ("_bucket", "_count", "_sum"):
        found = EXPORTED.get(sample.removesuffix(suffix))
        if found is not None and found.kind is Kind.HISTOGRAM:
            return found
    return None


def labels_of(sample: str) -> Mapping[str, Label]:
    """The labels that a sample can be selected by."""
    found = metric(sample)
    own = found.labels if found is not None else {}
    return {**own, **OF_THE_TARGET, **({"le": Label("")} if sample.endswith("_bucket") else {})}
