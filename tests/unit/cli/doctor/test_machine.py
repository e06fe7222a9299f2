"""The doctor of one machine: the socket, and with settings all that they name. As the command prints it."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from typer.testing import CliRunner, Result

from controller.cli.main import app
from tests.unit.cli.test_commands import POLICY
from tests.unit.control.stage import Stage, progressing, serving

Answers = dict[str, tuple[int, object]]


@contextmanager
def answering(answers: Answers) -> Iterator[str]:
    """An HTTP server that answers each path so; Prometheus' queries as ``time`` and ``up``."""

    class Handler(BaseHTTPRequestHandler):
        told: ClassVar[Answers] = answers

        def do_GET(self) -> None:
            self._answer(self.path)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer("time" if "time%28%29" in body else "up")

        def _answer(self, path: str) -> None:
            status, body = self.told.get(path, (404, "nothing here"))
            content = body if isinstance(body, str) else json.dumps(body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def vector(value: str) -> tuple[int, object]:
    result = [{"metric": {}, "value": [0, value]}]
    return 200, {"status": "success", "data": {"resultType": "vector", "result": result}}


def scalar(seconds: float) -> tuple[int, object]:
    return 200, {"status": "success", "data": {"resultType": "scalar", "result": [seconds, str(seconds)]}}


EXTENSIONS = "x" * 120_000
"""As long as what a real Envoy says of them."""


class Machine:
    """Settings that name one server for everything, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: Answers = {
            "/readyz": (200, "ok\n"),
            "/server_info": (
                200,
                {"state": "LIVE", "version": "abc/1.39.3/Clean/RELEASE/BoringSSL", "node": EXTENSIONS},
            ),
            "up": vector("7"),
            "time": scalar(0),
        }

    def examined(self, *words: str, url: str, with_settings: bool = True, more: str = "") -> Result:
        (self.folder / "policies").mkdir(exist_ok=True)
        settings = self.folder / "settings.toml"
        host, _, port = url.removeprefix("http://").partition(":")
        settings.write_text(
            f'state_dir = "{self.folder}"\npolicies_dir = "{self.folder}/policies"\n'
            f'socket = "{self.folder}/sock"\nhttp_host = "{host}"\nhttp_port = {port}\n'
            f'[envoy]\nfolder = "{self.folder}"\nadmin_url = "{url}"\n[prometheus]\nurl = "{url}"\n'
            f"{more}"
        )
        typed = ["doctor", *(["--settings", str(settings)] if with_settings else []), *words]
        return CliRunner().invoke(app, typed, prog_name="serinus")


def outcomes(result: Result) -> dict[str, str]:
    return {each["check"]: each["outcome"] for each in json.loads(result.stdout)["items"]}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("SERINUS_SETTINGS", "")  # restored afterwards; the command sets it
    monkeypatch.delenv("SERINUS_SETTINGS")
    return Machine(tmp_path)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage()
    stage.begin(progressing())
    with serving(stage, tmp_path / "sock"):
        yield stage


def test_a_machine_that_is_well(machine: Machine, stage: Stage) -> None:
    (machine.folder / "policies").mkdir()
    (machine.folder / "policies" / "fraud.yaml").write_text(POLICY)
    machine.answers["time"] = scalar(time.time())
    with answering(machine.answers) as url:
        result = machine.examined(url=url)
    assert result.exit_code == 0, result.stdout
    assert result.stderr == ""
    assert "TO MEND" not in result.stdout
    for said in (
        "1 models have rollouts",
        "ready",
        "1 valid: fraud",
        "version 1.39.3, live",
        "7 targets are up",
    ):
        assert said in result.stdout


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("daemon", {"/readyz": (503, "store: the disk is full\n")}),
        ("envoy", {"/server_info": (200, {"state": "INITIALIZING", "version": "abc/1.39.3/Clean"})}),
        ("envoy", {"/server_info": (200, "<html>")}),
        ("prometheus", {"up": (200, {"status": "success", "data": {"resultType": "vector", "result": []}})}),
        ("prometheus", {"time": (503, "starting")}),
        ("clock", {"time": scalar(0)}),
    ],
)
def test_each_fault_is_found_and_exits_with_1(
    machine: Machine, stage: Stage, check: str, change: Answers
) -> None:
    (machine.folder / "policies").mkdir()
    (machine.folder / "policies" / "fraud.yaml").write_text(POLICY)
    machine.answers |= {"time": scalar(time.time()), **change}
    with answering(machine.answers) as url:
        result = machine.examined("-o", "json", url=url)
    assert result.exit_code == 1
    found = outcomes(result)
    assert [each for each, outcome in found.items() if outcome == "failed"] == [check]
    failed = next(each for each in json.loads(result.stdout)["items"] if each["outcome"] == "failed")
    assert failed["fix"]


def test_every_prometheus_of_the_settings_is_asked_and_one_that_policies_miss_is_told(
    machine: Machine, stage: Stage
) -> None:
    (machine.folder / "policies").mkdir()
    for model, server in (("fraud", "eu"), ("spam", "us"), ("churn", "us")):
        text = POLICY.replace("model: fraud", f"model: {model}").replace("/v2/models/fraud", f"/{model}")
        (machine.folder / "policies" / f"{model}.yaml").write_text(f"{text}\nprometheus: {server}\n")
    machine.answers["time"] = scalar(time.time())
    servers = (
        '[prometheus_servers.eu]\nurl = "http://127.0.0.1:9"\n'
        '[prometheus_servers.asia]\nurl = "http://127.0.0.1:9"\n'
        f'header_files = {{X-Key = "{machine.folder}/no"}}\n'
    )
    with answering(machine.answers) as url:
        result = machine.examined("-o", "json", url=url, more=servers)
    items = [each for each in json.loads(result.stdout)["items"] if each["check"] == "prometheus"]
    assert [each["outcome"] for each in items] == ["failed", "ok", "failed", "failed"]
    missing, _, dead, secret = (each["message"] for each in items)
    assert missing == "the settings have no Prometheus server of the name us, which is for churn, spam"
    assert dead == "the connection to Prometheus failed"
    assert "cannot be read: FileNotFoundError" in secret


def test_nobody_there_is_all_faults_and_names_are_what_failed(machine: Machine) -> None:
    (machine.folder / "policies").mkdir()
    (machine.folder / "policies" / "fraud.yaml").write_text(POLICY.replace("metrics:", "metrisc:"))
    result = machine.examined("-o", "name", url="http://127.0.0.1:9")
    assert result.exit_code == 1
    assert [line.partition("/")[0] for line in result.stdout.splitlines()] == [
        "socket",
        "daemon",
        "policy",
        "envoy",
        "prometheus",
    ]


def test_without_settings_only_the_socket_is_looked_at(machine: Machine, stage: Stage) -> None:
    socket = str(machine.folder / "sock")
    result = machine.examined("--socket", socket, "-o", "json", url="http://127.0.0.1:9", with_settings=False)
    assert result.exit_code == 0
    assert outcomes(result) == {"socket": "ok", "settings": "skipped"}


def test_settings_that_are_not_valid_are_the_finding(machine: Machine) -> None:
    file = machine.folder / "bad.toml"
    file.write_text("no_such = 1\n")
    result = CliRunner().invoke(app, ["doctor", "--settings", str(file), "-o", "json"], prog_name="serinus")
    assert result.exit_code == 1
    assert outcomes(result) == {"settings": "failed"}


@pytest.mark.parametrize("output", ["table", "wide", "json", "yaml", "name"])
def test_every_format_is_data_on_standard_output(machine: Machine, stage: Stage, output: str) -> None:
    result = machine.examined("-o", output, url="http://127.0.0.1:9")
    assert result.exit_code == 1
    assert result.stdout
    assert result.stderr == ""
    assert "\x1b" not in result.stdout
