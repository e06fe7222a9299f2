"""A word from outside the cluster: who may say it, to which rollout it goes, and that it is said once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.adapters.kube.modelrollout import RequestSpec, parse_request
from controller.adapters.kube.resources import LOCAL_ACCESS_REVIEWS, MODEL_ROLLOUTS, Obj
from controller.adapters.kube.rolloutstatus import Place, refused, status_of
from controller.adapters.kube.speaking import Patience
from controller.adapters.kube.steering import ClusterSteering
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.control.errors import NotFound, NotPermitted, Refused, Unavailable
from controller.control.steering import Errand, Person, Target
from controller.domain.model import Command, CommandKind, Rollout
from controller.domain.vocabulary import Phase
from controller.errors import TargetError, TransientError
from tests.fakes import EPOCH
from tests.kube_fake import FakeApi, Serve, answer, failure
from tests.unit.control.stage import an_entry, progressing

ANN = Person("ann@example.com", ("ml-operators",))


class World:
    """One ModelRollout, RBAC that allows or not, and a daemon that answers what is asked."""

    def __init__(self) -> None:
        self.api = FakeApi()
        self.seconds = 0.0
        self.review: Obj = {"allowed": True}
        self.leader: Callable[[Obj, RequestSpec], Obj] | None = self.follow
        self.api.fault = self._serve
        policy = replace(progressing().policy, namespace="ml")
        self.rollout = replace(progressing(), id="fraud-v2", policy=policy, seq=1, updated_at=EPOCH)
        spec = {"model": "fraud", "version": "v2"}
        self.api.put(MODEL_ROLLOUTS, {"metadata": {"name": "fraud-v2", "namespace": "ml"}, "spec": spec})
        self.record(self.rollout)

    def record(self, rollout: Rollout, attempt: int = 1) -> None:
        status = status_of(
            self.object, rollout, an_entry(rollout, event="held", notable=True), Place(1, 1, attempt)
        ).status
        self.api.modify(MODEL_ROLLOUTS, "ml", "fraud-v2", lambda obj: obj.update(status=status))

    @property
    def object(self) -> Obj:
        found = self.api.get(MODEL_ROLLOUTS, "ml", "fraud-v2")
        assert found is not None
        return found

    @property
    def word(self) -> Obj | None:
        found: Obj | None = self.object["spec"].get("request")
        return found

    @property
    def asked(self) -> list[ApiRequest]:
        return [each for each in self.api.requests if LOCAL_ACCESS_REVIEWS.plural in each.path]

    def errand(self, kind: CommandKind = CommandKind.PAUSE, **changes: Any) -> Errand:
        target = Target("fraud-v2", "ml", self.rollout.created_at)
        return replace(Errand(target, kind, ANN, "slack-0123456789", "Slack"), **changes)

    def steering(self, allows: Callable[[str], bool] = lambda _: True) -> ClusterSteering:
        async def sleep(seconds: float) -> None:
            self.seconds += seconds

        patience = Patience(5.0, 0.5, sleep, lambda: self.seconds)
        return ClusterSteering(self.api.client(), allows, patience)

    def follow(self, obj: Obj, asked: RequestSpec) -> Obj:
        command = Command(CommandKind(asked.action), asked.id, asked.actor, EPOCH)
        after = replace(
            self.rollout, seq=2, phase=Phase.PAUSED, resume_to=Phase.PROGRESSING, message=f"by {asked.actor}"
        )
        entry = replace(an_entry(after, event="person", notable=True), command=command)
        return status_of(obj, after, entry, Place(1, 1, 1)).status

    async def _serve(self, request: ApiRequest, serve: Serve) -> ApiAnswer:
        if LOCAL_ACCESS_REVIEWS.plural in request.path:
            return answer(201, {"kind": LOCAL_ACCESS_REVIEWS.kind, "status": self.review})
        served = serve(request)
        if request.method == "PATCH" and self.leader is not None:
            asked = parse_request(self.object)
            assert isinstance(asked, RequestSpec), asked
            status = self.leader(self.object, asked)
            self.api.modify(MODEL_ROLLOUTS, "ml", "fraud-v2", lambda obj: obj.update(status=status))
        return served


@pytest.fixture
def world() -> World:
    return World()


async def test_who_may_is_followed_and_named_with_the_way_that_the_word_came(world: World) -> None:
    outcome = await world.steering().carry_out(world.errand())
    assert (outcome.rollout, outcome.phase) == ("fraud-v2", Phase.PAUSED)
    assert outcome.message == "by ann@example.com (Slack)"
    assert world.word == {"id": "slack-0123456789", "action": "pause", "by": "ann@example.com (Slack)"}


async def test_rbac_is_asked_about_the_person_and_about_this_very_word(world: World) -> None:
    await world.steering().carry_out(world.errand(CommandKind.PROMOTE))
    [asked] = world.asked
    assert asked.path == "/apis/authorization.k8s.io/v1/namespaces/ml/localsubjectaccessreviews"
    assert asked.body["spec"] == {
        "user": "ann@example.com",
        "groups": ["ml-operators"],
        "resourceAttributes": {
            "namespace": "ml",
            "verb": "promote",
            "group": "serinus.dev",
            "version": "v1alpha1",
            "resource": "modelrollouts",
            "name": "fraud-v2",
        },
    }


@pytest.mark.parametrize(
    "review", [{"allowed": False}, {}, {"allowed": "true"}, {"allowed": True, "denied": True}, "yes"]
)
async def test_who_is_not_clearly_allowed_reads_and_changes_nothing(world: World, review: Any) -> None:
    world.review = review
    with pytest.raises(NotPermitted, match=r"ann@example.com may not pause modelrollouts.serinus.dev in ml"):
        await world.steering().carry_out(world.errand())
    assert [each.path.rpartition("/")[2] for each in world.api.requests] == ["localsubjectaccessreviews"]
    assert world.word is None


async def test_where_policies_may_not_act_nothing_is_asked(world: World) -> None:
    with pytest.raises(NotPermitted, match="may not act in the namespace ml"):
        await world.steering(lambda namespace: namespace == "other").carry_out(world.errand())
    assert world.api.requests == []


async def test_a_repeated_word_is_answered_as_the_first_and_not_written_again(world: World) -> None:
    first = await world.steering().carry_out(world.errand())
    writes = len(world.api.writes)
    again = await world.steering().carry_out(world.errand())
    assert again == first
    assert [each for each in world.api.writes[writes:] if each.method == "PATCH"] == []


async def test_a_refusal_is_told_as_one_also_when_it_is_repeated(world: World) -> None:
    world.leader = lambda obj, asked: refused(obj, asked, "it is paused already", EPOCH)
    for _ in range(2):
        with pytest.raises(Refused, match="fraud-v2: it is paused already"):
            await world.steering().carry_out(world.errand())
    assert len([each for each in world.api.writes if each.method == "PATCH"]) == 1


async def test_without_a_leader_it_is_said_that_it_was_handed_over(world: World) -> None:
    world.leader = None
    with pytest.raises(Unavailable, match="handed over"):
        await world.steering().carry_out(world.errand())
    assert world.seconds >= 5


def remade(world: World) -> None:
    """Deleted, and made again under the same name."""
    world.record(replace(world.rollout, created_at=EPOCH + timedelta(days=1)))


def retried(world: World) -> None:
    world.record(replace(world.rollout, id="fraud-v2.2"), attempt=2)


def over(world: World) -> None:
    world.record(replace(world.rollout, phase=Phase.ABORTED))


@pytest.mark.parametrize(
    ("happened", "words"), [(remade, "name was used again"), (retried, "used again"), (over, "is over")]
)
async def test_an_old_button_never_steers_a_later_rollout(
    world: World, happened: Callable[[World], None], words: str
) -> None:
    happened(world)
    with pytest.raises(Refused, match=words):
        await world.steering().carry_out(world.errand(CommandKind.ABORT))
    assert world.word is None


async def test_a_rollout_that_is_gone_is_said(world: World) -> None:
    world.api.delete(MODEL_ROLLOUTS, "ml", "fraud-v2")
    with pytest.raises(NotFound, match="is gone"):
        await world.steering().carry_out(world.errand())


@pytest.mark.parametrize(("status", "error"), [(503, TransientError), (403, TargetError)])
async def test_without_an_answer_about_the_person_nothing_is_done(
    world: World, status: int, error: type[Exception]
) -> None:
    async def broken(request: ApiRequest, serve: Serve) -> ApiAnswer:
        return failure(status, "Forbidden" if status == 403 else "ServiceUnavailable", "no")

    world.api.fault = broken
    with pytest.raises(error):
        await world.steering().carry_out(world.errand())
    assert world.word is None


async def test_what_is_over_may_be_tried_again_and_the_word_may_be_repeated(world: World) -> None:
    world.record(replace(world.rollout, phase=Phase.ABORTED))
    word = world.errand(CommandKind.RETRY, via="", note="fixed", asking=None)
    first = await world.steering().carry_out(word)
    assert world.word == {
        "id": "slack-0123456789",
        "action": "retry",
        "by": "ann@example.com",
        "note": "fixed",
    }
    status = world.object["status"]
    retried(world)
    world.api.modify(
        MODEL_ROLLOUTS, "ml", "fraud-v2", lambda obj: obj["status"].update(requests=status["requests"])
    )
    again = await world.steering().carry_out(word)
    assert again.message == first.message, "answered as the first was, though its rollout is another by now"


async def test_an_answer_goes_to_the_asking_that_it_is_meant_for(world: World) -> None:
    await world.steering().carry_out(world.errand(CommandKind.APPROVE, asking=7))
    assert world.word is not None
    assert world.word["asking"] == 7


async def test_to_what_has_not_begun_nothing_is_said(world: World) -> None:
    world.api.modify(MODEL_ROLLOUTS, "ml", "fraud-v2", lambda obj: obj.pop("status"))
    with pytest.raises(Refused, match="has not begun yet"):
        await world.steering().carry_out(world.errand())
    assert world.word is None
