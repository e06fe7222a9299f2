"""Checks of what a model answers: golden requests, evaluations, drifts of histograms."""

from datetime import timedelta
from pathlib import Path

import pytest

from controller.adapters.registry import catalogue
from controller.domain.policy import Check, CheckKind, Policy
from controller.domain.trials import Sampling
from controller.policy.loader import beside, parse_policy

KNOWN = catalogue()
LABELS = """
protocol: json
path: /predict
requests:
  - {name: one, body: {x: 1}, expect: {numbers: {at: y, equals: 1}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "labels.golden.yaml").write_text(LABELS)
    return tmp_path


def parsed(folder: Path, checks: str, metrics: str = "vllm") -> Policy | list[str]:
    text = f"model: chat\nroute: {{httpRoute: chat}}\nmetrics: {metrics}\nsteps: [1%]\nchecks: {{{checks}}}\n"
    found = parse_policy(text.encode(), "x.yaml", KNOWN, beside(folder))
    return found if isinstance(found, Policy) else [f"{f.field}: {f.sentence}" for f in found]


def check(folder: Path, text: str) -> Check:
    found = parsed(folder, text)
    assert isinstance(found, Policy), found
    return found.checks[0]


def test_golden_requests_are_a_score(folder: Path) -> None:
    found = check(folder, "accuracy: {golden: labels.golden.yaml, min: 92%, worse_by: 2pp, every: 30s}")
    assert found.kind is CheckKind.SCORE
    assert (found.min, found.worse_by_points, found.max) == (0.92, 0.02, None)
    assert found.sampling == Sampling("labels.golden.yaml", "", timedelta(seconds=30), 50, 200)


def test_an_evaluation_has_defaults_of_its_own(folder: Path) -> None:
    found = check(folder, "helpful: {evaluation: answer-desk, min: 90%}")
    assert found.sampling == Sampling("", "answer-desk", timedelta(minutes=10), 0, 20)
    assert found.relative is False


@pytest.mark.parametrize(
    ("text", "measure", "query"),
    [
        ("output_tokens_drift: {psi: 0.2}", "output_tokens", None),
        ("ttft_drift: {psi: 0.2}", "ttft", None),
        ("latency_drift: {psi: 0.2}", "", None),
        (
            "scores: {psi: 0.2, histogram: 'score_bucket{v=\"$version\"}'}",
            "",
            'score_bucket{v="$version"}',
        ),
    ],
)
def test_a_drift_is_of_any_histogram(folder: Path, text: str, measure: str, query: str | None) -> None:
    found = check(folder, text)
    assert (found.kind, found.max, found.measure, found.query) == (CheckKind.PSI, 0.2, measure, query)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: {golden: nowhere.yaml, min: 9%}", "checks.a.golden: the file does not exist"),
        ("a: {golden: ../labels.golden.yaml, min: 9%}", "checks.a.golden: "),
        ("a: {evaluation: desk}", "checks.a: the check has no limit"),
        ("a: {evaluation: desk, min: 9%, every: 9s}", "checks.a.every: 9s is shorter than 10s"),
        ("a: {golden: labels.golden.yaml, min: 9%, requests: 0}", "checks.a.requests: 0 is below 1"),
        ("a: {golden: labels.golden.yaml, min: 9%, failures: 3}", "checks.a.failures: unknown key"),
        ("errors: {evaluation: desk, min: 9%}", "checks.errors: errors is the name of another check"),
        ("queue: {evaluation: desk, min: 9%}", "checks.queue: queue is the name of another check"),
        ("a_drift: {psi: 0.2}", "checks.a_drift: a_drift is not measured by the metrics pack"),
        ("ttft_drift: {psi: 0}", "checks.ttft_drift.psi: 0 is not a stability index"),
        ("ttft_drift: {max: 0.2}", "checks.ttft_drift"),
    ],
)
def test_what_cannot_be_meant_is_told(folder: Path, text: str, fault: str) -> None:
    found = parsed(folder, text)
    assert isinstance(found, list), found
    assert found[0].startswith(fault), found


def test_a_pack_without_the_histogram_says_so(folder: Path) -> None:
    found = parsed(folder, "output_tokens_drift: {psi: 0.2}", "triton")
    assert isinstance(found, list)
    assert "is not measured by the metrics pack triton and has no histogram" in found[0]


def test_a_faulty_golden_file_is_a_fault_of_the_policy(folder: Path) -> None:
    (folder / "bad.yaml").write_text("protocol: json\npath: /x\nrequests: []\n")
    found = parsed(folder, "a: {golden: bad.yaml, min: 9%}, b: {golden: bad.yaml, min: 8%}")
    assert found == ["requests: the list is empty"]


def test_the_digest_knows_the_golden_files(folder: Path) -> None:
    text = "a: {golden: labels.golden.yaml, min: 9%}"
    one = parsed(folder, text)
    (folder / "labels.golden.yaml").write_text(LABELS.replace("equals: 1", "equals: 2"))
    other = parsed(folder, text)
    assert isinstance(one, Policy)
    assert isinstance(other, Policy)
    assert one.digest != other.digest
