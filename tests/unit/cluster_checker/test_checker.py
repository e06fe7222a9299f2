"""The checker of the cluster's end-to-end tests finds what it looks for."""

import json
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.adapters.store.codec import encode_rollout
from controller.domain.model import Rollout, Route
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release, Split
from controller.domain.vocabulary import Phase
from tests.domain_scenes import a_policy
from tests.e2e.cluster.checker import violations
from tests.e2e.cluster.history import EPOCH, Write, unknown, writes
from tests.e2e.cluster.routes import Ours
from tests.kube.manifests import backend, route
from tests.kube.recording import Recorded

Obj = dict[str, Any]

V1 = Release("v1", backend=Backend(BackendKind.SERVICE, "m-v1", 8080))
V2 = Release("v2", backend=Backend(BackendKind.SERVICE, "m-v2", 8080))
OURS = {"m": Ours(["m-v1", "m-v2"])}
OTHER = {"name": "other", "port": 8080, "weight": 0}
ROLLOUT = Rollout(
    "m-1",
    "m",
    V2,
    a_policy(model="m", route=RouteRef("httpRoute", "m")),
    datetime(2026, 1, 1, tzinfo=UTC),
    "ann",
    stable=V1,
)
"""Steps of 5 % and 25 %."""


def on_route(*weights: tuple[str, int]) -> Obj:
    obj = route("ml", "m", [*(backend(name, weight) for name, weight in weights), OTHER])
    obj["metadata"]["annotations"] = {EPOCH: "1"}
    return obj


BEFORE = {"m": on_route(("m-v1", 1))}


def with_record(seq: int, phase: Phase, split: Split, rollout: Rollout = ROLLOUT) -> Obj:
    record = replace(rollout, seq=seq, phase=phase, route=Route(intended=split))
    return {"metadata": {"name": "m-1"}, "status": {"record": encode_rollout(record).decode()}}


def write(version: int, obj: Obj, epoch: int | None = 1, path: str = "/spec") -> Write:
    kind = "httproutes" if "spec" in obj else "modelrollouts"
    made = ({"op": "test", "path": "/metadata/resourceVersion", "value": "1"}, {"op": "add", "path": path})
    return Write(version, "a", 0.0, kind, obj["metadata"]["name"], "", made, epoch, obj)


def stamp(version: int, obj: Obj, epoch: int) -> Write:
    return write(version, obj, epoch, "/metadata/annotations/serinus.dev~1epoch")


HISTORY = (
    write(1, with_record(1, Phase.PENDING, Split(V1))),
    write(2, with_record(2, Phase.PROGRESSING, Split(V1, V2, 50))),
    write(3, on_route(("m-v1", 950), ("m-v2", 50))),
    write(4, with_record(3, Phase.PROGRESSING, Split(V1, V2, 250))),
    write(5, on_route(("m-v1", 750), ("m-v2", 250))),
    write(6, with_record(4, Phase.PROMOTING, Split(V1, V2, 1000)), epoch=2),
    write(7, on_route(("m-v1", 0), ("m-v2", 1000)), epoch=2),
    write(8, with_record(5, Phase.BAKING, Split(V2)), epoch=2),
    write(9, on_route(("m-v2", 1)), epoch=2),
    write(10, with_record(6, Phase.SUCCEEDED, Split(V2)), epoch=2),
)


def found(*history: Write, after: Obj | None = None) -> str:
    written = [each.obj for each in history if each.kind == "httproutes"]
    now = after or (written[-1] if written else BEFORE["m"])
    return "; ".join(violations(history, BEFORE, {"m": now}, OURS))


def swapped(index: int, other: Write) -> tuple[Write, ...]:
    return (*HISTORY[:index], other, *HISTORY[index + 1 :])


def test_an_orderly_rollout_violates_nothing() -> None:
    assert found(*HISTORY) == ""


def test_going_back_to_stable_is_always_right() -> None:
    assert found(*HISTORY[:5], write(6, on_route(("m-v1", 1)))) == ""


def test_an_old_epoch_after_a_newer_one_is_found() -> None:
    late = replace(HISTORY[7], epoch=1)
    assert "a's write 8 of modelrollouts/m-1 is of epoch 1, after a's write 6" in found(*swapped(7, late))


def test_while_a_new_leader_stamps_old_writes_may_arrive_where_it_has_not_stamped_yet() -> None:
    stamped = stamp(6, HISTORY[4].obj, 2)
    begun = HISTORY[3].obj
    assert found(*HISTORY[:5], stamped, write(7, begun)) == ""
    other = write(8, on_route(("m-v1", 1)), epoch=2)
    told = found(*HISTORY[:5], stamped, other, write(9, begun))
    assert "a's write 9 of modelrollouts/m-1 is of epoch 1, after a's write 8 of httproutes/m of 2" in told
    assert "of epoch 1, after a's write 6" in found(*HISTORY[:5], stamped, write(7, HISTORY[4].obj))


def test_a_write_without_conditions_is_found() -> None:
    blind = replace(HISTORY[2], operations=(), epoch=None)
    told = found(*swapped(2, blind))
    assert "write 3 of httproutes/m tests no resourceVersion" in told
    assert "write 3 of httproutes/m claims no epoch" in told


