"""Query templates of other tools: exactly ours, or refused with what to do."""

import pytest

from controller.convert.promql import Naming, NotExactError, Variable, Who, converted, negated, tidy

NAMES = (
    ("api-primary", Who.STABLE),
    ("api-canary", Who.CANARY),
    ("app", Who.STABLE),
    ("app-new", Who.CANARY),
)
VARIABLES = {
    "target": Variable("api", Who.CANARY),
    "hash": Variable("", Who.CANARY),
    "old": Variable("", Who.STABLE),
    "version": Variable("", Who.VERSION),
    "ns": Variable("ml"),
    "window": Variable("5m"),
    "evil": Variable('"} or up{a="'),
}


def named(label: str | None = "v") -> Naming:
    return Naming(VARIABLES.get, NAMES, label)


@pytest.mark.parametrize(
    ("template", "query"),
    [
        ('up{pod=~"{{ target }}-[a-z]{2}",ns="{{ns}}"}', 'up{v="$version",ns="ml"}'),
        ("up{pod=~'{{target}}', deployment='{{ target }}', a='b'}", "up{v=\"$version\", a='b'}"),
        ('up{a="b", pod="{{target}}", d="{{target}}"}', 'up{a="b", v="$version"}'),
        ('sum(rate(x{service="api-canary"}[{{ window }}]))', 'sum(rate(x{v="$version"}[5m]))'),
        ('up{service=~"app-new.ml.svc"}', 'up{v="$version"}'),
        ('up{h="{{- hash -}}"}', 'up{v="$version"}'),
        ('up{release=~"{{version}}"}', 'up{release="$version"}'),
        ('up{other="application", version="$version"}', 'up{other="application", version="$version"}'),
        ('up{a="},{", pod=`{{target}}`}', 'up{a="},{", v="$version"}'),
    ],
)
def test_what_finds_the_canary_finds_the_version(template: str, query: str) -> None:
    assert converted(template, named()) == query


@pytest.mark.parametrize(
    ("template", "label", "words"),
    [
        ('up{pod="{{ target }}"}', None, "--version-label"),
        ('up{pod="{{ nobody }}"}', "v", "nothing says what {{ nobody }} is"),
        ('up{pod="{{ evil }}", version="$version"}', "v", "cannot stand in a query"),
        ('up{pod="{{ target }}"} - up{pod="{{ target }}-primary"}', "v", "reads the stable version"),
        ('up{h="{{ old }}"}', "v", "reads the stable version"),
        ('up{h="{{ old }}{{ hash }}"}', "v", "two versions at once"),
        ('up{pod!="{{ target }}"}', "v", "excludes the canary"),
        ('up{image="x:{{ version }}"}', "v", "only a part"),
        ("{{ target }}_requests", "v", "outside of a label"),
        ('up{ns="{{ ns }}"}', "v", "neither $backend nor $version"),
        ('sum(up{pod="{{ target }}"}', "v", "not PromQL"),
        ('up{pod="{{ target }}"}[5m]', "v", "all samples"),
        ("", "v", "not PromQL"),
        ("\ue0000\ue000", "v", "longer"),
        ("x" * 5000, "v", "longer"),
        ("(" * 100, "v", "brackets"),
    ],
)
def test_what_is_not_exact_is_refused_with_what_to_do(template: str, label: str | None, words: str) -> None:
    with pytest.raises(NotExactError) as found:
        converted(template, named(label))
    assert words in f"{found.value}; {found.value.advice}"
    assert found.value.advice


def test_a_lower_limit_becomes_an_upper_one_even_after_a_comment() -> None:
    assert negated("up") == "-(up)"
    assert negated("up # all") == "-(\nup # all\n)"


def test_a_query_is_one_line_if_that_is_short_and_keeps_its_shape_otherwise() -> None:
    assert tidy("\n  sum(\n    up\n  )\n") == "sum( up )"
    long = 'sum(rate(requests_total{version="$version"}[5m]))'
    assert tidy(f"  {long}\n    / # of\n      {long}\n") == f"{long}\n/ # of\n  {long}"
