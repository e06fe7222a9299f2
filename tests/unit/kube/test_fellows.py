"""What the fleet's register is told of ModelRollouts: of other shards' what changed, of all what is gone."""

from dataclasses import replace

from controller.adapters.fleet.hours import Hours
from controller.adapters.fleet.register import FleetRegister
from controller.adapters.kube.fellows import Fellows
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.rolloutstatus import Place, status_of
from controller.adapters.store.kubernetes_index import RolloutIndex, slim
from controller.domain.fleet.line import Limits
from controller.domain.fleet.rules import FleetRules
from controller.domain.model import Rollout
from controller.domain.sharding import Shard
from controller.domain.vocabulary import Phase, Reason
from controller.fleet_settings import FleetSettings
from tests.fakes import EPOCH, FakeClock, a_policy, a_rollout
from tests.unit.control.stage import an_entry

SHARD = Shard(1, 2)
OWN = next(name for name in (f"m{number}" for number in range(99)) if SHARD.owns(name))
OTHER = next(name for name in (f"m{number}" for number in range(99)) if not SHARD.owns(name))


def rollout_of(model: str, phase: Phase, **changes: object) -> Rollout:
    rollout = a_rollout(a_policy(model=model, namespace="ml"))
    return replace(rollout, id=f"{model}-v2", phase=phase, seq=1, **changes)  # type: ignore[arg-type]


def object_of(rollout: Rollout, ordinal: int = 1) -> Obj:
    obj: Obj = {
        "metadata": {"name": rollout.id, "namespace": "ml", "creationTimestamp": EPOCH.isoformat()},
        "spec": {"model": rollout.model, "version": rollout.release.version},
    }
    entry = an_entry(rollout, event="held", notable=True)
    return slim({**obj, "status": status_of(obj, rollout, entry, Place(1, ordinal, 1)).status})


class Scene:
    def __init__(self) -> None:
        self.woken: list[str] = []
        self.index = RolloutIndex()
        hours = Hours(FleetSettings(), FakeClock().now)
        self.register = FleetRegister(Limits(rollouts=1), hours, dict, self.woken.append)
        self.register.load([])
        self.fellows = Fellows(self.register, self.index, SHARD)

    def put(self, rollout: Rollout, old: Obj | None = None, ordinal: int = 1) -> Obj:
        new = object_of(rollout, ordinal)
        self.news(old, new)
        return new

    def news(self, old: Obj | None, new: Obj | None) -> None:
        self.index.changed(old, new)
        self.fellows.changed(old, new)

    def full(self) -> bool:
        """Whether there is no place for one more."""
        seen = self.register.seen(a_rollout(a_policy(model="another")), ())
        return seen is not None and seen.line is not None


def test_a_new_leader_counts_what_rolls_already_of_whatever_shard() -> None:
    for model in (OWN, OTHER):
        scene = Scene()
        scene.put(rollout_of(model, Phase.PROGRESSING))
        assert not scene.full()
        scene.fellows.lead()
        assert scene.full()


def test_other_shards_rollouts_are_followed() -> None:
    scene = Scene()
    scene.fellows.lead()
    begun = scene.put(rollout_of(OTHER, Phase.PROGRESSING))
    assert scene.full()
    waiting = replace(a_rollout(a_policy(model="waits")), reason=Reason.WAITING_FOR_TURN)
    scene.register.committed(waiting)
    scene.put(rollout_of(OTHER, Phase.SUCCEEDED), begun)
    assert scene.woken == ["waits"]


def test_our_own_are_told_by_their_commits_and_not_a_second_time() -> None:
    scene = Scene()
    scene.fellows.lead()
    scene.put(rollout_of(OWN, Phase.PROGRESSING))
    assert not scene.full()


def test_an_object_that_is_deleted_takes_no_place() -> None:
    scene = Scene()
    own = scene.put(rollout_of(OWN, Phase.PROGRESSING))
    scene.fellows.lead()
    scene.news(own, None)
    assert not scene.full()


def test_the_newest_rollout_of_a_model_is_the_last_that_was_accepted() -> None:
    scene = Scene()
    scene.fellows.lead()
    first = replace(rollout_of(OTHER, Phase.ROLLED_BACK, reason=Reason.CHECK_FAILED), id=f"{OTHER}-v9")
    scene.put(first, ordinal=2)
    scene.put(rollout_of(OTHER, Phase.SUCCEEDED, reason=Reason.PROMOTED), ordinal=1)
    ranker = a_rollout(a_policy(model="ranker", fleet=FleetRules(after=(OTHER, "nobody"))))
    seen = scene.register.seen(ranker, ())
    assert seen is not None
    assert [(each.rollout, each.phase, each.reason) for each in seen.before] == [
        (f"{OTHER}-v9", Phase.ROLLED_BACK, Reason.CHECK_FAILED),
        ("", None, None),
    ]
