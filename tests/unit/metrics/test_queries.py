"""PromQL that the source writes, and a policy's own query filled in for one version."""

from datetime import timedelta
from typing import Any

import promql_parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.metrics.counters import Counter, Gauge
from controller.adapters.metrics.packs import Selector
from controller.adapters.metrics.queries import (
    LONGEST_QUERY_BYTES,
    filled_query,
    last_query,
    level_query,
    samples_query,
)
from controller.adapters.naming import backend_name
from controller.domain.release import Backend, BackendKind, Release

RELEASE = Release("1.2.0", ("127.0.0.1:80",))


def test_many_versions_are_selected_by_alternatives_that_match_only_them() -> None:
    selectors = [Selector({"a": frozenset({name})}) for name in ("x.y", "b|c", 'q"')]
    query = samples_query([Counter(metric="m", where={"p": ".*/infer"})], selectors, timedelta(seconds=1.5))
    assert query == r'm{p=~".*/infer",a=~"b\\|c|q\"|x\\.y"}[1500ms]'


def test_metrics_that_are_read_whole_are_selected_by_their_names() -> None:
    counters = [Counter(metric="b_total"), Counter(metric="a:sum"), Counter(metric="b_total")]
    query = samples_query(counters, [Selector({"x": frozenset({"y"})})], timedelta(seconds=1))
    assert query == '{__name__=~"a:sum|b_total",x=~"y"}[1000ms]'


def test_the_last_value_is_asked_over_a_long_time() -> None:
    query = last_query([Counter(metric="m")], [Selector({"a": frozenset({"x"})})], timedelta(hours=1))
    assert query == 'last_over_time(m{a=~"x"}[3600000ms])'


@given(st.lists(st.text(st.characters(exclude_categories=["C"])), min_size=1, max_size=4))
def test_no_value_escapes_from_its_selection(values: list[str]) -> None:
    query = samples_query([Counter(metric="m")], [Selector({"a": frozenset(values)})], timedelta(seconds=1))
    tree: Any = promql_parser.parse(query)
    (matcher,) = tree.vector_selector.matchers.matchers
    assert (matcher.name, matcher.op) == ("a", promql_parser.MatchOp.Re)


@pytest.mark.parametrize(
    ("query", "filled"),
    [
        ('x{a="$backend"}', 'x{a="m@1%2E2%2E0"}'),
        ("x{a='$version',b=`$model`}", 'x{a="1.2.0",b="m"}'),
        ('rate(x{a="$version"}[5m] offset 3s) # "$model"', 'rate(x{a="1.2.0"}[5m] offset 3s) # "$model"'),
        ('label_replace(x{a="$model"},"b","$1","c","(.*)")', 'label_replace(x{a="m"},"b","$1","c","(.*)")'),
        ("vector(1)", "vector(1)"),
    ],
)
def test_placeholders_that_are_whole_label_values_are_filled(query: str, filled: str) -> None:
    assert filled_query(query, "m", RELEASE) == filled


def test_an_adapter_s_name_is_filled_where_the_version_has_one() -> None:
    adapter = Release("v2", backend=Backend(BackendKind.LORA_ADAPTER, "org/food_v2"))
    query = 'max(queue) and on() rate(x{target_model_name="$adapter"}[5m]) > 0'
    assert filled_query(query, "m", adapter) == query.replace("$adapter", "org/food_v2")
    assert filled_query(query, "m", RELEASE) == query, "which is nobody's name"


@pytest.mark.parametrize(
    "query",
    [
        'x{a=~"$backend"}',
        'x{a!="$backend"}',
        'x{a="x$backend"}',
        'x{a=~"$backend|y"}',
        'label_replace(x,"b","$backend","c","(.*)")',
        'x{a="$backend"',
        "",
        'x{a="$backend"} + ' + "0" * LONGEST_QUERY_BYTES,
    ],
)
def test_a_query_that_cannot_be_filled_safely_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        filled_query(query, "m", RELEASE)


@given(st.text(), st.text())
def test_a_filled_query_has_the_values_and_nothing_else(model: str, version: str) -> None:
    try:
        query = filled_query('sum(x{a="$backend",b="$version"}) / x{c="$model"}', model, Release(version, ()))
    except ValueError:
        assert not (model + version).isprintable()
        return
    tree: Any = promql_parser.parse(query)
    values = [matcher.value for matcher in tree.lhs.expr.matchers.matchers]
    assert values == [backend_name(model, version), version]
    assert [matcher.value for matcher in tree.rhs.matchers.matchers] == [model]


def test_a_level_is_the_largest_of_a_version_s_series_under_whichever_name_it_has() -> None:
    gauge = Gauge(metric="usage", formerly=("old_usage",), divide_by=100)
    query = level_query(gauge, Selector({"version": frozenset({"v2"})}))
    assert query == 'max(usage{version=~"v2"} or old_usage{version=~"v2"}) / 100'


def test_a_mean_divides_what_two_counters_rose() -> None:
    gauge = Gauge(metric="us", per=Counter(metric="answers", where={"kind": "a"}), divide_by=1_000_000)
    query = level_query(gauge, Selector({"version": frozenset({"v2"})}))
    assert query == (
        '(sum(increase(us{version=~"v2"}[300000ms]))'
        ' / sum(increase(answers{kind=~"a",version=~"v2"}[300000ms]))) / 1000000'
    )
