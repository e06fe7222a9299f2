"""What gateways say, who wrote last, and to whom a route belongs."""

import pytest

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.gateway_status import Verdict, acceptance, foreign_writer
from tests.gateway_routes import a_route, condition, parent

GOOD = (condition("Accepted"), condition("ResolvedRefs"))


def said(*parents: Obj) -> Verdict:
    return acceptance({**a_route(), "status": {"parents": list(parents)}})


def test_accepted_by_every_gateway_as_it_is_now() -> None:
    assert said(parent(*GOOD)) == said(parent(*GOOD), parent(*GOOD, name="other")) == Verdict(accepted=True)
    later = condition("Accepted", generation=4)
    assert said(parent(later, condition("ResolvedRefs"))).accepted


def test_a_gateway_that_has_not_looked_yet_is_waited_for() -> None:
    old = condition("Accepted", generation=2)
    for verdict in (said(parent(old, GOOD[1])), said(parent(GOOD[0])), said(parent(*GOOD), parent(old))):
        assert (verdict.accepted, verdict.refused) == (False, False)
        assert verdict.message == "gateway has not looked at the route as it is now"
    assert said() == Verdict(accepted=False, message="no gateway has taken the route yet")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("Accepted", "NotAllowedByListeners"),
        ("Accepted", "UnsupportedValue"),
        ("ResolvedRefs", "RefNotPermitted"),
        ("ResolvedRefs", "InvalidKind"),
    ],
)
def test_a_refusal_that_lasts_is_told_in_the_gateway_s_words(kind: str, reason: str) -> None:
    no = condition(kind, "False", reason, said="no\x1b[31m such\nthing")
    others = [each for each in GOOD if each["type"] != kind]
    verdict = said(parent(*GOOD), parent(*others, no, name="edge"))
    assert verdict == Verdict(
        accepted=False, refused=True, message=f"edge says {kind}=False, {reason}: no [31m such thing"
    )


@pytest.mark.parametrize(("kind", "reason"), [("Accepted", "Pending"), ("ResolvedRefs", "BackendNotFound")])
def test_a_refusal_that_passes_is_only_waited_for(kind: str, reason: str) -> None:
    others = [each for each in GOOD if each["type"] != kind]
    verdict = said(parent(*others, condition(kind, "False", reason)))
    assert (verdict.accepted, verdict.refused) == (False, False)
    assert reason in verdict.message


def test_a_refusal_of_an_earlier_generation_says_nothing() -> None:
    old = condition("Accepted", "False", "UnsupportedValue", generation=2)
    assert not said(parent(old, GOOD[1])).refused


def test_a_condition_that_is_unknown_is_waited_for() -> None:
    verdict = said(parent(condition("Accepted", "Unknown", "Pending"), GOOD[1]))
    assert (verdict.accepted, verdict.refused) == (False, False)


def test_a_route_of_which_only_parts_are_in_force_is_refused() -> None:
    part = condition("PartiallyInvalid", "True", "UnsupportedValue", said="dropped rule 2")
    assert said(parent(*GOOD, part)).refused
    assert said(parent(*GOOD, condition("PartiallyInvalid", "False"))).accepted
    assert said(parent(*GOOD, part | {"observedGeneration": 2})).accepted


@pytest.mark.parametrize("status", [None, [], {"parents": 3}, {"parents": [None, {"conditions": [3]}]}])
def test_whatever_a_status_holds_it_is_not_accepted(status: object) -> None:
    assert not acceptance({**a_route(), "status": status}).accepted


def fields(manager: str, time: str, spec: object, operation: str = "Update") -> Obj:
    entry = {"manager": manager, "operation": operation, "time": time, "fieldsType": "FieldsV1"}
    return {**entry, "apiVersion": "gateway.networking.k8s.io/v1", "fieldsV1": spec}


RULES: Obj = {"f:spec": {"f:rules": {}}}


def written(*entries: Obj) -> Obj:
    route = a_route()
    route["metadata"]["managedFields"] = list(entries)
    return route


def test_the_last_foreign_writer_of_the_rules_is_named() -> None:
    route = written(
        fields("argocd-controller", "2026-11-25T10:00:00Z", {"f:spec": {".": {}, "f:rules": {}}}, "Apply"),
        fields("kubectl-edit", "2026-11-25T10:05:00Z", RULES),
        fields("gateway", "2026-11-25T10:06:00Z", {"f:status": {"f:parents": {}}}),
        fields(
            "labeller",
            "2026-11-25T10:07:00Z",
            {"f:metadata": {"f:labels": {}}, "f:spec": {"f:hostnames": {}}},
        ),
        fields("serinus", "2026-11-25T10:08:00Z", RULES),
    )
    writer = foreign_writer(route, "serinus")
    assert writer is not None
    assert writer.shown == "kubectl-edit wrote last, 2026-11-25T10:05:00Z"


def test_a_writer_of_parts_of_the_rules_or_of_the_whole_spec_counts() -> None:
    deep = fields(
        "a", "2026-11-25T10:00:00Z", {"f:spec": {"f:rules": {'k:{"name":"main"}': {"f:weight": {}}}}}
    )
    assert foreign_writer(written(deep), "serinus") is not None
    assert foreign_writer(written(fields("a", "", {"f:spec": {}})), "serinus") is not None


@pytest.mark.parametrize(
    "entries",
    [(), (fields("serinus", "", RULES),), ({"manager": "a"},), (None,), ({"manager": "a", "fieldsV1": 3},)],
)
def test_nobody_else_wrote(entries: tuple[Obj, ...]) -> None:
    assert foreign_writer(written(*entries), "serinus") is None
