"""What every kind of route promises: exact splits, idempotent and conditional writes, nobody else's part."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.adapters.registry import catalogue
from controller.domain.observation import RouteSeen
from controller.domain.release import Split
from controller.domain.vocabulary import Reason
from controller.errors import Conflict
from tests.contract.route_stages import stage_of
from tests.contract.route_stages.stage import RouteStage

KINDS = catalogue().routes


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
async def stage(kind: str, tmp_path: Path) -> AsyncIterator[RouteStage]:
    async with stage_of(kind, tmp_path) as opened:
        yield opened


def steps_of(kind: str) -> tuple[int, ...]:
    """Weights from the smallest that the kind can give to the largest that is not all."""
    finest = KINDS[kind].finest_permille
    return tuple(sorted({finest, 2 * finest, 50 // finest * finest, 250 // finest * finest, 1000 - finest}))


class Play:
    """A stage as a rollout finds it, with the steps of a policy and what the survey said of the route."""

    def __init__(self, stage: RouteStage, kind: str) -> None:
        self.stage, self.steps = stage, steps_of(kind)
        self.model = replace(stage.routed, steps_permille=self.steps)

    async def survey(self) -> None:
        """As before a start: what serves there, as the record knows it."""
        await self.stage.confirm()
        survey = await self.stage.router.survey(replace(self.model, stable=None), self.model.stable)
        assert survey.problem is None, survey.message
        assert survey.serving in (None, self.model.stable)
        self.model = replace(self.model, weight_sum=survey.weight_sum)

    @property
    def begun(self) -> Split:
        return Split(self.model.stable)

    def at(self, weight_permille: int) -> Split:
        return Split(self.model.stable, self.model.canary, weight_permille)

    async def seen(self) -> RouteSeen:
        return await self.stage.router.observe(self.model)

    async def go(self, split: Split, expected: Split) -> None:
        """Write, let it be taken, and see exactly that."""
        await self.stage.router.apply(self.model, split, expected)
        await self.stage.confirm()
        seen = await self.seen()
        assert (seen.split, seen.accepted, seen.problem, seen.latched) == (split, True, None, None), (
            seen.message
        )

    def share(self) -> int:
        """The canary's, in thousandths, as the route itself has it."""
        assert self.model.canary is not None
        return self.stage.shares().get(self.model.canary.version, 0)


@pytest.fixture
async def play(stage: RouteStage, kind: str) -> Play:
    found = Play(stage, kind)
    await found.survey()
    return found


async def test_a_rollout_goes_up_by_exact_weights_and_ends_with_the_canary_alone(play: Play) -> None:
    theirs, now = play.stage.theirs(), play.begun
    for step in play.steps:
        await play.go(play.at(step), now)
        assert play.share() == step
        now = play.at(step)
    await play.go(play.at(1000), now)
    assert play.share() == 1000
    await play.go(Split(play.model.canary), play.at(1000))
    assert play.stage.shares() == {play.model.canary.version: 1000} if play.model.canary else False
    assert play.stage.theirs() == theirs


async def test_a_rollback_gives_all_back_in_one_write_from_any_weight(play: Play) -> None:
    theirs, before = play.stage.theirs(), play.stage.shares()
    for step in (*play.steps, 1000):
        await play.go(play.at(step), play.begun)
        await play.go(play.begun, play.at(step))
        assert play.stage.shares() == before
        assert play.share() == 0
    assert play.stage.theirs() == theirs


async def test_after_a_promotion_another_rollout_can_begin(play: Play) -> None:
    await play.go(play.at(1000), play.begun)
    await play.go(Split(play.model.canary), play.at(1000))
    promoted = play.model.canary
    play.model = replace(play.model, stable=promoted, canary=play.model.stable)
    await play.survey()
    await play.go(play.at(play.steps[0]), play.begun)
    assert play.share() == play.steps[0]


async def test_what_is_there_is_not_written_again(play: Play) -> None:
    await play.go(play.at(play.steps[1]), play.begun)
    before = play.stage.everything()
    for expected in (play.begun, play.at(play.steps[1])):
        await play.stage.router.apply(play.model, play.at(play.steps[1]), expected)
        assert play.stage.everything() == before


async def test_a_state_that_nobody_expected_is_a_conflict_and_stays(play: Play) -> None:
    await play.go(play.at(play.steps[1]), play.begun)
    play.stage.meddle()
    before = play.stage.everything()
    for split in (play.at(play.steps[2]), play.begun):
        with pytest.raises(Conflict):
            await play.stage.router.apply(play.model, split, play.at(play.steps[1]))
    assert play.stage.everything() == before


async def test_a_foreign_split_is_seen_as_what_nobody_asked_for_and_can_be_overwritten(play: Play) -> None:
    await play.go(play.at(play.steps[1]), play.begun)
    play.stage.meddle()
    await play.stage.confirm()
    seen = await play.seen()
    assert seen.split not in (play.begun, *(play.at(step) for step in (*play.steps, 1000)))
    assert seen.message
    await play.go(play.begun, seen.split)


async def test_a_rollback_without_a_record_is_latched_until_a_record_speaks(play: Play) -> None:
    theirs = play.stage.theirs()
    await play.go(play.at(play.steps[2]), play.begun)
    for _ in range(2):
        await play.stage.router.roll_back_unrecorded(play.model, Reason.CHECK_FAILED)
        await play.stage.confirm()
        seen = await play.seen()
        assert (seen.latched, play.share()) == (Reason.CHECK_FAILED, 0)
    await play.go(play.begun, seen.split)
    assert play.stage.theirs() == theirs


async def test_a_rollback_without_a_record_does_not_mind_what_others_wrote(play: Play) -> None:
    await play.go(play.at(play.steps[2]), play.begun)
    play.stage.meddle()
    await play.stage.router.roll_back_unrecorded(play.model, Reason.CHECK_FAILED)
    assert play.share() == 0


async def test_a_canary_without_weight_is_on_the_route_only_where_that_is_harmless(
    play: Play, kind: str
) -> None:
    await play.go(play.at(1000), play.begun)
    assert KINDS[kind].zero_weight or 0 not in play.stage.shares().values()
    await play.go(play.begun, play.at(1000))
    assert KINDS[kind].zero_weight or 0 not in play.stage.shares().values()


async def test_a_route_that_is_gone_is_a_fact(play: Play) -> None:
    await play.go(play.at(play.steps[2]), play.begun)
    play.stage.remove()
    assert (await play.seen()).split == Split()
