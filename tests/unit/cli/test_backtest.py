"""The backtest as a person types it, against a Prometheus of our own."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from controller.adapters.metrics.packs import built_in_packs
from controller.adapters.metrics.versions import version_query
from controller.cli.backtest.injecting import InjectionError, parse_injection
from controller.cli.main import app
from controller.domain.backtest.regressions import Regression
from controller.domain.policy import Check, CheckKind
from tests.deploy.shell_blocks import script
from tests.deploy.terminal import Terminal
from tests.unit.metrics.test_past import recorded
from tests.unit.metrics.test_prometheus_source import Play, Prometheus, always, serving, success

POLICY = """
model: fraud
namespace: ml
route: {envoy: /v2/models/fraud}
metrics: envoy
steps: [{weight: 10%, for: 2m}, {weight: 50%, for: 2m}]
bake: 2m
judge: threshold
checks:
  errors: {max: 3%, worse_by: 2pp}
  latency_p99: {max: 500ms}
"""
ERRORS = Check("errors", CheckKind.RATIO, max=0.01)
LATENCIES = tuple(
    Check(f"latency_p{rank}", CheckKind.QUANTILE, max=0.5, quantile=rank / 100) for rank in (50, 99)
)
QUEUE = Check("queue", CheckKind.GAUGE, max=10)
CHECKS = (ERRORS, *LATENCIES, QUEUE)


def known(*versions: str) -> Prometheus:
    prometheus = recorded()
    query = version_query(built_in_packs()["envoy"], "fraud", timedelta(hours=1))
    assert query is not None
    rows = [{"metric": {"envoy_cluster_name": f"fraud@{name}"}, "value": [1, "9"]} for name in versions]
    prometheus.gauges[query] = success("vector", rows)
    return prometheus


class Desk:
    """A policy file, a Prometheus, and somebody who types."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "fraud.yaml"
        self.file.write_text(POLICY)
        self.prometheus: Play = known("v1")

    def types(self, *words: str, **environment: str) -> Result:
        with serving(self.prometheus) as url:
            line = ["backtest", str(self.file), "--prometheus", url, *words]
            return CliRunner().invoke(app, line, env=environment, prog_name="serinus")

    def report(self, *words: str) -> dict[str, object]:
        result = self.types("--since", "4h", "--rollouts", "4", "-o", "json", *words)
        assert result.exit_code == 0, result.stderr
        answer: dict[str, object] = json.loads(result.stdout)
        return answer


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_good_version_and_a_worse_one(desk: Desk) -> None:
    report = desk.report("--inject", "errors=+20pp", "--inject", "latency=x10")
    assert (report["model"], report["version"], report["judge"]) == ("fraud", "v1", "threshold")
    assert report["requests_per_second"] == pytest.approx(40, rel=0.01)
    scenarios = report["scenarios"]
    assert isinstance(scenarios, list)
    good, errors, slow = scenarios
    assert (good["regression"], good["promoted"], good["rolled_back"]) == (None, 4, 0)
    assert good["seconds_to_promote"]["median"] >= 240
    assert good["seconds_to_detect"] is None
    for worse, name in ((errors, "errors=+20pp"), (slow, "latency=x10")):
        assert (worse["regression"], worse["rolled_back"]) == (name, 4)
        assert worse["bad_requests"]["median"] > 0
        assert worse["seconds_to_detect"]["p95"] < 240
        assert worse["reasons"] == {"CheckFailed": 4}


def test_the_command_of_the_page(desk: Desk) -> None:
    """Typed as it stands there, but for the address of Prometheus."""
    with serving(desk.prometheus) as url:
        commands = script("docs/how-to/backtest.md").replace("http://127.0.0.1:9090", url)
        terminal = Terminal(desk.file.parent)
        said = terminal.run(commands)
    assert "as good as stable  20        20" in said
    assert "latency=x3" in said


def test_the_same_line_gives_the_same_answer(desk: Desk) -> None:
    inject = ("--inject", "errors=x5")
    assert desk.report(*inject) == desk.report(*inject)
    assert desk.report(*inject) != desk.report("--seed", "2", *inject)


@pytest.mark.parametrize("output", ["table", "wide", "yaml", "name"])
def test_every_format_and_nothing_else_on_standard_output(desk: Desk, output: str) -> None:
    result = desk.types("--since", "3h", "--rollouts", "2", "--inject", "errors=+20pp", "-o", output)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "errors=+20pp" in result.stdout
    assert "\x1b" not in result.stdout
    if output == "table":
        assert "as good as stable" in result.stdout
        assert "2 (34.2% to 100.0%)" in result.stdout


