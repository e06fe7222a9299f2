"""Each policy's route and backend: what is well, what has to be mended, what only the daemon can judge."""

from dataclasses import replace
from typing import Any

import pytest

from controller.adapters.kube.identity import Key
from controller.adapters.workload.kube_view import resource_of
from controller.cli.doctor.findings import Outcome
from controller.cli.doctor.routes import Model, allowed, backend, route
from controller.cli.doctor.setup import Setup, setup_without
from controller.domain.model import Rollout, Route
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Split
from controller.domain.vocabulary import Phase
from controller.features import Feature
from tests.fakes import a_policy, a_rollout
from tests.gateway_routes import NAMESPACE, POOL_S, C, S, a_route, a_rule, condition, parent, pool, ref
from tests.kserve_world import Knative, a_service
from tests.model_rewrites import STABLE, rewrite, rule, target

POLICY = a_policy(namespace=NAMESPACE, route=RouteRef("httpRoute", "fraud"))
MODEL = Model(POLICY)
SETUP = Setup((NAMESPACE,), frozenset(), Key("serinus", "serinus"))
SERVICE = {
    "metadata": {"name": "fraud-v6", "namespace": NAMESPACE},
    "spec": {"ports": [{"port": 8080, "name": "http"}]},
}


def a_rollout_of(phase: Phase, **changes: Any) -> Rollout:
    return replace(a_rollout(POLICY), release=C, stable=S, phase=phase, **changes)


def slices(*ready: bool) -> list[dict[str, Any]]:
    endpoints = [
        {"addresses": [f"10.0.0.{number}"], "conditions": {"ready": each}}
        for number, each in enumerate(ready, 1)
    ]
    return [{"addressType": "IPv4", "ports": [{"name": "http", "port": 8080}], "endpoints": endpoints}]


class TestAllowed:
    def test_a_policy_of_an_allowed_namespace_is(self) -> None:
        assert allowed(MODEL, SETUP) is None

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"namespace": "other"}, "other is not one where this daemon may act"),
            ({"route": RouteRef("envoy", "/v2/models/fraud")}, "kind envoy"),
            ({"route": RouteRef("grpcRoute", "fraud")}, "kind grpcRoute"),
        ],
    )
    def test_what_the_daemon_would_not_do_is_a_fault_of_the_policy(
        self, changes: dict[str, Any], said: str
    ) -> None:
        refused = allowed(Model(replace(POLICY, **changes)), SETUP)
        assert refused is not None
        assert refused.outcome is Outcome.FAILED
        assert said in refused.message
        assert refused.fix

    def test_a_feature_that_is_on_is_served(self) -> None:
        model = Model(replace(POLICY, route=RouteRef("grpcRoute", "fraud")))
        assert allowed(model, replace(SETUP, features=frozenset({Feature.GRPC_ROUTES}))) is None
        assert allowed(model, setup_without("elsewhere")) is None, "nobody knows"


class TestKserve:
    """A route that only what was made from it can speak for."""

    MODEL = Model(a_policy(namespace=NAMESPACE, route=RouteRef("inferenceService", "fraud")))

    def test_it_is_well_when_the_revisions_that_it_names_were_looked_at(self) -> None:
        knative, service = Knative(), a_service()
        service["status"] = knative.look(service)
        looked = route(self.MODEL, service, tuple(knative.revisions))
        assert looked.finding.outcome is Outcome.OK
        assert "fraud-predictor-00001 serves" in looked.finding.message
        assert looked.serving is not None
        assert resource_of(looked.serving) is None, "no copies of its own are looked at"

    def test_without_them_it_is_not_known(self) -> None:
        service = a_service()
        service["status"] = Knative().look(service)
        assert route(self.MODEL, service, (None,)).finding.outcome is Outcome.FAILED


