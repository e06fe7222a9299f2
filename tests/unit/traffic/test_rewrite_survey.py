"""What stands on an InferenceModelRewrite before a rollout, and whether it is in force."""

from typing import Any

import pytest

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.dialect import Standing
from controller.adapters.traffic.model_rewrite import MODEL_REWRITE
from controller.adapters.traffic.rewrite_status import acceptance
from controller.domain.observation import Survey
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release, Split
from controller.domain.vocabulary import Reason
from tests.gateway_routes import condition
from tests.model_rewrites import (
    CANARY,
    MODEL,
    STABLE,
    C,
    S,
    rewrite,
    routed,
    rule,
    target,
)

OLDER = {"creationTimestamp": "2026-11-19T10:00:00Z"}
PENDING = {
    "type": "Accepted",
    "status": "Unknown",
    "reason": "Pending",
    "message": "Waiting for controller",
    "lastTransitionTime": "1970-01-01T00:00:00Z",
}


def survey(obj: Obj, *fellows: Obj, recorded: Release | None = None, **changes: Any) -> Survey:
    model = routed(**{"stable": None, "weight_sum": None, **changes})
    return MODEL_REWRITE.survey(Standing(obj, ({"items": [obj, *fellows]},)), model, recorded).survey


def test_the_only_other_adapter_serves_called_by_its_name_or_as_the_record_has_it() -> None:
    obj = rewrite(rule(target(STABLE, 7)))
    found = survey(obj)
    assert found == Survey(Release(STABLE, backend=S.backend), 7, gateways=("ml/base-pool",))
    assert survey(obj, recorded=S).serving == S


def test_before_the_first_deployment_nobody_serves() -> None:
    assert survey(rewrite(rule())) == Survey(gateways=("ml/base-pool",))


def test_of_several_adapters_the_policy_says_which_is_the_model_s() -> None:
    obj = rewrite(rule(target("audit", 300), target(STABLE, 700)))
    found = survey(obj)
    assert (found.problem, found.hopeless) == (Reason.ROUTE_AMBIGUOUS, True)
    assert (
        "write route: {inferenceModelRewrite: {name: food-review, stable: audit}} in the policy"
        in found.message
    )
    named = RouteRef("inferenceModelRewrite", MODEL, stable=STABLE)
    assert survey(obj, route=named) == Survey(
        Release(STABLE, backend=S.backend), 700, gateways=("ml/base-pool",)
    )


def test_a_recorded_version_that_is_gone_is_drift_while_nothing_takes_its_place() -> None:
    found = survey(rewrite(rule(target(CANARY))), recorded=S)
    assert (found.problem, found.hopeless) == (Reason.DRIFT_DETECTED, False)
    assert (
        "the rule has food-review-v2 1, but v1 is on record as serving: put its adapter back" in found.message
    )


@pytest.mark.parametrize(
    ("obj", "changes", "reason", "words"),
    [
        (rewrite(rule(target(CANARY))), {"recorded": C}, Reason.ALREADY_SERVING, "serves already"),
        (
            rewrite(rule(target(STABLE))),
            {"canary": Release("v2", backend=Backend(BackendKind.SERVICE, "food", 80))},
            Reason.BACKEND_NOT_FOUND,
            "a rewrite sends requests to adapters of its pool: deploy it with --backend lora/NAME",
        ),
        (
            rewrite(rule(target(STABLE), target("audit"))),
            {"recorded": S},
            Reason.WEIGHT_SUM_TOO_SMALL,
            "give every target of the rule one",
        ),
        (
            rewrite(rule(target(STABLE, 9), target("audit"))),
            {"recorded": S},
            Reason.WEIGHT_SUM_TOO_SMALL,
            "audit has no weight beside others",
        ),
        (
            rewrite(rule(target(STABLE, 9), target("audit", 1))),
            {"recorded": S},
            Reason.WEIGHT_SUM_TOO_SMALL,
            "multiply all weights of the rule by 100: food-review-v1 9 -> 900, audit 1 -> 100",
        ),
        (
            rewrite(rule(target(STABLE, 9), target(STABLE, 1))),
            {"recorded": S},
            Reason.ROUTE_AMBIGUOUS,
            "several targets of the rule name food-review-v1: leave one",
        ),
    ],
)  # fmt: skip
def test_what_no_waiting_mends_is_refused(obj: Obj, changes: Any, reason: Reason, words: str) -> None:
    found = survey(obj, **changes)
    assert (found.problem, found.hopeless) == (reason, True)
    assert words in found.message


def test_a_canary_that_has_requests_already_must_be_taken_off_first() -> None:
    found = survey(rewrite(rule(target(STABLE, 9), target(CANARY, 1))), recorded=S)
    assert (found.problem, found.hopeless) == (Reason.DRIFT_DETECTED, False)
    assert "food-review-v2 has the weight 1 already: remove its target first" in found.message


