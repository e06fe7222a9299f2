"""`serinus notify test`: a sample to a real receiver, by the daemon's own settings."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.cli.main import app
from tests.receiver import Receiver, receiving

SETTINGS = """
policies_dir = "policies"
state_dir = "state"
envoy = {{folder = "xds", admin_url = "http://127.0.0.1:1"}}
prometheus = {{url = "http://127.0.0.1:2"}}

[destinations.audit]
url = "{url}T0KEN"
{more}
"""
ALLOWED = "private_addresses = true\nplain_http = true"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def settings(receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SERINUS_SETTINGS", "")  # restored afterwards; the command sets it
    monkeypatch.delenv("SERINUS_SETTINGS")
    file = tmp_path / "serinus.toml"
    file.write_text(SETTINGS.format(url=receiver.url, more=ALLOWED))
    return file


def notify(name: str, settings: Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["notify", "test", name, "--settings", str(settings)])
    assert "T0KEN" not in result.output
    return result.exit_code, result.stdout, result.stderr


def test_a_sample_is_sent_and_the_answer_told(receiver: Receiver, settings: Path) -> None:
    assert notify("audit", settings) == (0, "audit took the sample: the receiver answered 200\n", "")
    (event,) = receiver.events
    assert event["type"] == "dev.serinus.rollout.started.v1"
    assert event["data"]["message"] == "This is a test of the destination audit. No model is concerned."


def test_a_refusal_is_an_error(receiver: Receiver, settings: Path) -> None:
    receiver.status = 403
    code, out, err = notify("audit", settings)
    assert (code, out) == (1, "")
    assert "did not take the sample: the receiver answered 403; it would not be tried again" in err
    receiver.status = 503
    assert "answered 503; it would be tried again" in notify("audit", settings)[2]


def test_an_address_of_this_machine_must_be_allowed(receiver: Receiver, settings: Path) -> None:
    settings.write_text(SETTINGS.format(url=receiver.url, more="plain_http = true"))
    code, _, err = notify("audit", settings)
    assert code == 1
    assert "private_addresses" in err
    assert receiver.events == []


def test_a_name_that_is_not_there_gets_a_suggestion(settings: Path) -> None:
    code, _, err = notify("audi", settings)
    assert code == 1
    assert "the settings have no destination audi; did you mean audit?" in err
