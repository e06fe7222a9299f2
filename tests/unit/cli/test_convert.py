"""``serinus convert``: what goes to which stream, how it ends, and what shells are offered."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from controller.cli.main import app
from tests.unit.cli.test_completing import in_bash
from tests.unit.cli.test_process import environment_of

GOLDEN = Path(__file__).parents[2] / "golden" / "convert"
CANARY = GOLDEN / "canary-01-fraud-detector.yaml"
QUERIES = GOLDEN / "canary-02-queries.yaml"
BLUE_GREEN = GOLDEN / "rollout-03-blue-green.yaml"
TWO = GOLDEN / "hostile-05-two-of-them.yaml"
HARMLESS = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: m, namespace: ml}
spec:
  targetRef: {kind: Deployment, name: m}
  service: {port: 80}
  analysis:
    interval: 1m
    stepWeight: 50
    maxWeight: 50
    metrics: [{name: request-success-rate, thresholdRange: {min: 99}}]
"""


def types(*words: str, stdin: bytes | str | None = None) -> Result:
    return CliRunner().invoke(app, ["convert", *words], input=stdin, prog_name="serinus")


def test_the_policy_alone_goes_to_standard_output_and_lint_takes_it(tmp_path: Path) -> None:
    result = types(str(CANARY))
    assert result.exit_code == 0
    policy = tmp_path / "m.yaml"
    policy.write_text(result.stdout)
    assert CliRunner().invoke(app, ["lint", str(policy)]).exit_code == 0
    *notes, counts = result.stderr.splitlines()
    assert all(note.startswith(f"{CANARY}:") for note in notes)
    assert counts == "not carried over: 2, changed: 7, assumed: 2"


def test_standard_input_is_a_file_too() -> None:
    result = types("-", stdin=CANARY.read_bytes())
    assert result.stdout == types(str(CANARY)).stdout
    assert result.stderr.startswith("stdin:9:3: spec.targetRef: changed: ")


def test_json_has_the_policy_and_every_note_with_its_place() -> None:
    result = types(str(CANARY), "-o", "json")
    found = json.loads(result.stdout)
    assert found["apiVersion"] == "serinus.dev/v1alpha1"
    assert found["policy"] == types(str(CANARY)).stdout
    assert result.stderr == "not carried over: 2, changed: 7, assumed: 2\n"
    threshold = next(note for note in found["notes"] if note["field"] == "spec.analysis.threshold")
    assert threshold == {
        "kind": "lost",
        "path": str(CANARY),
        "line": 22,
        "column": 5,
        "field": "spec.analysis.threshold",
        "message": "failed checks are not counted in all (5): every request is weighed",
        "suggestion": "judge: threshold with failures: 5 counts them in a row",
    }


def test_strict_ends_with_1_where_something_was_lost_and_prints_the_policy_all_the_same() -> None:
    lossy = types(str(CANARY), "--strict")
    assert (lossy.exit_code, lossy.stdout) == (1, types(str(CANARY)).stdout)
    assert types("-", "--strict", stdin=HARMLESS).exit_code == 0


def test_templates_may_lie_in_files_of_their_own(tmp_path: Path) -> None:
    canary, _, templates = QUERIES.read_text().partition("---\n")
    (tmp_path / "canary.yaml").write_text(canary)
    (tmp_path / "templates.yaml").write_text(templates)
    apart = types(
        str(tmp_path / "canary.yaml"), str(tmp_path / "templates.yaml"), "--version-label", "model_version"
    )
    assert apart.stdout == types(str(QUERIES), "--version-label", "model_version").stdout
    assert f"{tmp_path}/templates.yaml:5:32: spec.provider.address: changed" in apart.stderr


def test_the_shared_namespace_is_taken_for_an_object_without_one() -> None:
    text = HARMLESS.replace(", namespace: ml", "")
    assert "namespace: crm\n" in types("-", "-n", "crm", stdin=text).stdout
    assert "it names no namespace: default" in types("-", stdin=text).stderr
    assert "namespace: ml\n" in types("-", "-n", "crm", stdin=HARMLESS).stdout


@pytest.mark.parametrize(
    ("words", "stdin", "told"),
    [
        ([str(BLUE_GREEN)], None, "spec.strategy.blueGreen: blue/green moves all traffic at once"),
        ([str(TWO)], None, "choose one with --name NAME"),
        ([str(TWO), "--name", "three"], None, "none is called three; there are: Canary ml/one, Rollout two"),
        (["no-such-file.yaml"], None, "error: no-such-file.yaml cannot be read: no such file or directory"),
        (["/"], None, "cannot be read: is a directory"),
        (["-"], b"", "there is no Canary of flagger.app/v1beta1 and no Rollout of argoproj.io/v1alpha1"),
        (["-"], b"\xff\xfe\x00", "stdin:1:1: the file is not UTF-8"),
        (["-"], b"a: [", "stdin:1:5: the file ends in the middle"),
        (["-"], b"a: b\n" * 250_000, "larger than 1024 KiB"),
        (["-", "--version-label", 'a="b"'], b"", "letters, digits and _ only"),
        ([], None, "Missing argument"),
    ],
)
def test_where_there_is_no_policy_it_ends_with_2_and_says_why(
    words: list[str], stdin: bytes | None, told: str
) -> None:
    result = types(*words, stdin=stdin)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_shells_complete_it(tmp_path: Path) -> None:
    environment = environment_of(HOME=str(tmp_path), PATH=os.environ["PATH"])
    assert in_bash(environment, "conv") == ["convert"]
    assert in_bash(environment, "convert", "--vers") == ["--version-label"]
    assert in_bash(environment, "convert", "-o", "j") == ["json"]
