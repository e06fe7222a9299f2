"""Epochs on objects: who may write what."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.kube.fencing import (
    EPOCH_ANNOTATION,
    LARGEST_EPOCH,
    epoch_of,
    fence,
    latch_of,
    stamp,
    take_over,
)
from controller.adapters.kube.resources import HTTP_ROUTES, Obj
from controller.domain.vocabulary import Reason
from controller.errors import Conflict, InvariantError
from tests.json_patch import patched
from tests.kube_fake import FakeApi

OTHERS = {"example.com/owner": "ann"}


def a_route(annotation: object = None, others: dict[str, str] | None = None, version: str = "7") -> Obj:
    annotations = dict(others or {})
    if annotation is not None:
        annotations[EPOCH_ANNOTATION] = annotation  # type: ignore[assignment]
    metadata: Obj = {"name": "fraud", "namespace": "ml", "resourceVersion": version}
    if annotations:
        metadata["annotations"] = annotations
    return {"kind": "HTTPRoute", "metadata": metadata, "spec": {"rules": []}}


@pytest.mark.parametrize(
    ("annotation", "epoch", "latch"),
    [
        (None, 0, None),
        ("7", 7, None),
        ("0", 0, None),
        ("7 CheckFailed", 7, Reason.CHECK_FAILED),
        ("7 NoSuchReason", 7, None),
        (str(LARGEST_EPOCH), LARGEST_EPOCH, None),
        (str(LARGEST_EPOCH + 1), 0, None),
        ("", 0, None),
        ("-7", 0, None),
        ("07", 0, None),
        ("7.0", 0, None),
        (" 7", 0, None),
        ("7 ", 0, None),
        ("7\n", 0, None),
        ("7  CheckFailed", 0, None),
        ("7 CheckFailed more", 0, None),
        ("\N{ARABIC-INDIC DIGIT SEVEN}", 0, None),
        (7, 0, None),
        (["7"], 0, None),
    ],
)
def test_what_an_object_bears(annotation: object, epoch: int, latch: Reason | None) -> None:
    obj = a_route(annotation, OTHERS)
    assert (epoch_of(obj), latch_of(obj)) == (epoch, latch)


@given(st.text() | st.none() | st.integers())
def test_no_annotation_breaks_the_reading(annotation: object) -> None:
    obj = a_route(annotation)
    assert 0 <= epoch_of(obj) <= LARGEST_EPOCH
    latch_of(obj)


def test_annotations_may_be_null() -> None:
    assert epoch_of({"metadata": {"annotations": None}}) == 0


@pytest.mark.parametrize("annotation", ["7", "7 CheckFailed", "7 NoSuchReason"])
def test_the_fence_tests_version_and_annotation_as_they_are(annotation: str) -> None:
    obj = a_route(annotation, OTHERS)
    tests = fence(obj, 7)
    assert [operation["op"] for operation in tests] == ["test", "test"]
    assert patched(obj, tests) == obj
    for other in (a_route("8", OTHERS), a_route(annotation, version="8"), a_route(None, OTHERS)):
        with pytest.raises(Exception, match=r"is not|does not apply"):
            patched(other, tests)


def test_a_deposed_leader_gives_up_and_a_new_one_takes_over_first() -> None:
    with pytest.raises(
        Conflict, match="HTTPRoute ml/fraud was taken over by the leader of epoch 8; ours is 7"
    ):
        fence(a_route("8"), 7)
    for lower in ("6", None, "nonsense"):
        with pytest.raises(InvariantError, match="bears epoch"):
            fence(a_route(lower), 7)


@pytest.mark.parametrize(
    ("before", "latch", "after"),
    [
        ("7 CheckFailed", None, "7"),
        ("7", Reason.CHECK_FAILED, "7 CheckFailed"),
        ("7 CheckFailed", Reason.METRICS_UNAVAILABLE, "7 MetricsUnavailable"),
        ("7", None, "7"),
    ],
)
def test_a_stamp_writes_the_latch_or_takes_it_away(before: str, latch: Reason | None, after: str) -> None:
    obj = a_route(before, OTHERS)
    new = patched(obj, [*fence(obj, 7), *stamp(obj, 7, latch)])
    assert new["metadata"]["annotations"] == {**OTHERS, EPOCH_ANNOTATION: after}


@pytest.mark.parametrize(
    ("annotation", "others", "expected"),
    [
        (None, {}, "7"),
        (None, OTHERS, "7"),
        ("6", OTHERS, "7"),
        ("6 CheckFailed", OTHERS, "7 CheckFailed"),
        ("6 NoSuchReason", {}, "7 NoSuchReason"),
        ("nonsense", OTHERS, "7"),
    ],
)
async def test_taking_over_stamps_the_epoch_and_nothing_else(
    annotation: str | None, others: dict[str, str], expected: str
) -> None:
    api = FakeApi()
    obj = api.put(HTTP_ROUTES, a_route(annotation, others))
    taken = await take_over(api.client(), HTTP_ROUTES, obj, 7)
    assert taken == api.get(HTTP_ROUTES, "ml", "fraud")
    assert taken["metadata"]["annotations"] == {**others, EPOCH_ANNOTATION: expected}
    assert taken["spec"] == obj["spec"]
    assert taken["metadata"]["generation"] == obj["metadata"]["generation"]


async def test_what_is_ours_already_is_not_written_again() -> None:
    api = FakeApi()
    obj = api.put(HTTP_ROUTES, a_route("7 CheckFailed"))
    assert await take_over(api.client(), HTTP_ROUTES, obj, 7) == obj
    assert not api.writes


async def test_taking_over_what_changed_is_a_conflict() -> None:
    api = FakeApi()
    obj = api.put(HTTP_ROUTES, a_route("6"))
    api.modify(HTTP_ROUTES, "ml", "fraud", lambda route: route["spec"].update(more=1))
    with pytest.raises(Conflict):
        await take_over(api.client(), HTTP_ROUTES, obj, 7)
    with pytest.raises(Conflict, match="ours is 5"):
        await take_over(api.client(), HTTP_ROUTES, obj, 5)


WEIGHT = {"op": "add", "path": "/spec/weight", "value": 5}
STATUS = {"op": "add", "path": "/status", "value": {"weight": 5}}
ORDERS = [
    order
    for order in itertools.permutations(("old reads", "old writes", "new stamps", "new writes"))
    if order.index("old reads") < order.index("old writes")
    if order.index("new stamps") < order.index("new writes")
]


class TwoLeaders:
    """One of epoch 6 that may have been frozen at any point, and its successor of epoch 7."""

    def __init__(self, subresource: str | None) -> None:
        self.api = FakeApi()
        self.client = self.api.client()
        self.subresource = subresource
        self.read = self.stamped = self.api.put(HTTP_ROUTES, a_route("6"))
        self.wrote: list[str] = []

    async def step(self, name: str) -> None:
        match name:
            case "old reads":
                self.read = await self.now()
            case "old writes":
                await self.write(self.read, 6)
            case "new stamps":
                self.stamped = await take_over(self.client, HTTP_ROUTES, await self.now(), 7)
            case "new writes":
                await self.write(await self.now(), 7)

    async def now(self) -> Obj:
        found = await self.client.get(HTTP_ROUTES, "ml", "fraud")
        assert found is not None
        return found

    async def write(self, obj: Obj, epoch: int) -> None:
        change = WEIGHT if self.subresource is None else STATUS
        try:
            operations = [*fence(obj, epoch), change]
            await self.client.json_patch(HTTP_ROUTES, "ml", "fraud", operations, subresource=self.subresource)
            self.wrote.append(f"by {epoch}")
        except Conflict:
            self.wrote.append(f"not by {epoch}")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("subresource", [None, "status"])
async def test_after_the_stamp_the_old_leader_writes_nothing(
    order: tuple[str, ...], subresource: str | None
) -> None:
    leaders = TwoLeaders(subresource)
    for step in order:
        await leaders.step(step)
    stamped_first = order.index("new stamps") < order.index("old writes")
    assert sorted(leaders.wrote) == sorted(["by 7", "not by 6" if stamped_first else "by 6"])
