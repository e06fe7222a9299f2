"""What a notification is made of: its text, its signature's keys, the waits between repeats."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.notify.delivery import back_off, retry_after
from controller.adapters.notify.message import message_body
from controller.adapters.notify.signature import read_secrets
from controller.domain.judge.base import Assessment
from controller.domain.model import Entry, Rollout
from controller.domain.policy import Policy, RouteRef
from controller.domain.release import Release
from controller.domain.vocabulary import Phase, Reason, Verdict

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("content", ["", "not base64!", "whsec_", "AAAA\n\xe4"])
def test_a_secret_file_without_a_key_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret").write_text(content)
    with pytest.raises(ValueError, match="base64 keys"):
        read_secrets(tmp_path / "secret")


@given(st.text(), st.text())
def test_no_text_becomes_a_mention_a_link_or_a_second_line(message: str, model: str) -> None:
    name = model.replace("\n", "")
    policy = Policy(name, "ml", RouteRef("envoy", "/f"), "envoy", steps=(), checks=())
    rollout = Rollout("r-1", name, Release("v2", ()), policy, NOW, "ann")
    phases = (Phase.PROGRESSING, Phase.ROLLING_BACK)
    assessment = Assessment(Verdict.FAIL)
    entry = Entry(7, NOW, "ann", "told", *phases, Reason.CHECK_FAILED, message, 0, 5, assessment)
    text = json.loads(message_body(rollout, entry))["text"]
    assert not set("<>") & set(text)
    assert "\n" not in text
    assert len(text) < 3100 * 5 + 5 * len(model)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", timedelta(seconds=7)),
        ("Mon, 23 Nov 2026 12:00:30 GMT", timedelta(seconds=30)),
        ("Mon, 23 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("Mon, 23 Nov 2026 12:00:30", None),
        ("-5", None),
        ("soon", None),
        ("9" * 5000, None),
        ("9" * 15, None),
        ("", None),
    ],
)
def test_the_wait_that_a_receiver_asks_for(value: str, expected: timedelta | None) -> None:
    assert retry_after({"Retry-After": value}, NOW) == expected


@given(st.text())
def test_no_header_value_breaks_the_wait(value: str) -> None:
    wait = retry_after({"Retry-After": value}, NOW)
    assert wait is None or wait >= timedelta(0)


@given(st.integers(0, 10), st.none() | st.timedeltas(timedelta(0), timedelta(days=400)))
def test_a_wait_keeps_to_what_was_asked_and_to_a_minute(attempt: int, asked: timedelta | None) -> None:
    wait = back_off(attempt, timedelta(seconds=1), asked)
    assert timedelta(0) <= wait <= timedelta(seconds=60)
    if asked is not None:
        assert wait == min(asked, timedelta(seconds=60))
    else:
        assert wait >= min(timedelta(seconds=2**attempt / 2), timedelta(seconds=60))