def test_a_rewrite_that_somebody_owns_is_refused_with_the_owner_s_name() -> None:
    owner = {"kind": "LLMInferenceService", "name": "food", "controller": True}
    found = survey(rewrite(rule(target(STABLE)), ownerReferences=[owner]))
    assert (found.problem, found.hopeless) == (Reason.ROUTE_OWNED, True)
    assert "belongs to LLMInferenceService food" in found.message


@pytest.mark.parametrize(
    ("ref", "shown"),
    [
        ({"group": "llm-d.ai", "name": "base-pool"}, "llm-d.ai/base-pool"),
        ({"name": "base-pool"}, "base-pool"),
        ({}, "nothing"),
        (None, "nothing"),
    ],
)
def test_a_pool_that_no_picker_serves_is_refused(ref: Obj | None, shown: str) -> None:
    """The default of the definition is such a group, and pickers go by the whole reference."""
    obj = rewrite(rule(target(STABLE)))
    obj["spec"]["poolRef"] = ref
    found = survey(obj)
    assert (found.problem, found.hopeless) == (Reason.ROUTE_REJECTED, True)
    assert f"its poolRef names {shown}, which no endpoint picker serves" in found.message
    assert "write group: inference.networking.k8s.io" in found.message


class TestRivals:
    def seen(self, obj: Obj, *fellows: Obj) -> tuple[bool, Reason | None]:
        found = MODEL_REWRITE.seen(Standing(obj, ({"items": [*fellows]},)), routed(), "serinus.dev/epoch")
        return found.accepted, found.problem

    def test_an_older_rewrite_for_the_same_model_decides_and_is_named(self) -> None:
        obj, older = rewrite(rule(target(STABLE))), rewrite(rule(target("x")), name="legacy", **OLDER)
        found = survey(obj, older)
        assert (found.problem, found.hopeless) == (Reason.ROUTE_AMBIGUOUS, True)
        assert "the rewrite legacy is older and for the model food-review too" in found.message
        assert self.seen(obj, older) == (False, Reason.ROUTE_AMBIGUOUS)

    def test_of_the_same_second_either_may_decide(self) -> None:
        found = survey(rewrite(rule(target(STABLE))), rewrite(rule(target("x")), name="twin"))
        assert found.problem is Reason.ROUTE_AMBIGUOUS

    @pytest.mark.parametrize(
        "fellow",
        [
            rewrite(rule(target("x")), name="late", creationTimestamp="2026-11-21T10:00:00Z"),
            rewrite(rule(target("x"), models=("chat",)), name="other", **OLDER),
            rewrite({"targets": [target("base")]}, name="for-all", **OLDER),
            rewrite(rule(target("x")), name="elsewhere", pool="other-pool", **OLDER),
        ],
    )
    def test_who_loses_or_is_for_something_else_is_left_alone(self, fellow: Obj) -> None:
        obj = rewrite(rule(target(STABLE)))
        assert survey(obj, fellow).problem is None
        assert self.seen(obj, fellow) == (True, None)


class TestAcceptance:
    def said(self, *conditions: Obj) -> tuple[bool, bool]:
        verdict = acceptance({**rewrite(), "status": {"conditions": list(conditions)}})
        return verdict.accepted, verdict.refused

    def test_where_nobody_writes_a_status_the_rewrite_counts_as_it_is(self) -> None:
        assert acceptance(rewrite()).accepted
        assert self.said() == self.said(PENDING) == (True, False)

    def test_a_condition_that_somebody_wrote_counts_for_the_generation_that_it_saw(self) -> None:
        assert self.said(condition("Accepted")) == (True, False)
        assert self.said(condition("Accepted", generation=2)) == (False, False)
        assert self.said(condition("Accepted", "False", generation=2)) == (False, False)

    def test_a_refusal_is_told_in_its_words(self) -> None:
        no = condition("Accepted", "False", "PoolNotFound", said="no\x1b[31m pool\nthere")
        assert self.said(no) == (False, True)
        obj = {**rewrite(rule(target(STABLE))), "status": {"conditions": [no]}}
        found = survey(obj)
        assert (found.problem, found.serving) == (
            Reason.WAITING_FOR_ROUTE,
            Release(STABLE, backend=S.backend),
        )
        assert found.message == "its controller says Accepted=False, PoolNotFound: no [31m pool there"
        seen = MODEL_REWRITE.seen(Standing(obj), routed(), "serinus.dev/epoch")
        assert (seen.split, seen.accepted, seen.problem) == (Split(S), False, Reason.ROUTE_REJECTED)