class TestRoute:
    def test_a_route_with_one_backend_is_well(self) -> None:
        looked = route(MODEL, a_route(a_rule(ref("fraud-v6"))))
        assert looked.finding.outcome is Outcome.OK
        assert looked.serving == S.backend

    def test_it_says_who_serves_by_the_record(self) -> None:
        succeeded = a_rollout_of(Phase.SUCCEEDED)
        looked = route(Model(POLICY, [succeeded]), a_route(a_rule(ref("fraud-v7"))))
        assert "v7 serves" in looked.finding.message
        rolled_back = a_rollout_of(Phase.ROLLED_BACK)
        looked = route(Model(POLICY, [rolled_back]), a_route(a_rule(ref("fraud-v6"))))
        assert "v6 serves" in looked.finding.message

    def test_a_route_without_backends_waits_for_the_first(self) -> None:
        looked = route(MODEL, a_route(a_rule()))
        assert looked.finding.outcome is Outcome.OK
        assert looked.serving is None

    @pytest.mark.parametrize(
        ("found", "said"),
        [
            (None, "does not exist"),
            (
                {
                    **a_route(a_rule(ref("fraud-v6"))),
                    "metadata": {
                        "name": "fraud",
                        "ownerReferences": [{"kind": "InferenceService", "name": "x", "controller": True}],
                    },
                },
                "belongs to InferenceService x",
            ),
            ({**a_route(a_rule(ref("fraud-v6"))), "status": {}}, "no gateway has taken the route"),
            (
                {
                    **a_route(a_rule(ref("fraud-v6"))),
                    "status": {"parents": [parent(condition("Accepted", "False", "NotAllowedByListeners"))]},
                },
                "NotAllowedByListeners",
            ),
            (a_route(a_rule(ref("fraud-v6", 50), ref("fraud-v7", 50))), "nothing says which"),
            (a_route(a_rule(ref("fraud-v6", 3), ref("other", 2))), "nothing says which"),
        ],
    )
    def test_what_stands_in_the_way_is_named_with_its_remedy(self, found: Any, said: str) -> None:
        finding = route(MODEL, found).finding
        assert finding.outcome is Outcome.FAILED
        assert said in finding.message
        assert finding.fix

    def test_weights_that_cannot_express_the_steps_are_found_before_the_rollout(self) -> None:
        policy = replace(POLICY, route=RouteRef("httpRoute", "fraud", stable="fraud-v6"))
        finding = route(Model(policy), a_route(a_rule(ref("fraud-v6", 2), ref("other", 1)))).finding
        assert finding.outcome is Outcome.FAILED
        assert "fraud-v6" in finding.message

    def test_two_backends_are_well_while_a_rollout_moves_them(self) -> None:
        moving = a_rollout_of(Phase.PROGRESSING, route=Route(intended=Split(S, C, 50)))
        found = a_route(a_rule(ref("fraud-v6", 950), ref("fraud-v7", 50)))
        looked = route(Model(POLICY, [moving]), found)
        assert looked.finding.outcome is Outcome.OK
        assert moving.id in looked.finding.message
        assert looked.serving == S.backend
        refused = route(Model(POLICY, [moving]), {**found, "status": {}})
        assert refused.finding.outcome is Outcome.FAILED


class TestBackend:
    NAMED = Backend(BackendKind.SERVICE, "fraud-v6", 8080)

    def test_ready_copies_are_counted(self) -> None:
        found = backend(MODEL, self.NAMED, SERVICE, slices(True, False, True))
        assert found.outcome is Outcome.OK
        assert found.message.endswith("2 of 3 copies are ready")

    @pytest.mark.parametrize(
        ("service", "ready", "said"),
        [
            (None, (), "does not exist"),
            (SERVICE, (), "no pod is behind it"),
            (SERVICE, (False, False), "none of 2 copies"),
            ({**SERVICE, "spec": {"ports": [{"port": 9}]}}, (True,), "no port 8080"),
        ],
    )
    def test_who_cannot_serve_is_named(self, service: Any, ready: tuple[bool, ...], said: str) -> None:
        found = backend(MODEL, self.NAMED, service, slices(*ready))
        assert found.outcome is Outcome.FAILED
        assert said in found.message
        assert found.fix

    def test_of_a_pool_only_the_object_is_looked_at(self) -> None:
        looked = route(MODEL, a_route(a_rule(pool("chat-v6"))))
        assert looked.serving == POOL_S.backend
        assert looked.serving is not None
        there = backend(MODEL, looked.serving, {"metadata": {"name": "chat-v6"}}, ())
        assert there.outcome is Outcome.SKIPPED
        assert backend(MODEL, looked.serving, None, ()).outcome is Outcome.FAILED


class TestAdapters:
    MODEL = Model(
        replace(POLICY, model="food-review", route=RouteRef("inferenceModelRewrite", "food-review"))
    )

    def test_both_features_are_needed(self) -> None:
        rewrites = frozenset({Feature.INFERENCE_MODEL_REWRITES})
        refused = allowed(self.MODEL, replace(SETUP, features=rewrites))
        assert refused is not None
        assert "may not look at the pods of the pool" in refused.message
        assert allowed(self.MODEL, replace(SETUP, features=rewrites | {Feature.INFERENCE_POOLS})) is None

    def test_an_older_rewrite_for_the_same_model_is_found(self) -> None:
        found = rewrite(rule(target(STABLE)))
        assert route(self.MODEL, found).finding.outcome is Outcome.OK
        older = rewrite(rule(target("x")), name="legacy", creationTimestamp="2026-11-01T00:00:00Z")
        finding = route(self.MODEL, found, ({"items": [found, older]},)).finding
        assert (finding.outcome, "the rewrite legacy is older" in finding.message) == (Outcome.FAILED, True)
