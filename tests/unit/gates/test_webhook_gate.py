"""Questions to real servers on loopback, most of which answer nonsense."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from standardwebhooks.webhooks import Webhook

from controller.adapters.gates.question import GateAnswer, question_of
from controller.adapters.gates.webhook import Answered, WebhookGate
from controller.adapters.notify.destination import Failure
from controller.adapters.notify.posting import Target
from controller.errors import TargetError
from tests.unit.gates.test_keeper import asking
from tests.unit.notify.scenes import Behaviour, Receive, receiving

MARKER = "M4RKER"


def answer(body: str, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n{body}".encode()


@pytest.fixture
async def receive() -> AsyncIterator[Receive]:
    async with receiving() as start:
        yield start


async def asked(url: str, secret_file: Path | None = None, *, private: bool = True) -> Answered | Failure:
    target = Target("desk", url, secret_file, private_addresses=private, plain_http=True, kind="gate")
    gate, rollout = WebhookGate(target, timedelta(seconds=5)), asking()
    assert rollout.asking is not None
    try:
        return await gate.ask(question_of(rollout, rollout.asking, "desk"))
    finally:
        await gate.close()


async def test_a_gate_gets_a_signed_question_that_says_what_waits(receive: Receive, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(secret := base64.b64encode(b"k" * 24).decode())
    receiver = await receive(answer('{"decision": "allow", "note": "ignored"}'))
    assert await asked(receiver.url, key) == Answered("allow")
    ((headers, body),) = receiver.requests
    Webhook(secret).verify(body, headers)
    question = json.loads(body)
    assert (question["id"], headers["webhook-id"]) == ("fraud-1-7-desk", "fraud-1-7-desk")
    assert (question["type"], question["subject"]) == ("dev.serinus.gate.asked.v1", "fraud-1")
    data = question["data"]
    assert (data["gate"], data["before"], data["what"]) == ("desk", "step", "step 2 (25%)")
    assert (data["weight_percent"], data["wanted_percent"]) == (0, 25)
    assert data["versions"] == {"stable": None, "canary": "v2"}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (answer('{"decision":"deny"}'), Answered("deny")),
        (answer('{"decision":"wait"}', more="Retry-After: 30\r\n"), Answered("wait", timedelta(seconds=30))),
        (answer("<html>sign in</html>"), Failure("it answered 200 without a decision: allow, deny or wait")),
        (answer('{"decision":"ALLOW"}'), Failure("it answered 200 without a decision: allow, deny or wait")),
        (
            answer('{"decision":"allow"}', "202 Accepted"),
            Failure("it answered 202 without a decision: allow, deny or wait"),
        ),
        (
            answer("", "302 Found", "Location: http://169.254.169.254/\r\n"),
            Failure("the receiver answered 302"),
        ),
        (answer(MARKER, "500 X"), Failure("the receiver answered 500")),
        (
            answer('{"decision":"allow"}')[:-5],
            Failure("the connection was closed, or the answer is not HTTP"),
        ),
        (
            answer(json.dumps({"decision": "allow", "x": MARKER * 1000})),
            Failure("it answered 200 without a decision: allow, deny or wait"),
        ),
    ],
)
async def test_only_a_word_is_a_word(receive: Receive, said: Behaviour, found: Answered | Failure) -> None:
    receiver = await receive(said)
    assert await asked(receiver.url) == found
    assert len(receiver.requests) == 1


async def test_an_address_in_a_private_network_must_be_allowed(receive: Receive) -> None:
    receiver = await receive(answer('{"decision":"allow"}'))
    found = await asked(receiver.url, private=False)
    assert isinstance(found, Failure)
    assert "allow private_addresses" in found.message
    assert receiver.requests == []


def test_an_address_that_cannot_be_one_is_told_by_the_gates_name() -> None:
    with pytest.raises(TargetError, match="The address of gate desk is not https"):
        WebhookGate(Target("desk", "http://desk.test/", kind="gate"))


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_no_nonsense_opens_a_gate(body: bytes) -> None:
    with pytest.raises(ValidationError):
        GateAnswer.model_validate_json(body)
