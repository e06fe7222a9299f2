"""The API's settings: nobody is ever answered without a token, and what cannot work is refused."""

from pathlib import Path

import pytest

from controller.errors import TargetError
from controller.settings import Settings, load_settings

MACHINE = {
    "SERINUS_STATE_DIR": "state",
    "SERINUS_ENVOY__FOLDER": "envoy",
    "SERINUS_ENVOY__ADMIN_URL": "http://127.0.0.1:1",
}
CLUSTER = {
    "SERINUS_KUBERNETES__NAMESPACES": '["ml"]',
    "SERINUS_KUBERNETES__LEASE_NAMESPACE": "serinus",
    "SERINUS_KUBERNETES__IDENTITY": "a",
    "SERINUS_KUBERNETES__FEATURES": '["api"]',
}


def loaded(monkeypatch: pytest.MonkeyPatch, **settings: str) -> Settings:
    for name, value in {
        "SERINUS_POLICIES_DIR": "p",
        "SERINUS_PROMETHEUS__URL": "http://p",
        **settings,
    }.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_it_is_off_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch, **MACHINE).api is None


def test_it_is_on_loopback_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    api = loaded(monkeypatch, **MACHINE, SERINUS_API__TOKEN_FILE="tokens").api
    assert api is not None
    assert (api.host, api.port, api.token_file) == ("127.0.0.1", 9180, Path("tokens"))
    api = loaded(monkeypatch, SERINUS_API__PUBLIC_URL="https://a.b/").api
    assert api is not None
    assert api.public_url == "https://a.b"


def test_in_a_cluster_tokens_are_made_for_us(monkeypatch: pytest.MonkeyPatch) -> None:
    api = loaded(monkeypatch, **CLUSTER, SERINUS_API__PORT="9180").api
    assert api is not None
    assert api.audience == "serinus"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({**MACHINE, "SERINUS_API__PORT": "9180"}, "needs a token_file"),
        ({**MACHINE, "SERINUS_API__HOST": "0.0.0.0"}, "needs a token_file"),
        ({**CLUSTER, "SERINUS_API__TOKEN_FILE": "tokens"}, "remove the api's token_file"),
        ({**CLUSTER, "SERINUS_KUBERNETES__FEATURES": "[]", "SERINUS_API__PORT": "1"}, "the feature api"),
        ({**CLUSTER, "SERINUS_API__PUBLIC_URL": "https://a.b/path"}, "without a path"),
        ({**CLUSTER, "SERINUS_API__ALLOWED_ORIGINS": '["*"]'}, "without a path"),
        ({**CLUSTER, "SERINUS_API__AUDIENCE": ""}, "audience"),
        ({**CLUSTER, "SERINUS_API__TLS": "on"}, "tls"),
    ],
)
def test_what_cannot_work_is_refused(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], words: str
) -> None:
    with pytest.raises(TargetError, match=words):
        loaded(monkeypatch, **settings)