@pytest.mark.parametrize("part", ["labels", "filters", "other backend", "annotation"])
def test_a_change_of_what_is_not_ours_is_found(part: str) -> None:
    obj = deepcopy(HISTORY[2].obj)
    rule = obj["spec"]["rules"][0]
    if part == "labels":
        obj["metadata"]["labels"] = {"a": "b"}
    elif part == "filters":
        rule["filters"] = []
    elif part == "other backend":
        rule["backendRefs"][2]["weight"] = 1
    else:
        obj["metadata"]["annotations"]["other"] = "x"
    assert "write 3 of httproutes/m changed what is not ours" in found(*swapped(2, write(3, obj)))


@pytest.mark.parametrize("weights", [(90, 10), (-50, 1050)])
def test_a_wrong_sum_or_sign_is_found(weights: tuple[int, int]) -> None:
    bad = write(3, on_route(("m-v1", weights[0]), ("m-v2", weights[1])))
    assert "write 3 of httproutes/m made the weights" in found(*swapped(2, bad))


def test_a_weight_that_no_record_asked_for_is_found() -> None:
    early = (*HISTORY[:1], *HISTORY[2:3])
    assert "but the record asks for 0" in found(*early)
    assert "but the record asks for None" in found(HISTORY[2])


def test_a_weight_that_is_no_step_is_found() -> None:
    bad = write(3, on_route(("m-v1", 900), ("m-v2", 100)))
    assert "which is no step of [0, 50, 250, 1000]" in found(*swapped(2, bad))


def test_two_steps_in_one_write_are_found() -> None:
    assert "rose from 0 to 250 at once" in found(*HISTORY[:2], *HISTORY[3:5])


def test_a_gap_in_the_log_is_found() -> None:
    gap = write(4, with_record(4, Phase.PROGRESSING, Split(V1, V2, 250)))
    assert "goes from entry 2 to 4" in found(*swapped(3, gap))
    assert "m-1 begins with entry 2" in found(*HISTORY[1:])


def test_life_after_the_end_is_found() -> None:
    more = write(11, with_record(7, Phase.PROGRESSING, Split(V2)), epoch=2)
    assert "goes on after Succeeded: Progressing" in found(*HISTORY, more)


def test_a_route_that_serves_something_else_than_the_end_says_is_found() -> None:
    assert "m-1 ended Succeeded, and the route m serves ['m-v1']" in found(*HISTORY, after=BEFORE["m"])
    aborted = write(6, with_record(4, Phase.ABORTED, Split(V1)))
    told = found(*HISTORY[:5], aborted)
    assert "m-1 ended Aborted, and the route m serves ['m-v1', 'm-v2']" in told
    assert found(*HISTORY[:5], aborted, after=BEFORE["m"]) == ""


def test_another_attempt_begins_after_the_end_only() -> None:
    again = replace(ROLLOUT, id="m-1.2", stable=V2, release=V1)
    begun = write(11, with_record(1, Phase.PENDING, Split(V2), again), epoch=2)
    assert found(*HISTORY, begun) == ""
    assert "begins m-1.2 at entry 1 after Baking" in found(*HISTORY[:8], begun)


# reading the recording


def recorded(
    number: int, body: list[Obj], answer: Obj | None, status: int | None = 200, **more: Any
) -> Recorded:
    return Recorded(
        number=number,
        at=float(number),
        identity="a",
        method=more.get("method", "PATCH"),
        path=more.get("path", "/apis/gateway.networking.k8s.io/v1/namespaces/ml/httproutes/m"),
        query="",
        write=True,
        body=json.dumps(body).encode(),
        server_status=status,
        server_body=json.dumps(answer).encode() if answer else b"",
    )


def answered(version: int) -> Obj:
    return {"metadata": {"name": "m", "resourceVersion": str(version)}}


def test_writes_are_ordered_as_the_server_took_them_and_refused_ones_left_out() -> None:
    stamp = [{"op": "add", "path": "/metadata/annotations", "value": {EPOCH: "7"}}]
    fenced = [{"op": "test", "path": "/metadata/annotations/serinus.dev~1epoch", "value": "7 CheckFailed"}]
    both = [*fenced, {"op": "add", "path": "/metadata/annotations/serinus.dev~1epoch", "value": "8"}]
    history = {
        "a": [
            recorded(1, stamp, answered(12)),
            recorded(2, fenced, answered(14)),
            recorded(3, fenced, None, 409),
        ],
        "b": [
            recorded(1, both, answered(13)),
            recorded(2, [], answered(9), path="/api/v1/namespaces/ml/pods/x"),
        ],
    }
    assert [(each.daemon, each.version, each.epoch) for each in writes(history)] == [
        ("a", 12, 7),
        ("b", 13, 8),
        ("a", 14, 7),
    ]
    assert unknown(history) == []


def test_an_applied_write_whose_answer_is_lost_is_told_of() -> None:
    assert len(unknown({"a": [recorded(1, [], None)]})) == 1
