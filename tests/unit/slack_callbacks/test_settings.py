"""What an operator may write about the buttons."""

from typing import Any

import pytest

from controller.errors import TargetError
from controller.settings import Settings, load_settings
from controller.slack_settings import SlackUserSettings

MACHINE = {
    "SERINUS_STATE_DIR": "/s",
    "SERINUS_POLICIES_DIR": "/p",
    "SERINUS_ENVOY__FOLDER": "/e",
    "SERINUS_ENVOY__ADMIN_URL": "http://a",
    "SERINUS_PROMETHEUS__URL": "http://p",
}
CLUSTER = {
    "SERINUS_POLICIES_DIR": "/p",
    "SERINUS_PROMETHEUS__URL": "http://p",
    "SERINUS_KUBERNETES__NAMESPACES": '["ml"]',
    "SERINUS_KUBERNETES__LEASE_NAMESPACE": "serinus",
    "SERINUS_KUBERNETES__IDENTITY": "a",
}
SLACK = {
    "SERINUS_DESTINATIONS__TEAM__KIND": "slack",
    "SERINUS_DESTINATIONS__TEAM__CHANNEL": "#ml",
    "SERINUS_DESTINATIONS__TEAM__TOKEN_FILE": "/t",
}
SECRET = {"SERINUS_SLACK_CALLBACKS__SIGNING_SECRET_FILE": "/secret"}
USERS = "SERINUS_SLACK_CALLBACKS__USERS"


def loaded(monkeypatch: pytest.MonkeyPatch, *parts: dict[str, str]) -> Settings:
    for part in parts:
        for name, value in part.items():
            monkeypatch.setenv(name, value)
    return load_settings()


def test_they_are_off_unless_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch, MACHINE, SLACK).slack_callbacks is None


@pytest.mark.parametrize(
    "users",
    [
        {f"{USERS}__U012AB3CD__NAME": "ann@example.com", f"{USERS}__U012AB3CD__GROUPS": '["ml"]'},
        {USERS: '{"U012AB3CD": {"name": "ann@example.com", "groups": ["ml"]}}'},
    ],
)
def test_users_are_named_in_the_environment_by_their_ids(
    monkeypatch: pytest.MonkeyPatch, users: dict[str, str]
) -> None:
    found = loaded(monkeypatch, MACHINE, SLACK, SECRET, users).slack_callbacks
    assert found is not None
    assert found.users == {"U012AB3CD": SlackUserSettings(name="ann@example.com", groups=("ml",))}
    assert (found.host, found.port) == ("127.0.0.1", 9179)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([MACHINE, SECRET], "need a destination of kind slack"),
        ([MACHINE, SLACK, {"SERINUS_SLACK_CALLBACKS__PORT": "9179"}], "signing_secret_file: Field required"),
        ([MACHINE, SLACK, SECRET, {"SERINUS_SLACK_CALLBACKS__PORT": "70000"}], "slack_callbacks.port"),
        ([MACHINE, SLACK, SECRET, {f"{USERS}__ANN__NAME": "ann"}], "'ann' is no id of a Slack user"),
        ([MACHINE, SLACK, SECRET, {f"{USERS}__U1A__NAME": ""}], "users.u1a.name"),
        ([MACHINE, SLACK, SECRET, {f"{USERS}__U1A__NAME": "a" * 101}], "at most 100"),
        ([MACHINE, SLACK, SECRET, {f"{USERS}__U1A__NAME": "ann\x1b[2J"}], "that can be printed"),
        ([MACHINE, SLACK, SECRET, {f"{USERS}__U1A__GROUPS": '["ml"]'}], "name: Field required"),
        ([MACHINE, SLACK, SECRET, {f"{USERS}__U1A": '{"name": "a", "role": "b"}'}], "role"),
        (
            [MACHINE, SLACK, SECRET, {USERS: '{"U1A": {"name": "a"}, "u1a": {"name": "b"}}'}],
            "named twice",
        ),
        ([CLUSTER, SLACK, SECRET], "need the feature slackCallbacks"),
    ],
)
def test_what_cannot_work_is_said(monkeypatch: pytest.MonkeyPatch, parts: list[Any], words: str) -> None:
    with pytest.raises(TargetError) as refused:
        loaded(monkeypatch, *parts)
    assert words in str(refused.value)


def test_a_cluster_needs_the_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    feature = {"SERINUS_KUBERNETES__FEATURES": '["slackCallbacks"]'}
    assert loaded(monkeypatch, CLUSTER, SLACK, SECRET, feature).slack_callbacks is not None
