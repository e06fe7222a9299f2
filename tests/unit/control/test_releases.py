"""Releases as people type them: one spelling for one endpoint, and only names get through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.control.errors import InvalidRequest
from controller.control.releases import parse_release


@pytest.mark.parametrize("version", ["v2", "2", "2026-11-23", "v1.2.3-rc_4", "A" * 64])
def test_versions_are_names(version: str) -> None:
    assert parse_release(version, ["h:1"]).version == version


@pytest.mark.parametrize(
    "version", ["", "-v2", "v2-", ".", "..", "a/b", "v 2", "v2\n", "ä", "A" * 65, "\x1b[31m"]
)
def test_what_is_no_name_is_refused(version: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a name") as refusal:
        parse_release(version, ["h:1"])
    assert refusal.value.message.isprintable()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("10.0.0.7:8080", "10.0.0.7:8080"),
        ("Model-A.ml.svc:080", "model-a.ml.svc:80"),
        ("[fd00:0:0::7]:8080", "[fd00::7]:8080"),
        ("localhost:65535", "localhost:65535"),
    ],
)
def test_an_endpoint_has_one_spelling(typed: str, kept: str) -> None:
    assert parse_release("v2", [typed]).endpoints == (kept,)


@pytest.mark.parametrize(
    "endpoint",
    [
        "", "h", "h:", ":80", "h:0", "h:65536", "h:-1", "h:http", "http://h:80", "h:80/path", "u@h:80",
        "fd00::7:80", "[fd00::7]", "[nope]:80", "256.0.0.1:80", "1.2.3:80", "-h:80", "h..x:80", "h:80 ",
        "h:80\n", "h\x1b:80", "x" * 254 + ":80",
    ],
)  # fmt: skip
def test_what_is_no_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_release("v2", [endpoint])
    assert refusal.value.message.isprintable()


def test_a_release_has_endpoints_each_once_and_not_too_many() -> None:
    assert len(parse_release("v2", [f"h:{port}" for port in range(1, 65)]).endpoints) == 64
    with pytest.raises(InvalidRequest, match="0 endpoints"):
        parse_release("v2", [])
    with pytest.raises(InvalidRequest, match="65 endpoints"):
        parse_release("v2", [f"h:{port}" for port in range(1, 66)])
    with pytest.raises(InvalidRequest, match="given twice"):
        parse_release("v2", ["H:80", "h:080"])


@given(st.text(), st.text())
def test_any_text_is_parsed_or_refused(version: str, endpoint: str) -> None:
    try:
        release = parse_release(version, [endpoint])
    except InvalidRequest:
        return
    assert parse_release(release.version, release.endpoints) == release
