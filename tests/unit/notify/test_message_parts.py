"""What a notification is made of: its text, its signature's keys, the waits between repeats."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.notify.cloudevent import event_of
from controller.adapters.notify.message import line, plain_line
from controller.adapters.notify.repeating import LONGEST_ASKED, LONGEST_WAIT, retry_after, wait_after
from controller.adapters.notify.signature import read_secrets
from controller.adapters.notify.slack_blocks import links
from controller.domain.vocabulary import Phase
from tests.unit.notify.scenes import NOW, entry, posting, rollout


@pytest.mark.parametrize("content", ["", "not base64!", "whsec_", "AAAA\n\xe4"])
def test_a_secret_file_without_a_key_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret").write_text(content)
    with pytest.raises(ValueError, match="base64 keys"):
        read_secrets(tmp_path / "secret")


@given(st.text(), st.text())
def test_no_text_becomes_a_mention_a_link_or_a_second_line(message: str, model: str) -> None:
    name = model.replace("\n", "")
    text = line(replace(rollout(), model=name), entry(message=message))
    assert not set("<>") & set(text)
    assert "\n" not in text
    assert len(text) < 3100 * 5 + 5 * len(model)


def test_a_model_named_like_a_mention_pings_nobody() -> None:
    assert "&lt;!channel&gt;" in line(replace(rollout(), model="<!channel>"), entry())


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


@given(st.integers(0, 10_000), st.none() | st.timedeltas(timedelta(0), timedelta(days=400)))
def test_a_wait_keeps_to_what_was_asked_and_to_its_bound(attempt: int, asked: timedelta | None) -> None:
    wait = wait_after(attempt, timedelta(seconds=1), asked)
    if asked is not None:
        assert wait == min(asked, LONGEST_ASKED)
    else:
        most = min(timedelta(seconds=2 ** min(attempt, 20)), LONGEST_WAIT)
        assert most / 2 <= wait <= most


PAGE, REPORT = "https://serinus.test/rollouts/r-1?a=b&c=d", "https://serinus.test/report"


def test_every_form_links_to_the_page_where_there_is_one() -> None:
    plain = posting()
    linked = replace(plain, page=PAGE, report=REPORT)
    assert plain_line(linked.rollout, linked.entry, linked.page) == (
        f"{plain_line(plain.rollout, plain.entry)} {PAGE}"
    )
    data = event_of(linked).data
    assert (data.page, data.report) == (PAGE, REPORT)
    assert (event_of(plain).data.page, event_of(plain).data.report) == (None, None)
    assert [block.to_dict()["elements"][0]["text"] for block in links(linked)] == [
        f"<{PAGE.replace('&', '&amp;')}|Open the rollout> | <{REPORT}|Report>"
    ]
    assert links(plain) == []


def test_a_report_is_linked_once_the_rollout_is_over() -> None:
    running = replace(posting(), page=PAGE, report=REPORT)
    running = replace(running, rollout=replace(running.rollout, phase=Phase.PROGRESSING))
    (block,) = links(running)
    assert "Report" not in block.to_dict()["elements"][0]["text"]
