"""What was wrong with measurements: kept with the evidence, each kind once, and told by `serinus why`."""

import json
from dataclasses import replace
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from controller.cli import tables
from controller.control.why import why_view
from controller.domain.flaws import LONGEST_SENTENCE, MOST_FLAWS, Flaw, with_warnings
from controller.domain.machine import decide
from controller.domain.model import Rollout
from controller.domain.observation import Measure, Reading
from controller.domain.observing import with_split
from controller.domain.release import Split
from controller.domain.vocabulary import Phase
from tests.domain_outside import release
from tests.domain_scenes import BAD, at, in_force, reach, seen
from tests.domain_world import World
from tests.fakes import EPOCH
from tests.unit.control.stage import progressing

RESETS = Flaw("counter resets", 3)
UNMEASURED = Flaw("latency_p99: the metrics pack envoy cannot measure it")


# each kind once


def test_numbers_of_one_kind_are_added_up() -> None:
    first = with_warnings((), ["3 counter resets", "2 samples that are not a count were ignored"])
    assert with_warnings(first, ["1 counter resets"]) == (
        Flaw("counter resets", 4),
        Flaw("samples that are not a count were ignored", 2),
    )


def test_what_has_no_number_is_kept_once() -> None:
    once = with_warnings((), [UNMEASURED.sentence])
    assert with_warnings(once, [UNMEASURED.sentence]) == once == (UNMEASURED,)


def test_a_number_elsewhere_counts_nothing() -> None:
    assert with_warnings((), ["counts older than 1 h were not read", "5xx: odd"]) == (
        Flaw("counts older than 1 h were not read"),
        Flaw("5xx: odd"),
    )


def test_those_that_came_first_stay_and_go_on_counting() -> None:
    many = with_warnings((), [f"1 kind {letter}" for letter in "abcdefghijklmno"])
    assert [flaw.sentence for flaw in many] == [f"kind {letter}" for letter in "abcdefghij"]
    assert with_warnings(many, ["7 kind j", "7 kind z"])[-1] == Flaw("kind j", 8)


@pytest.mark.parametrize("number", ["", "3 "])
def test_a_long_sentence_is_cut(number: str) -> None:
    [flaw] = with_warnings((), [number + "x" * 1000])
    assert flaw.sentence == "x" * LONGEST_SENTENCE


@given(st.lists(st.lists(st.text(max_size=300) | st.from_regex(r"[0-9]{1,20} [a-p]", fullmatch=True))))
def test_whatever_the_warnings_are_what_is_kept_is_bounded(readings: list[list[str]]) -> None:
    flaws: tuple[Flaw, ...] = ()
    for warnings in readings:
        flaws = with_warnings(flaws, warnings)
    assert len({flaw.sentence for flaw in flaws}) == len(flaws) <= MOST_FLAWS
    assert all(len(flaw.sentence) <= LONGEST_SENTENCE for flaw in flaws)


# with the evidence


def a_pass(world: World, rollout: Rollout, *warnings: str, blocks: bool = True) -> Rollout:
    """A reading with these warnings; without ``blocks`` it brings nothing new."""
    world.advance(10)
    reading = world.metrics.read(rollout, Measure(rollout.evidence.cursor), world.versions)
    assert isinstance(reading, Reading)
    assert reading.blocks
    warned = replace(reading, warnings=warnings, blocks=reading.blocks if blocks else ())
    return decide(rollout, seen(world, route=world.gateway.observe(), reading=warned)).rollout


@pytest.mark.parametrize("judge", ["sequential", "threshold"])
def test_warnings_are_kept_through_every_weight_to_the_end(judge: str) -> None:
    world = at(Phase.PROGRESSING, judge=judge)
    world.records["fraud-1"] = a_pass(world, in_force(world), "3 counter resets", UNMEASURED.sentence)
    assert world.records["fraud-1"].evidence.warnings == (RESETS, UNMEASURED)
    reach(world, Phase.PROGRESSING, step=1)
    world.versions["v2"].bad["errors"] = BAD
    assert reach(world, Phase.ROLLED_BACK).evidence.warnings == (RESETS, UNMEASURED)


def test_a_reading_without_new_blocks_tells_nothing_twice() -> None:
    world = at(Phase.PROGRESSING)
    first = a_pass(world, in_force(world), "3 counter resets")
    again = a_pass(world, first, "3 counter resets", blocks=False)
    assert again.evidence.warnings == (RESETS,)
    assert a_pass(world, again, "1 counter resets").evidence.warnings == (Flaw("counter resets", 4),)


def test_a_new_weight_without_evidence_has_no_warnings() -> None:
    rollout = progressing()
    assert with_split(rollout, Split(release("v1"), release("v2"), 10)).evidence.warnings == ()


# where they are read


def test_serinus_why_has_a_line_for_each() -> None:
    rollout = progressing()
    several = (Flaw("counter resets", 1234), UNMEASURED)
    view = why_view(replace(rollout, evidence=replace(rollout.evidence, warnings=several)), EPOCH)
    told = ["counter resets: 1,234", UNMEASURED.sentence]
    assert json.loads(view.model_dump_json())["warnings"] == told
    console = Console(width=120, no_color=True, record=True, file=StringIO())
    console.print(tables.why(view, EPOCH, lambda remedy: remedy))
    shown = [line.split(maxsplit=1) for line in console.export_text().splitlines()]
    assert [rest.rstrip() for label, rest in filter(None, shown) if label == "warning"] == told


def test_measurements_without_a_flaw_have_no_line() -> None:
    assert why_view(progressing(), EPOCH).warnings == ()
