"""`serinus diff`: which two rollouts are meant, what is printed, and what cannot be compared."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.cli.comparing import rollout_before
from controller.domain.vocabulary import Phase, Reason
from tests.unit.cli.cluster_stage import a_cluster
from tests.unit.cli.test_commands import ESCAPES, Terminal
from tests.unit.control.stage import Stage, ended, progressing, serving


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    stage = Stage()
    stage.begin(ended(Phase.SUCCEEDED, Reason.PROMOTED, "v2", 1))
    stage.begin(ended(Phase.ROLLED_BACK, Reason.CHECK_FAILED, "v3", 2))
    stage.begin(progressing("v4", 3))
    with serving(stage, tmp_path / "s" / "serinus.sock") as path:
        yield Terminal(stage, path)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("fraud",), "fraud-2\nfraud-3\n"),
        (("fraud-2",), "fraud-1\nfraud-2\n"),
        (("fraud-3", "fraud-1"), "fraud-3\nfraud-1\n"),
        (("fraud-1", "fraud"), "fraud-1\nfraud-3\n"),
        (("fraud-1", "fraud-1"), "fraud-1\nfraud-1\n"),
    ],
    ids=" ".join,
)
def test_which_two_are_compared(terminal: Terminal, words: tuple[str, ...], names: str) -> None:
    result = terminal.types("diff", *words, "-o", "name")
    assert (result.exit_code, result.stdout, result.stderr) == (0, names, "")


def test_a_line_for_each_field_that_differs(terminal: Terminal) -> None:
    lines = terminal.types("diff", "fraud-1", "fraud-2").stdout.splitlines()
    assert lines[0].split() == ["FIELD", "fraud-1", "(v2)", "fraud-2", "(v3)"]
    assert ["version.version", "v2", "v3"] in [line.split() for line in lines]
    assert ["policy", "same", "same"] in [line.split() for line in lines]
    assert ["outcome.phase", "Succeeded", "RolledBack"] in [line.split() for line in lines]
    assert not any(line.startswith("version.stable") for line in lines)
    assert "same: version.stable, " in terminal.types("diff", "fraud-1", "fraud-2", "-o", "wide").stdout


def test_every_format_is_plain_and_the_exit_code_is_0_whether_or_not_they_differ(terminal: Terminal) -> None:
    for words in (("fraud",), ("fraud-1", "fraud-1")):
        for output in ("table", "wide", "json", "yaml", "name"):
            result = terminal.types("diff", *words, "-o", output)
            assert (result.exit_code, result.stderr) == (0, "")
            assert not ESCAPES.search(result.stdout)
    assert json.loads(terminal.types("diff", "fraud", "-o", "json").stdout)["after"]["rollout"] == "fraud-3"


def test_the_first_rollout_has_nothing_before_it(terminal: Terminal) -> None:
    result = terminal.types("diff", "fraud-1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "error: fraud has no rollout before fraud-1 to compare it with",
        "try:   serinus diff fraud-1 OTHER",
    ]


def test_in_a_cluster_the_one_before_is_found_in_its_namespace() -> None:
    with a_cluster() as cluster:
        cluster.begin("fraud-v2", ordinal=1)
        cluster.begin("fraud-v3", ordinal=2)
        cluster.begin("fraud-v9", ordinal=3, namespace="other")
        for client, place in ((cluster.client(), ""), (cluster.client(namespace=None), "ml/")):
            status = client.status(f"{place}fraud-v3")
            assert rollout_before(client, status, f"{place}fraud-v3") == f"{place}fraud-v2"
