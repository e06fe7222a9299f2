"""Prometheus' own tool takes the alert rules, and each alert fires when it should and not below its limit."""

import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.deploy.observability import RULE_TESTS, RULES, rules
from tests.deploy.rendering import Obj, program

pytestmark = pytest.mark.integration


def promtool(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        (program("promtool"), *words), capture_output=True, text=True, check=False, timeout=60
    )


def cases() -> list[Obj]:
    """Each single question of the tests: which alert, when, and what is expected."""
    tests = YAML(typ="safe", pure=True).load(RULE_TESTS.read_text(encoding="utf-8"))["tests"]
    return [case for test in tests for case in test["alert_rule_test"]]


def test_the_rules_are_valid() -> None:
    checked = promtool("check", "rules", str(RULES))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(rules())} rules found" in checked.stdout


def test_every_alert_fires_when_it_should_and_only_then() -> None:
    tested = promtool("test", "rules", str(RULE_TESTS))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_is_tested_both_ways() -> None:
    asked: dict[str, set[bool]] = defaultdict(set)
    for case in cases():
        asked[case["alertname"]].add(bool(case["exp_alerts"]))
    assert asked == {rule["alert"]: {True, False} for rule in rules()}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_a_rule_that_never_fires_would_be_noticed(rule: Obj, tmp_path: Path) -> None:
    text = RULE_TESTS.read_text(encoding="utf-8").replace(
        "../../deploy/helm/serinus/files/alerts.yaml", str(tmp_path / "alerts.yaml")
    )
    (tmp_path / "alerts.test.yaml").write_text(text)
    broken = [
        each | ({"expr": "vector(1) > 2"} if each["alert"] == rule["alert"] else {}) for each in rules()
    ]
    with (tmp_path / "alerts.yaml").open("w") as file:
        YAML().dump({"groups": [{"name": "serinus", "rules": broken}]}, file)
    assert promtool("test", "rules", str(tmp_path / "alerts.test.yaml")).returncode != 0
