"""Envoy Gateway's names for a model's two backends.

The expected names are those of Envoy Gateway's own test data (internal/xds/translator/testdata, files
``http-route-weighted-backend*`` and ``http-route-with-filters*``): ``httproute/NAMESPACE/NAME/rule/0`` for a
rule as a whole, and ``.../backend/1`` for its second backend where backends have filters.
"""

from typing import Any

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.gateway_series import series_of
from controller.domain.release import Split
from tests.gateway_routes import a_route, a_rule, ours, pair_of, ref, routed

FILTER = [{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["x"]}}]


def series(*refs: Obj, kind: str = "HTTPRoute", **changes: Any) -> dict[str, str]:
    model = routed(**changes)
    route = a_route(a_rule(ref("chat")), a_rule(*refs))
    return dict(series_of(kind, model, pair_of(route, model), (), Split()))


def test_one_backend_without_filters_is_the_rule() -> None:
    assert series(ref("fraud-v6")) == {"v6": "httproute/ml/fraud/rule/1"}


def test_the_canary_s_mark_gives_each_a_cluster_by_its_place() -> None:
    both = {"v6": "httproute/ml/fraud/rule/1/backend/1", "v7": "httproute/ml/fraud/rule/1/backend/2"}
    assert series(ref("audit", 5), ref("fraud-v6", 950), ours(weight=50)) == both
    assert series(ref("audit", 5), ref("fraud-v6", 0), ours(weight=1000)) == both


def test_without_filters_nothing_tells_two_backends_apart() -> None:
    assert series(ref("fraud-v6", 950), ref("fraud-v7", 50)) == {}
    assert series(ref("fraud-v6", 950), ref("audit", 50)) == {}


def test_any_filter_of_a_backend_that_gets_requests_tells_all_of_them_apart() -> None:
    apart = {"v6": "httproute/ml/fraud/rule/1/backend/0", "v7": "httproute/ml/fraud/rule/1/backend/1"}
    assert series(ref("fraud-v6", 950), ref("fraud-v7", 50), ref("audit", 1, filters=FILTER)) == apart
    assert series(ref("fraud-v6", 950), ref("fraud-v7", 50), ref("audit", 0, filters=FILTER)) == {}


def test_a_version_without_requests_has_a_name_of_its_own() -> None:
    """Its cluster does not exist; the name of the whole rule would be the other one's."""
    assert series(ref("fraud-v6", 0), ref("fraud-v7", 1000)) == {
        "v6": "httproute/ml/fraud/rule/1/backend/0",
        "v7": "httproute/ml/fraud/rule/1",
    }


def test_a_first_deployment_has_one_series() -> None:
    assert series(ours(weight=1), stable=None) == {"v7": "httproute/ml/fraud/rule/1/backend/0"}
    assert series(ref("fraud-v7", 1), stable=None) == {"v7": "httproute/ml/fraud/rule/1"}


def test_a_version_that_stands_there_twice_has_none() -> None:
    assert series(ref("fraud-v6", 1), ref("fraud-v6", 1), ours(weight=1)) == {
        "v7": "httproute/ml/fraud/rule/1/backend/2"
    }


def test_grpc_routes_have_a_prefix_of_their_own() -> None:
    assert series(ref("fraud-v6"), kind="GRPCRoute") == {"v6": "grpcroute/ml/fraud/rule/1"}
