"""Which policies are in force because of which files."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from controller.domain.policy import Policy
from controller.policy.catalogue import Catalogue
from controller.policy.folder import MOST_FILES, ROUNDS, Files, InForce, read_folder, same, settle
from controller.policy.loader import Faults
from controller.policy.source import UnreadableError

GOLDEN = "protocol: json\npath: /x\nrequests: [{name: a, body: {}}]\n"


class World:
    """A folder and what follows from reading it again and again."""

    def __init__(self, folder: Path, catalogue: Catalogue, text: str) -> None:
        self.folder = folder
        self._catalogue = catalogue
        self._text = text
        self.files: Files = {}
        self.in_force: InForce = {}
        self._problems: Mapping[str, Faults] = {}

    def write(self, name: str, model: str, more: str = "") -> None:
        (self.folder / name).write_text(self._text.replace("model: fraud-detector", f"model: {model}") + more)

    def read(self, look: int = 0) -> None:
        self.files = read_folder(self.folder, self._catalogue, self.files, look)
        self.in_force, self._problems = settle(self.folder, self.in_force, self.files)

    @property
    def policies(self) -> dict[str, str]:
        return {model: standing.name for model, standing in self.in_force.items()}

    @property
    def problems(self) -> dict[str, str]:
        return {Path(path).name: faults[0].message for path, faults in self._problems.items()}


@pytest.fixture
def world(tmp_path: Path, catalogue: Catalogue, policy_text: str) -> World:
    return World(tmp_path, catalogue, policy_text)


def test_only_policies_of_the_top_level_are_read(world: World) -> None:
    world.write("a.yaml", "a")
    world.write("b.yml", "b")
    for name in ("c.yaml.bak", ".d.yaml", "e.json", "f.golden.yaml"):
        (world.folder / name).write_text("not: a policy")
    (world.folder / "golden").mkdir()
    (world.folder / "golden" / "g.yaml").write_text("not: a policy")
    world.read()
    assert world.policies == {"a": "a.yaml", "b": "b.yml"}
    assert world.problems == {}


def test_a_broken_file_keeps_its_policy_in_force_and_touches_no_other(world: World) -> None:
    world.write("a.yaml", "a")
    world.write("b.yaml", "b")
    world.read()
    before = world.in_force["a"].policy
    (world.folder / "a.yaml").write_text("model: [")
    world.write("b.yaml", "b", "bake: 1h\n")
    world.read()
    assert world.in_force["a"].policy is before
    assert world.in_force["b"].policy.bake.total_seconds() == 3600
    assert list(world.problems) == ["a.yaml"]


def test_a_repaired_file_is_in_force_again(world: World) -> None:
    world.write("a.yaml", "a")
    world.read()
    (world.folder / "a.yaml").write_text("")
    world.read()
    world.write("a.yaml", "a", "bake: 1h\n")
    world.read()
    assert world.in_force["a"].policy.bake.total_seconds() == 3600
    assert world.problems == {}


def test_a_deleted_file_keeps_its_policy_in_force_and_is_told(world: World) -> None:
    world.write("a.yaml", "a")
    world.read()
    (world.folder / "a.yaml").unlink()
    world.read()
    assert world.policies == {"a": "a.yaml"}
    assert world.problems == {"a.yaml": "the file is gone; the last good policy of a stays in force"}


def test_a_renamed_file_goes_on(world: World) -> None:
    world.write("a.yaml", "a")
    world.read()
    (world.folder / "a.yaml").rename(world.folder / "z.yaml")
    world.read()
    assert (world.policies, world.problems) == ({"a": "z.yaml"}, {})


def test_an_unreadable_file_keeps_its_policy_in_force(world: World) -> None:
    world.write("a.yaml", "a")
    world.read()
    (world.folder / "a.yaml").unlink()
    (world.folder / "a.yaml").symlink_to("/etc/hostname")
    world.read()
    assert world.policies == {"a": "a.yaml"}
    assert world.problems == {"a.yaml": "the file leads outside the folder of the policy"}


def test_a_second_file_for_a_model_is_told_and_the_first_stays(world: World) -> None:
    world.write("b.yaml", "x")
    world.read()
    world.write("a.yaml", "x", "bake: 1h\n")
    world.read()
    assert world.policies == {"x": "b.yaml"}
    assert world.in_force["x"].policy.bake.total_seconds() == 600
    assert world.problems == {
        "a.yaml": "b.yaml claims model x as well; the policy of b.yaml stays in force",
        "b.yaml": "a.yaml claims model x as well; the policy of b.yaml stays in force",
    }
    (world.folder / "b.yaml").unlink()
    world.read()
    assert (world.policies, world.problems) == ({"x": "a.yaml"}, {})


def test_two_files_for_a_model_from_the_start_are_both_refused(world: World) -> None:
    world.write("a.yaml", "x")
    world.write("b.yaml", "x")
    world.read()
    assert world.policies == {}
    assert set(world.problems) == {"a.yaml", "b.yaml"}


def test_a_file_that_is_broken_for_a_moment_does_not_lose_its_model(world: World) -> None:
    world.write("a.yaml", "x")
    world.read()
    (world.folder / "a.yaml").write_text("model: x\n")
    world.write("b.yaml", "x")
    world.read()
    assert world.policies == {"x": "a.yaml"}
    assert set(world.problems) == {"a.yaml", "b.yaml"}


def test_a_file_that_turns_to_another_model_leaves_the_first_in_force(world: World) -> None:
    world.write("a.yaml", "x")
    world.read()
    world.write("a.yaml", "y")
    world.read()
    assert world.policies == {"x": "a.yaml", "y": "a.yaml"}
    assert world.problems == {
        "a.yaml": "the file is no longer for model x; the last good policy of x stays in force"
    }


def test_a_file_in_conflict_does_not_hold_back_the_model_it_left(world: World) -> None:
    world.write("a.yaml", "y")
    world.read()
    world.write("a.yaml", "x")
    world.write("b.yaml", "x")
    world.write("c.yaml", "y", "bake: 1h\n")
    world.read()
    assert world.policies == {"y": "c.yaml"}
    assert set(world.problems) == {"a.yaml", "b.yaml"}


def test_a_changed_golden_file_makes_another_policy(world: World) -> None:
    world.write("a.yaml", "a", "validation: {golden: a.json}\n")
    (world.folder / "a.json").write_text(GOLDEN)
    world.read()
    before = world.in_force["a"].policy
    world.read()
    assert world.in_force["a"].policy is before
    (world.folder / "a.json").write_text(GOLDEN + "timeout: 1s\n")
    world.read()
    assert world.in_force["a"].policy.digest != before.digest
    (world.folder / "a.json").write_text("broken: true")
    world.read()
    assert isinstance(world.files["a.yaml"].result, tuple)
    (world.folder / "a.json").write_text(GOLDEN)
    world.read()
    assert world.in_force["a"].policy == before


def test_files_that_did_not_change_are_not_parsed_again(world: World) -> None:
    world.write("a.yaml", "a")
    (world.folder / "b.yaml").write_text("broken")
    world.read()
    before = dict(world.files)
    world.read()
    assert all(world.files[name].result is before[name].result for name in before)


def test_a_folder_with_too_many_files_is_refused_whole(world: World, catalogue: Catalogue) -> None:
    for number in range(MOST_FILES + 1):
        (world.folder / f"{number}.yaml").touch()
    with pytest.raises(UnreadableError, match="more than 10000 policy files"):
        read_folder(world.folder, catalogue, {})


def test_a_folder_that_is_gone_is_told(world: World, catalogue: Catalogue) -> None:
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_folder(world.folder / "none", catalogue, {})


def test_the_policies_in_force_are_policies(world: World) -> None:
    world.write("a.yaml", "a")
    world.read()
    assert all(isinstance(standing.policy, Policy) for standing in world.in_force.values())


def settled(world: World) -> Files:
    """The file ``a.yaml``, seen to be the same twice."""
    for _ in range(3):
        world.read(look=1)
    assert world.files["a.yaml"].settled
    return world.files


def test_a_file_that_the_file_system_shows_to_be_the_same_is_not_read_again(world: World) -> None:
    world.write("a.yaml", "a")
    before = settled(world)
    world.read(look=1)
    assert world.files["a.yaml"] is before["a.yaml"]
    assert same(world.files, before)


def test_an_edit_of_a_settled_file_is_read(world: World) -> None:
    world.write("a.yaml", "a")
    before = settled(world)
    world.write("a.yaml", "b")
    world.read(look=1)
    assert world.policies == {"a": "a.yaml", "b": "a.yaml"}
    assert not same(world.files, before)


def test_an_edit_that_the_file_system_does_not_show_is_read_within_the_rounds(world: World) -> None:
    world.write("a.yaml", "a")
    state = settled(world)["a.yaml"]
    result = world.files["a.yaml"].result
    world.files = {"a.yaml": replace(state, digest="of what was there before", result=())}
    world.read(look=1)
    assert world.files["a.yaml"].result == ()
    for look in range(ROUNDS):
        world.read(look)
    assert world.files["a.yaml"].result == result


def test_an_edit_right_after_the_first_read_is_seen_even_if_it_has_the_same_signature(world: World) -> None:
    world.write("a.yaml", "a")
    world.read(look=1)
    world.read(look=1)
    state = world.files["a.yaml"]
    assert not state.settled, "one signature was taken, and none before it"
    world.files = {"a.yaml": replace(state, digest="of what was there before", result=())}
    world.read(look=1)
    assert isinstance(world.files["a.yaml"].result, Policy)


def test_an_edit_of_a_settled_policys_golden_file_is_read(world: World) -> None:
    (world.folder / "a.golden.yaml").write_text(GOLDEN)
    world.write("a.yaml", "a", "validation: {golden: a.golden.yaml}\n")
    settled(world)
    assert world.problems == {}
    (world.folder / "a.golden.yaml").write_text("protocol: carrier pigeon\n")
    world.read(look=1)
    assert "a.yaml" in world.problems


def test_a_file_that_comes_or_goes_is_no_longer_the_same(world: World) -> None:
    world.write("a.yaml", "a")
    before = settled(world)
    world.write("b.yaml", "b")
    world.read(look=1)
    assert not same(world.files, before)
    (world.folder / "b.yaml").unlink()
    more = world.files
    world.read(look=1)
    assert not same(world.files, more)
