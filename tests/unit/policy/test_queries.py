"""Which PromQL a policy may bring."""

import pytest

from controller.policy.queries import QueryError, check_query


@pytest.mark.parametrize(
    "query",
    [
        'max(queue{version="$version"})',
        "max(queue{version='$version',model=\"$model\"})",
        'sum(rate(envoy_cluster_upstream_rq_active{envoy_cluster_name="$backend"}[5m]))',
        'x{handler=~"/v1/.*$",version="$version"} / on() group_left y',
        'x{version="$version" or version="stable"}',
        'label_replace(x{version="$version"}, "a", "$1", "b", "(.*)")',
        'x{version="$version"} # the queue ((((((((((((((((((((((((((((((((',
        'avg_over_time(x{version="$version"}[10m:1m])',
    ],
)
def test_a_query_that_tells_versions_apart_is_allowed(query: str) -> None:
    check_query(query)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "not PromQL"),
        ('max(queue{version="$version"}', "not PromQL"),
        ("x{version=$version}", "not PromQL"),
        ("max(queue)", "neither $backend nor $version"),
        ('max(queue{model="$model"})', "neither $backend nor $version"),
        ('x{version!="$version"}', "another operator than ="),
        ('x{version=~"$version"}', "another operator than ="),
        ('x{version="a$version"}', "only a part"),
        ('x{version="${version}"}', "is not a placeholder"),
        ('x{version="$revision"}', "is not a placeholder"),
        ('label_replace(x{v="$version"}, "a", "$backend", "b", "c")', "outside a label matcher"),
        ('x{version="$version"}[5m]', "all samples of a time range"),
        ('"$version"', "a text, not a number"),
        ("(" * 21 + 'x{version="$version"}' + ")" * 21, "nests 21 brackets"),
        ("+".join(['x{version="$version"}'] * 42), "has 41 operators"),
        ("x{version='$version'}" + " " * 4096, "longer than 4 KiB"),
    ],
)
def test_a_query_that_cannot_serve_is_refused_with_its_reason(query: str, words: str) -> None:
    with pytest.raises(QueryError) as refused:
        check_query(query)
    assert words in str(refused.value)
    assert refused.value.suggestion


@pytest.mark.parametrize(
    "query", ["(" * 2000 + "1" + ")" * 2000, "^".join(["a"] * 2000), "a" + "[1m:1m]" * 500]
)
def test_a_query_that_would_overflow_the_parsers_stack_never_reaches_it(query: str) -> None:
    with pytest.raises(QueryError):
        check_query(query)
