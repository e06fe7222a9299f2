"""Messages to real servers on loopback, most of which misbehave."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from controller.adapters.notify.destination import Failure, Taken
from controller.adapters.notify.posting import Target
from controller.adapters.notify.webhook import WebhookDestination, as_slack_line
from controller.errors import TargetError
from tests.unit.notify.scenes import ERROR, OK, Behaviour, Receive, posting, receiving

LONG = timedelta(seconds=5)
TAKEN = Taken("the receiver answered 200")


@pytest.fixture
async def receive() -> AsyncIterator[Receive]:
    async with receiving() as start:
        yield start


def target(url: str, secret_file: Path | None = None, *, private: bool = True) -> Target:
    return Target("team", url, secret_file, private_addresses=private, plain_http=True)


async def delivered(
    url: str, secret_file: Path | None = None, *, within: timedelta = LONG, private: bool = True
) -> Taken | Failure:
    destination = WebhookDestination(target(url, secret_file, private=private), timeout=within)
    try:
        return await destination.deliver([posting()], "")
    finally:
        await destination.close()


async def test_a_webhook_gets_a_cloudevent(receive: Receive) -> None:
    receiver = await receive(OK)
    assert await delivered(receiver.url) == TAKEN
    ((headers, body),) = receiver.requests
    assert headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert headers["webhook-id"] == "r-1-7"
    event = json.loads(body)
    assert {key: event[key] for key in ("specversion", "id", "source", "type", "subject")} == {
        "specversion": "1.0",
        "id": "r-1-7",
        "source": "/serinus/ml/fraud",
        "type": "dev.serinus.rollout.stepped.v1",
        "subject": "r-1",
    }
    data = event["data"]
    assert (data["versions"], data["phase"], data["weight_percent"]) == (
        {"stable": "v1", "canary": "v2"},
        "RollingBack",
        0.5,
    )
    (check,) = data["checks"]
    assert (check["name"], check["value"], check["limit"]) == ("errors", 0.031, 0.01)


async def test_slack_s_webhook_gets_a_line(receive: Receive) -> None:
    receiver = await receive(OK)
    destination = WebhookDestination(target(receiver.url), as_slack_line)
    assert await destination.deliver([posting()], "") == TAKEN
    assert await receiver.next() == {
        "text": "fraud v2: RollingBack (CheckFailed), 0.5 % canary. errors 3.1 % &gt; 1 %"
    }
    await destination.close()


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        (ERROR, Failure("the receiver answered 500")),
        (
            b"HTTP/1.1 429 X\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n",
            Failure("the receiver answered 429", retry_after=timedelta(seconds=9)),
        ),
        (
            b"HTTP/1.1 302 X\r\nLocation: http://169.254.169.254/\r\n\r\n",
            Failure("the receiver answered 302"),
        ),
        (
            b"HTTP/1.1 403 X\r\nContent-Length: 12\r\n\r\nT0KEN denied",
            Failure("the receiver answered 403", final=True),
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
            Failure("the connection was closed, or the answer is not HTTP"),
        ),
        (b"SMTP ready\r\n", Failure("the connection was closed, or the answer is not HTTP")),
    ],
)
async def test_a_failure_says_what_went_wrong_and_nothing_secret(
    receive: Receive, behaviour: Behaviour, failure: Failure
) -> None:
    receiver = await receive(behaviour)
    outcome = await delivered(receiver.url)
    assert outcome == failure
    assert "T0KEN" not in repr(outcome) + repr(target(receiver.url))
    assert len(receiver.requests) == 1


async def test_a_silent_receiver_is_given_up_in_time(receive: Receive) -> None:
    receiver = await receive(None)
    outcome = await delivered(receiver.url, within=timedelta(milliseconds=50))
    assert outcome == Failure("no answer within 0.05 s")


async def test_an_answer_without_end_is_taken_after_its_first_bytes(receive: Receive) -> None:
    receiver = await receive(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 100_000)
    assert await delivered(receiver.url) == TAKEN


async def test_an_address_of_this_machine_is_not_connected_to_unless_that_is_allowed(
    receive: Receive,
) -> None:
    receiver = await receive(OK)
    for url in (receiver.url, receiver.url.replace("127.0.0.1", "localhost")):
        outcome = await delivered(url, private=False)
        assert isinstance(outcome, Failure)
        assert outcome.final
        assert "private_addresses" in outcome.message
    assert receiver.requests == []


async def test_a_name_that_nobody_has_is_tried_again() -> None:
    assert await delivered("http://nobody.invalid/") == Failure("host name not found")


async def test_a_signature_proves_the_sender_and_survives_a_rotation(
    receive: Receive, tmp_path: Path
) -> None:
    receiver, secret_file = await receive(OK), tmp_path / "secret"
    keys = [b"the old key, 24 bytes long", b"the new key, 24 bytes long"]
    secret_file.write_text("\n".join(f"whsec_{base64.b64encode(key).decode()}" for key in keys) + "\n")
    assert await delivered(receiver.url, secret_file) == TAKEN
    [(headers, body)] = receiver.requests
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digests = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys]
    assert headers["webhook-signature"] == f"v1,{digests[0]} v1,{digests[1]}"


async def test_nothing_is_sent_unsigned_while_the_secret_is_missing(receive: Receive, tmp_path: Path) -> None:
    receiver = await receive(OK)
    outcome = await delivered(receiver.url, tmp_path / "missing")
    assert outcome == Failure("the secret file cannot be used (FileNotFoundError)")
    assert receiver.requests == []


@pytest.mark.parametrize("url", ["", "ftp://x/", "http://", "http://a:99999/", "http://[::1/", "mailto:a@b"])
def test_an_address_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(TargetError, match="address of destination team is not"):
        WebhookDestination(target(url))


def test_plain_http_must_be_meant() -> None:
    with pytest.raises(TargetError, match="is not https"):
        WebhookDestination(Target("team", "http://hooks.example.com/"))
    assert asyncio.run(WebhookDestination(Target("team", "https://hooks.example.com/")).close()) is None


async def test_a_receiver_s_own_library_takes_the_signature(receive: Receive, tmp_path: Path) -> None:
    """Those of Standard Webhooks, which receivers are told to use."""
    receiver, secret_file = await receive(OK), tmp_path / "secret"
    keys = [f"whsec_{base64.b64encode(bytes([each]) * 24).decode()}" for each in (1, 2)]
    secret_file.write_text("\n".join(keys))
    assert await delivered(receiver.url, secret_file) == TAKEN
    [(headers, body)] = receiver.requests
    for key in keys:
        assert Webhook(key).verify(body, headers)["id"] == "r-1-7"
    with pytest.raises(WebhookVerificationError):
        Webhook(keys[0]).verify(body.replace(b"fraud", b"fraus"), headers)
