"""What people write into ModelRollouts, and what is made of it."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from controller.adapters.kube.inbox import Inbox, Unfit
from controller.adapters.kube.modelrollout import ModelRolloutSpec, RequestSpec
from controller.control.errors import Refused
from controller.domain.commands import announce
from controller.domain.model import CommandKind, Entry, Rollout
from controller.domain.release import Backend, BackendKind
from controller.domain.vocabulary import Phase, Reason
from controller.errors import PolicyError
from tests.fakes import FakePolicies, FakeStore, a_policy, a_release, a_rollout

Obj = dict[str, Any]

FOUND = Backend(BackendKind.SERVICE, "fraud-v2", 8080)


def an_object(name: str = "fraud-v2", **spec: object) -> Obj:
    metadata = {
        "name": name,
        "namespace": "default",
        "uid": "0123",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return {"metadata": metadata, "spec": {"model": "fraud", "version": "v2", **spec}}


@dataclass
class FakeObjects:
    new: list[Obj] = field(default_factory=list)
    asked: list[tuple[Obj, Rollout | None]] = field(default_factory=list)
    going: list[tuple[Obj, Rollout | None]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    adopted: list[Rollout] = field(default_factory=list)
    observed: list[str] = field(default_factory=list)

    def unaccepted(self, model: str) -> list[Obj]:
        return self.new

    def asking(self, model: str) -> list[tuple[Obj, Rollout | None]]:
        return self.asked

    def deleting(self, model: str) -> list[tuple[Obj, Rollout | None]]:
        return self.going

    async def mark(
        self, obj: Obj, *, phase: Phase, reason: Reason, message: str, policy_valid: bool | None
    ) -> None:
        self.said.append(f"{phase} {reason} {policy_valid}: {message}")

    async def refuse(self, obj: Obj, request: RequestSpec, message: str) -> None:
        self.said.append(f"refused {request.id}: {message}")

    async def adopt(self, obj: Obj, rollout: Rollout, entry: Entry) -> None:
        assert entry.seq == rollout.seq == 1
        self.adopted.append(rollout)

    async def observe(self, model: str) -> None:
        self.observed.append(model)

    async def release_finalizer(self, obj: Obj) -> None:
        self.said.append(f"released {obj['metadata']['name']}")


class Stage:
    def __init__(self) -> None:
        self.objects = FakeObjects()
        self.store = FakeStore()
        self.policies = FakePolicies(a_policy())
        self.found: Backend | Unfit | None = FOUND
        self.followed: list[tuple[str, CommandKind, str, str]] = []
        self.notes: list[str] = []
        self.refusal: Refused | None = None
        self.left: timedelta | None = None
        self.cleaned: list[Rollout] = []
        self.askings: list[int | None] = []
        self.recorded: list[Entry] = []
        self.allowed = True

    def find(self, namespace: str, spec: ModelRolloutSpec) -> Backend | Unfit | None:
        return self.found

    async def follow(
        self, rollout: Rollout, kind: CommandKind, actor: str, request_id: str, note: str, asking: int | None
    ) -> None:
        if self.refusal:
            raise self.refusal
        self.followed.append((rollout.id, kind, actor, request_id))
        self.notes.append(note)
        self.askings.append(asking)

    async def clean(self, rollout: Rollout) -> timedelta | None:
        self.cleaned.append(rollout)
        return self.left

    async def take_in(self) -> timedelta | None:
        inbox = Inbox(
            self.objects,
            self.store,
            self.policies,
            allows=lambda _: self.allowed,
            find=self.find,
            follow=self.follow,
            clean=self.clean,
            recorded=lambda _, entry: self.recorded.append(entry),
        )
        return await inbox.take_in("fraud")


async def test_a_release_begins_under_the_policy_of_its_model() -> None:
    stage = Stage()
    stage.objects.new = [an_object()]
    assert await stage.take_in() is None
    [rollout] = stage.objects.adopted
    assert (rollout.id, rollout.model, rollout.phase) == ("fraud-v2", "fraud", Phase.PENDING)
    assert rollout.release.backend == FOUND
    assert rollout.policy == a_policy()
    assert [entry.event for entry in stage.recorded] == ["created"]


async def test_a_release_says_who_wanted_it() -> None:
    by_api, by_kubectl = an_object("fraud-v2"), an_object("fraud-v3")
    by_api["metadata"]["annotations"] = {"serinus.dev/created-by": "ann@example.com\x00" + "x" * 200}
    stage = Stage()
    stage.objects.new = [by_api, by_kubectl]
    await stage.take_in()
    first, second = (rollout.created_by for rollout in stage.objects.adopted)
    assert (first[:16], len(first)) == ("ann@example.com?", 128)
    assert second == "modelrollout/fraud-v3"


async def test_an_image_gets_the_backend_that_it_will_be_given() -> None:
    stage = Stage()
    stage.objects.new = [an_object(image="fraud:v2")]
    await stage.take_in()
    [rollout] = stage.objects.adopted
    assert rollout.release.image is not None
    assert rollout.release.backend == FOUND


async def test_a_release_waits_for_its_policy_and_says_what_is_wrong_with_it() -> None:
    stage = Stage()
    stage.objects.new = [an_object()]
    stage.policies = FakePolicies()
    stage.policies.faults = {"fraud.yaml": [PolicyError("fraud.yaml", 3, 1, "steps: is missing")]}
    await stage.take_in()
    [said] = stage.objects.said
    assert said.startswith("Pending WaitingForPolicy False: no valid policy file is for the model fraud")
    assert said.endswith("not valid: fraud.yaml:3:1: steps: is missing")
    assert stage.objects.adopted == []


async def test_a_policy_rules_its_own_namespace_only_and_only_where_the_operator_allows() -> None:
    stage = Stage()
    stage.objects.new = [an_object()]
    stage.policies = FakePolicies(a_policy(namespace="ml"))
    await stage.take_in()
    assert "the policy of fraud is for the namespace ml, not for default" in stage.objects.said[-1]
    stage.allowed = False
    await stage.take_in()
    assert "may not act in the namespace default" in stage.objects.said[-1]
    assert stage.objects.adopted == []


async def test_a_backend_that_is_not_there_yet_is_looked_for_again() -> None:
    stage = Stage()
    stage.objects.new = [an_object()]
    stage.found = Unfit(Reason.BACKEND_NOT_FOUND, "no Service bears the labels")
    assert await stage.take_in() == timedelta(seconds=15)
    assert stage.objects.said == ["Pending BackendNotFound True: no Service bears the labels"]


async def test_a_spec_that_makes_no_sense_is_refused_with_every_fault() -> None:
    stage = Stage()
    stage.objects.new = [an_object(image="fraud:v2", backend={"name": "x"}, weight=7)]
    await stage.take_in()
    [said] = stage.objects.said
    assert said.startswith("NotDeployed SpecInvalid None: ")
    assert "spec.weight" in said


async def test_what_was_refused_once_never_begins_later() -> None:
    stage = Stage()
    stage.objects.new = [{**an_object(), "status": {"phase": "NotDeployed"}}]
    await stage.take_in()
    assert (stage.objects.said, stage.objects.adopted) == ([], [])


async def test_the_version_that_serves_is_not_released_again() -> None:
    stage = Stage()
    stage.objects.new = [an_object()]
    rollout = replace(a_rollout(), phase=Phase.SUCCEEDED, release=a_release("v2"), seq=1)
    stage.store.records[rollout.id] = await FakeStore().create(rollout, _entry(rollout))
    await stage.take_in()
    assert stage.objects.said[0].startswith("NotDeployed AlreadyServing")


def _entry(rollout: Rollout) -> Entry:
    entry = announce(replace(rollout, seq=0)).entry
    assert entry is not None
    return entry


REQUEST = {"id": "12345678", "action": "abort", "by": "ann"}


async def test_a_request_is_followed_under_its_id_and_its_asker() -> None:
    stage = Stage()
    rollout = a_rollout()
    stage.objects.asked = [(an_object(request=REQUEST), rollout)]
    await stage.take_in()
    assert stage.followed == [(rollout.id, CommandKind.ABORT, "ann", "default/fraud-v2/12345678")]


async def test_why_somebody_says_no_and_to_what_is_handed_over() -> None:
    stage = Stage()
    request = {"id": "12345678", "action": "deny", "by": "bob", "note": "not before the audit", "asking": 7}
    stage.objects.asked = [(an_object(request=request), a_rollout())]
    await stage.take_in()
    assert [kind for _, kind, _, _ in stage.followed] == [CommandKind.DENY]
    assert (stage.notes, stage.askings) == (["not before the audit"], [7])


async def test_a_refused_request_is_answered_with_what_to_do_instead() -> None:
    stage = Stage()
    stage.refusal = Refused("fraud-1 is over", "serinus retry fraud")
    stage.objects.asked = [(an_object(request=REQUEST), a_rollout())]
    await stage.take_in()
    assert stage.objects.said == ["refused 12345678: fraud-1 is over (serinus retry fraud)"]


async def test_a_request_to_what_has_not_begun_is_refused() -> None:
    stage = Stage()
    stage.objects.asked = [(an_object(request=REQUEST), None)]
    await stage.take_in()
    assert "has not begun" in stage.objects.said[0]


async def test_a_request_that_is_not_understood_stops_nobody() -> None:
    stage = Stage()
    stage.objects.asked = [
        (an_object(request={"id": "x", "action": "explode"}), a_rollout()),
        (an_object(request=REQUEST), a_rollout()),
    ]
    await stage.take_in()
    assert len(stage.followed) == 1


async def test_deletion_takes_the_weight_away_first_then_the_workload_then_the_record() -> None:
    stage = Stage()
    running = replace(a_rollout(), phase=Phase.PROGRESSING)
    stage.objects.going = [(an_object(), running)]
    await stage.take_in()
    assert stage.followed == [(running.id, CommandKind.ABORT, "deletion", "default/fraud-v2/deleted-0123")]
    assert (stage.cleaned, stage.objects.said) == ([], [])

    over = replace(running, phase=Phase.ABORTED)
    stage.objects.going = [(an_object(), over)]
    stage.left = timedelta(seconds=5)
    assert await stage.take_in() == timedelta(seconds=5)
    assert stage.objects.said == []

    stage.left = None
    assert await stage.take_in() is None
    assert stage.objects.said == ["released fraud-v2"]
    assert stage.cleaned == [over, over]


async def test_what_never_began_is_deleted_at_once() -> None:
    stage = Stage()
    stage.objects.going = [(an_object(), None)]
    await stage.take_in()
    assert stage.objects.said == ["released fraud-v2"]


async def test_what_changed_without_a_word_is_observed_after_the_answers() -> None:
    stage = Stage()
    await stage.take_in()
    assert stage.objects.observed == ["fraud"]
