"""Slack's calls: whose they are, that each counts once, and that nothing hostile does anything."""

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest
import structlog

from controller.adapters.slack_callbacks.endpoint import LONGEST_BODY_BYTES
from controller.adapters.slack_callbacks.interaction import press_of
from controller.adapters.slack_callbacks.signature import Delivered, Signed, read_secrets
from controller.domain.model import CommandKind
from tests.slack_caller import interaction, signed
from tests.unit.slack_callbacks.stage import ANN, NOW, SECRET, VALUE, Callbacks

BODY = interaction("serinus_pause", VALUE.model_dump_json())


@pytest.fixture
async def callbacks(tmp_path: Path) -> Callbacks:
    return Callbacks(tmp_path)


class TestSignatures:
    async def test_a_call_of_slack_is_taken_and_answered_before_it_is_carried_out(
        self, callbacks: Callbacks
    ) -> None:
        assert await callbacks.press("abort") == 200
        [errand] = callbacks.steering.errands
        assert (errand.kind, errand.actor) == (CommandKind.ABORT, "ann@example.com (Slack)")
        assert (errand.target.rollout, errand.target.namespace) == ("fraud-1", "ml")
        assert callbacks.answers.told == [(ANN, "fraud-1: abort by ann@example.com (Slack)")]

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            signed(BODY, "another secret", NOW),
            signed(BODY + b"&", SECRET, NOW),
            signed(BODY, SECRET, NOW - 301),
            signed(BODY, SECRET, NOW + 301),
            signed(BODY, SECRET, NOW) | {"X-Slack-Request-Timestamp": str(int(NOW) + 1)},
            signed(BODY, SECRET, NOW) | {"X-Slack-Request-Timestamp": "-1764000000"},
            signed(BODY, SECRET, NOW) | {"X-Slack-Request-Timestamp": "9" * 5000},
            signed(BODY, SECRET, NOW) | {"X-Slack-Request-Timestamp": "nan"},
            signed(BODY, SECRET, NOW) | {"X-Slack-Signature": "v0="},
            signed(BODY, SECRET, NOW) | {"X-Slack-Signature": "v0=" + "é" * 64},
            signed(BODY, SECRET, NOW) | {"X-Slack-Signature": "v1=" + "0" * 64},
            {"X-Slack-Request-Timestamp": str(int(NOW))},
        ],
        ids=range(13),
    )
    async def test_who_is_not_slack_gets_one_answer(
        self, callbacks: Callbacks, headers: dict[str, str]
    ) -> None:
        assert await callbacks.call(BODY, headers) == 401
        assert (callbacks.steering.errands, callbacks.answers.told) == ([], [])
        assert callbacks.counted == {"unauthenticated": 1}

    @pytest.mark.parametrize("away", [-300, 300])
    async def test_five_minutes_are_allowed_for(self, callbacks: Callbacks, away: int) -> None:
        assert await callbacks.call(BODY, signed(BODY, SECRET, NOW + away)) == 200

    async def test_a_rotated_secret_needs_no_restart_and_both_count_meanwhile(
        self, callbacks: Callbacks
    ) -> None:
        callbacks.secret_file.write_text(f"new-secret\n{SECRET}\n")
        body = interaction("serinus_pause", VALUE.model_dump_json())
        assert await callbacks.call(body, signed(body, "new-secret", NOW)) == 200
        assert await callbacks.press() == 200
        callbacks.secret_file.write_text("new-secret\n")
        assert await callbacks.press() == 401

    @pytest.mark.parametrize("content", [None, b"", b" \n", b"a\nb\nc", b"\xff\xfe"])
    async def test_without_a_secret_nobody_is_slack_and_the_log_says_so(
        self, callbacks: Callbacks, content: bytes | None
    ) -> None:
        if content is None:
            callbacks.secret_file.unlink()
        else:
            callbacks.secret_file.write_bytes(content)
        with structlog.testing.capture_logs() as lines:
            assert await callbacks.press() == 401
        assert lines[0]["event"] == "slack_signing_secret_unusable"
        assert str(callbacks.secret_file) not in json.dumps(lines)

    async def test_strangers_make_us_write_no_more_than_a_line_a_minute(self, callbacks: Callbacks) -> None:
        with structlog.testing.capture_logs() as lines:
            for _ in range(20):
                await callbacks.call(BODY, {})
        assert [line["event"] for line in lines] == ["slack_call_unauthenticated"]
        assert callbacks.counted == {"unauthenticated": 20}