def test_the_busiest_of_several_versions_is_replayed_and_told(desk: Desk) -> None:
    desk.prometheus = known("v1", "v2")
    result = desk.types("--since", "3h", "--rollouts", "1")
    assert result.exit_code == 0
    assert result.stderr == "replays v1, the busiest of v1, v2; --stable names another\n"


def test_a_gauge_is_not_replayed_and_told(desk: Desk) -> None:
    desk.file.write_text(POLICY + "  queue: {query: 'queue{b=\"$backend\"}', max: 10}\n")
    result = desk.types("--since", "3h", "--rollouts", "1")
    assert "not replayed, because the past does not tell them: queue" in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--since", "soon"), 2, "--since: soon is not a duration"),
        (("--inject", "errors"), 2, "--inject: errors is no regression"),
        (("--since", "30m"), 2, "needs a past of at least 1h"),
        (("--stable", "v7"), 1, "no requests of version v7"),
        (("--rollouts", "0"), 2, "--rollouts"),
    ],
)
def test_what_cannot_be_done_is_told(desk: Desk, words: tuple[str, ...], code: int, message: str) -> None:
    result = desk.types(*words)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert result.stdout == ""


def test_a_policy_that_is_not_valid_is_not_replayed(desk: Desk) -> None:
    desk.file.write_text(POLICY.replace("errors", "erors"))
    result = desk.types()
    assert result.exit_code == 2
    assert "erors" in result.stdout


def test_a_policy_without_anything_to_count_is_not_replayed(desk: Desk) -> None:
    gauge = "checks:\n  queue: {query: 'queue{b=\"$backend\"}', max: 10}\n"
    desk.file.write_text(POLICY.split("checks:", maxsplit=1)[0] + gauge)
    result = desk.types()
    assert result.exit_code == 2
    assert "nothing to replay" in result.stderr


def test_a_prometheus_that_does_not_answer(desk: Desk) -> None:
    desk.prometheus = always(b"", 503)
    result = desk.types()
    assert result.exit_code == 1
    assert result.stderr == "error: Prometheus answered HTTP 503\n"


def test_without_settings_prometheus_must_be_named(desk: Desk) -> None:
    result = CliRunner().invoke(app, ["backtest", str(desk.file)], prog_name="serinus")
    assert result.exit_code == 2
    assert "--prometheus URL" in result.stderr


def test_the_policy_s_own_prometheus_is_asked(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERINUS_SETTINGS", "")  # restored afterwards; the command sets it
    desk.file.write_text(f"{POLICY}prometheus: eu\n")
    file = tmp_path / "settings.toml"
    usual = f'state_dir = "{tmp_path}"\npolicies_dir = "{tmp_path}"\n[envoy]\nfolder = "{tmp_path}"\n'
    usual += 'admin_url = "http://127.0.0.1:9"\n[prometheus]\nurl = "http://127.0.0.1:9"\n'
    line = ["backtest", str(desk.file), "--settings", str(file), "--since", "2h", "--rollouts", "1"]
    with serving(desk.prometheus) as url:
        file.write_text(f'{usual}[prometheus_servers.eu]\nurl = "{url}"\n')
        asked = CliRunner().invoke(app, line, prog_name="serinus")
        file.write_text(usual)
        missing = CliRunner().invoke(app, line, prog_name="serinus")
    assert asked.exit_code == 0, asked.stderr
    assert missing.exit_code == 1
    assert "the settings have no Prometheus server of the name eu" in missing.stderr


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("errors=+1pp", Regression("errors=+1pp", frozenset({"errors"}), points=0.01)),
        ("errors=x3", Regression("errors=x3", frozenset({"errors"}), factor=3)),
        ("latency=x1.5", Regression("latency=x1.5", frozenset({"latency_p50", "latency_p99"}), factor=1.5)),
        ("latency_p99=+50ms", Regression("latency_p99=+50ms", frozenset({"latency_p99"}), seconds=0.05)),
    ],
)
def test_regressions(text: str, wanted: Regression) -> None:
    assert parse_injection(text, CHECKS) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "errors",
        "errors=",
        "errors=1pp",
        "errors=x1",
        "errors=x0.5",
        "errors=+0pp",
        "errors=+50ms",
        "errors=+101pp",
        "errors=-1pp",
        "latency=+1pp",
        "latency=+0s",
        "latency=2",
        "queue=x2",
        "late=x2",
        "=x2",
        "",
    ],
)
def test_what_is_no_regression(text: str) -> None:
    with pytest.raises(InjectionError):
        parse_injection(text, CHECKS)