class TestBodies:
    async def test_a_body_that_is_too_long_is_not_read_to_its_end(self, callbacks: Callbacks) -> None:
        body = b"payload=" + b"a" * LONGEST_BODY_BYTES
        headers = signed(body, SECRET, NOW)
        assert await callbacks.call(body, {**headers, "Content-Length": str(len(body))}) == 401
        pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)]
        assert await callbacks.call(pieces, headers) == 401

    async def test_a_body_may_come_in_pieces(self, callbacks: Callbacks) -> None:
        assert await callbacks.call([BODY[:10], BODY[10:]], signed(BODY, SECRET, NOW)) == 200
        assert len(callbacks.steering.errands) == 1

    async def test_a_body_that_breaks_off_is_none(self, callbacks: Callbacks) -> None:
        assert await callbacks.call([], signed(b"", SECRET, NOW)) == 401

    async def test_other_methods_are_not_known(self, callbacks: Callbacks) -> None:
        for method in ("GET", "PUT", "DELETE"):
            assert await callbacks.call(BODY, signed(BODY, SECRET, NOW), method) == 405
        assert callbacks.steering.errands == []

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\xff\xfe",
            b"payload",
            b"payload={}&payload={}",
            b"payload=%ff",
            b"other=1",
            json.dumps({"type": "block_actions"}).encode(),
            urlencode({"payload": "[" * 10_000}).encode(),
            urlencode({"payload": '{"type": "block_actions", "actions": []}'}).encode(),
            interaction("serinus_pause", "not json"),
            interaction("serinus_pause", VALUE.model_dump_json(exclude={"namespace"})),
            interaction("serinus_pause", VALUE.model_dump_json(), user="<!channel>"),
            interaction("serinus_pause", VALUE.model_dump_json(), channel="../C1"),
            interaction("serinus_pause", "a" * 2001),
        ],
        ids=range(14),
    )
    async def test_what_slack_never_sends_is_refused_though_it_is_signed(
        self, callbacks: Callbacks, body: bytes
    ) -> None:
        status = await callbacks.call(body, signed(body, SECRET, NOW))
        assert status == (401 if b"\xff" in body else 400)
        assert (callbacks.steering.errands, callbacks.answers.told) == ([], [])

    @pytest.mark.parametrize(
        "body",
        [
            interaction("link_to_report", ""),
            interaction("serinus_deploy", VALUE.model_dump_json()),
            urlencode({"payload": '{"type": "view_submission", "view": {}}'}).encode(),
            urlencode({"payload": '{"type": "block_actions", "actions": [{"action_id": "a"}]}'}).encode(),
        ],
        ids=range(4),
    )
    async def test_what_slack_sends_and_nobody_asked_for_is_acknowledged(
        self, callbacks: Callbacks, body: bytes
    ) -> None:
        assert await callbacks.call(body, signed(body, SECRET, NOW)) == 200
        assert callbacks.counted == {"ignored": 1}
        assert callbacks.steering.errands == []


class TestRepeats:
    async def test_a_replayed_call_does_nothing(self, callbacks: Callbacks) -> None:
        headers = signed(BODY, SECRET, NOW)
        assert [await callbacks.call(BODY, headers) for _ in range(3)] == [200, 200, 200]
        assert len(callbacks.steering.errands) == len(callbacks.answers.told) == 1
        assert callbacks.counted == {"taken": 1, "repeated": 2}
        callbacks.now += 301
        assert await callbacks.call(BODY, headers) == 401

    async def test_after_a_restart_a_replay_has_the_request_id_of_the_first(
        self, callbacks: Callbacks
    ) -> None:
        headers = signed(BODY, SECRET, NOW)
        await callbacks.call(BODY, headers)
        callbacks.restart()
        await callbacks.call(BODY, headers)
        first, second = callbacks.steering.errands
        assert first.request_id == second.request_id
        assert first.request_id.startswith("slack-")
        assert len(first.request_id) <= 64

    async def test_two_presses_are_two(self, callbacks: Callbacks) -> None:
        await callbacks.press()
        await callbacks.press()
        assert len({errand.request_id for errand in callbacks.steering.errands}) == 2

    def test_what_was_taken_is_forgotten_once_its_signature_is_too_old(self) -> None:
        now = NOW
        delivered = Delivered(2, lambda: now)
        said = Signed(str(int(NOW) + 300), "")
        assert delivered.take("a", said)
        now += 600
        assert not delivered.take("a", said)
        now += 1
        assert delivered.take("a", said)

    def test_of_too_many_the_oldest_is_forgotten(self) -> None:
        delivered, said = Delivered(2, lambda: NOW), Signed(str(int(NOW)), "")
        assert [delivered.take(each, said) for each in "abcbca"] == [True, True, True, False, False, True]


def test_a_file_of_secrets_holds_one_or_two(tmp_path: Path) -> None:
    file = tmp_path / "signing"
    file.write_text(" a \n\n b\r\n")
    assert read_secrets(file) == ["a", "b"]


def test_a_value_says_exactly_one_rollout() -> None:
    press = press_of(BODY)
    assert press is not None
    assert (press.user, press.channel, press.value) == (ANN, "C01", VALUE)
