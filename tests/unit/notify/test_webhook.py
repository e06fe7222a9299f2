"""Notifications to real servers on loopback, most of which misbehave."""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller.adapters.notify.webhook import WebhookDestination, WebhookNotifier
from controller.domain.judge.base import Assessment
from controller.domain.model import Entry, Rollout
from controller.domain.policy import Policy, RouteRef
from controller.domain.release import Release
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.errors import TargetError

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SHORT = timedelta(milliseconds=1)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ERROR = b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"

Behaviour = bytes | None


@dataclass
class Receiver:
    """A server that answers with what is next in its list, the last for ever; None is silence."""

    behaviours: list[Behaviour]
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    arrived: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    url: str = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append((headers, body))
        self.arrived.put_nowait(json.loads(body))
        behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
        if behaviour is None:
            await reader.read()
        else:
            writer.write(behaviour)
        writer.close()

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return await self.arrived.get()


Receive = Callable[..., Awaitable[Receiver]]


@pytest.fixture
async def receive() -> AsyncIterator[Receive]:
    servers: list[asyncio.Server] = []

    async def start(*behaviours: Behaviour) -> Receiver:
        receiver = Receiver(list(behaviours))
        servers.append(await asyncio.start_server(receiver.handle, "127.0.0.1", 0))
        receiver.url = f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}/hook/T0KEN"
        return receiver

    yield start
    for server in servers:
        server.close()


def rollout(*names: str) -> Rollout:
    policy = Policy("fraud", "ml", RouteRef("envoy", "/f"), "envoy", steps=(), checks=(), notify=names)
    stable = Release("v1", ())
    return Rollout("r-1", "fraud", Release("v2", ()), policy, NOW, "ann", stable, phase=Phase.ROLLED_BACK)


def entry(seq: int = 7, message: str = "errors 3.1 % > 1 %", notable: bool = True) -> Entry:
    return Entry(
        seq=seq,
        at=NOW,
        actor="serinus",
        event="rollback_started",
        phase_before=Phase.PROGRESSING,
        phase=Phase.ROLLING_BACK,
        reason=Reason.CHECK_FAILED,
        message=message,
        step=0,
        weight_permille=5,
        assessment=Assessment(Verdict.FAIL),
        notable=notable,
    )


class Results:
    """Counts by result, which can be waited for."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._changed = asyncio.Event()

    def __call__(self, result: str) -> None:
        self.seen.append(result)
        self._changed.set()

    async def reach(self, number: int) -> list[str]:
        async with asyncio.timeout(10):
            while len(self.seen) < number:
                self._changed.clear()
                await self._changed.wait()
        return self.seen


def notifier(results: Results, **urls: str) -> WebhookNotifier:
    destinations = [WebhookDestination(name, url) for name, url in urls.items()]
    return WebhookNotifier(destinations, count=results, timeout=timedelta(seconds=5), back_off=SHORT)


async def test_a_notable_entry_arrives_with_all_that_a_person_and_a_program_need(receive: Receive) -> None:
    receiver, results = await receive(OK), Results()
    under_test = notifier(results, team=receiver.url)
    under_test.tell(rollout("team"), entry())
    assert await receiver.next() == {
        "text": "fraud v2: RollingBack (CheckFailed), 0.5 % canary. errors 3.1 % &gt; 1 %",
        "id": "r-1-7",
        "at": "2026-11-23T12:00:00+00:00",
        "event": "rollback_started",
        "model": "fraud",
        "rollout": "r-1",
        "phase": "RollingBack",
        "reason": "CheckFailed",
        "message": "errors 3.1 % > 1 %",
        "weight_percent": 0.5,
        "versions": {"stable": "v1", "canary": "v2"},
        "actor": "serinus",
    }
    assert await results.reach(1) == ["sent"]
    assert under_test.counts == {("team", "sent"): 1}
    await under_test.close()


async def test_only_notable_entries_and_only_named_destinations_are_told(receive: Receive) -> None:
    named, other, results = await receive(OK), await receive(OK), Results()
    under_test = notifier(results, named=named.url, other=other.url)
    under_test.tell(rollout("named"), entry(1, notable=False))
    under_test.tell(rollout(), entry(2))
    under_test.tell(rollout("named", "named"), entry(3))
    await under_test.close()
    assert [json.loads(body)["id"] for _, body in named.requests] == ["r-1-3"]
    assert other.requests == []


async def test_an_unknown_name_is_logged_once_and_keeps_no_other_from_being_told(receive: Receive) -> None:
    receiver, results = await receive(OK), Results()
    under_test = notifier(results, team=receiver.url)
    with capture_logs() as logs:
        for seq in (1, 2):
            under_test.tell(rollout("nobody", "team"), entry(seq))
        await results.reach(2)
    assert [(log["event"], log["destination"]) for log in logs] == [
        ("notification_destination_unknown", "nobody")
    ]
    await under_test.close()


async def test_an_error_is_repeated_with_the_same_id_until_the_message_is_taken(receive: Receive) -> None:
    receiver, results = await receive(ERROR, ERROR, OK), Results()
    under_test = notifier(results, team=receiver.url)
    under_test.tell(rollout("team"), entry())
    assert await results.reach(1) == ["sent"]
    assert [json.loads(body)["id"] for _, body in receiver.requests] == ["r-1-7"] * 3
    assert {headers["webhook-id"] for headers, _ in receiver.requests} == {"r-1-7"}
    await under_test.close()


@pytest.mark.parametrize(
    ("behaviour", "attempts", "failure"),
    [
        (ERROR, 6, "the receiver answered 500, after 5 repeats"),
        (
            b"HTTP/1.1 429 X\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
            6,
            "answered 429, after 5 repeats",
        ),
        (b"HTTP/1.1 302 X\r\nLocation: http://169.254.169.254/\r\n\r\n", 1, "the receiver answered 302"),
        (b"HTTP/1.1 403 X\r\nContent-Length: 12\r\n\r\nT0KEN denied", 1, "the receiver answered 403"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", 6, "the connection was closed"),
        (b"SMTP ready\r\n", 6, "not HTTP"),
    ],
)
async def test_what_cannot_be_delivered_is_given_up_counted_and_logged_without_the_address(
    receive: Receive, behaviour: bytes, attempts: int, failure: str
) -> None:
    receiver, results = await receive(behaviour), Results()
    under_test = notifier(results, team=receiver.url)
    with capture_logs() as logs:
        under_test.tell(rollout("team"), entry())
        assert await results.reach(1) == ["failed"]
    [log] = logs
    assert (log["event"], log["destination"], log["notification"]) == ("notification_failed", "team", "r-1-7")
    assert failure in log["failure"]
    assert "T0KEN" not in repr(logs) + repr(WebhookDestination("team", receiver.url))
    assert len(receiver.requests) == attempts
    await under_test.close()


async def test_a_receiver_that_is_down_gets_the_message_once_it_is_up(receive: Receive) -> None:
    receiver, results = Receiver([OK]), Results()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    destination = WebhookDestination("team", f"http://127.0.0.1:{port}/")
    under_test = WebhookNotifier([destination], count=results, back_off=timedelta(milliseconds=100))
    under_test.tell(rollout("team"), entry())
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", port)
    assert await results.reach(1) == ["sent"]
    server.close()
    await under_test.close()


async def test_a_slow_destination_delays_no_other(receive: Receive) -> None:
    slow, quick, results = await receive(None), await receive(OK), Results()
    under_test = notifier(results, slow=slow.url, quick=quick.url)
    for seq in range(1, 6):
        under_test.tell(rollout("slow", "quick"), entry(seq))
    assert [(await quick.next())["id"] for _ in range(5)] == [f"r-1-{seq}" for seq in range(1, 6)]
    assert await results.reach(5) == ["sent"] * 5
    assert len(slow.requests) == 1
    await under_test.close()


async def test_a_silent_receiver_is_given_up_in_time_and_asked_again(receive: Receive) -> None:
    receiver, results = await receive(None, OK), Results()
    destination = WebhookDestination("team", receiver.url)
    under_test = WebhookNotifier(
        [destination], count=results, timeout=timedelta(milliseconds=50), back_off=SHORT
    )
    under_test.tell(rollout("team"), entry())
    assert await results.reach(1) == ["sent"]
    assert len(receiver.requests) == 2
    await under_test.close()


async def test_a_full_queue_drops_the_oldest_and_closing_drops_the_rest(receive: Receive) -> None:
    slow, results = await receive(None), Results()
    under_test = notifier(results, slow=slow.url)
    under_test.tell(rollout("slow"), entry(1))
    await slow.next()
    with capture_logs() as logs:
        for seq in range(2, 2 + 256 + 3):
            under_test.tell(rollout("slow"), entry(seq))
    assert [log["notification"] for log in logs] == ["r-1-2", "r-1-3", "r-1-4"]
    assert under_test.counts == {("slow", "dropped"): 3}
    await under_test.close()
    assert under_test.counts == {("slow", "dropped"): 3 + 256 + 1}
    under_test.tell(rollout("slow"), entry(999))
    assert under_test.counts == {("slow", "dropped"): 261}


async def test_closing_delivers_what_is_queued(receive: Receive) -> None:
    receiver, results = await receive(OK), Results()
    under_test = notifier(results, team=receiver.url)
    for seq in range(20):
        under_test.tell(rollout("team"), entry(seq))
    await under_test.close()
    assert results.seen == ["sent"] * 20
    assert len(receiver.requests) == 20


async def test_a_signature_proves_the_sender_and_survives_a_rotation(
    receive: Receive, tmp_path: Path
) -> None:
    receiver, results = await receive(OK), Results()
    keys = [b"the old key, 24 bytes long", b"the new key, 24 bytes long"]
    secret_file = tmp_path / "secret"
    secret_file.write_text("\n".join(f"whsec_{base64.b64encode(key).decode()}" for key in keys) + "\n")
    under_test = WebhookNotifier([WebhookDestination("team", receiver.url, secret_file)], count=results)
    under_test.tell(rollout("team"), entry())
    await results.reach(1)
    [(headers, body)] = receiver.requests
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digests = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys]
    assert headers["webhook-signature"] == f"v1,{digests[0]} v1,{digests[1]}"
    await under_test.close()


async def test_nothing_is_sent_unsigned_while_the_secret_is_missing(receive: Receive, tmp_path: Path) -> None:
    receiver, results = await receive(OK), Results()
    destination = WebhookDestination("team", receiver.url, tmp_path / "missing")
    under_test = WebhookNotifier([destination], count=results, back_off=SHORT)
    under_test.tell(rollout("team"), entry())
    assert await results.reach(1) == ["failed"]
    assert receiver.requests == []
    await under_test.close()


@pytest.mark.parametrize("url", ["", "ftp://x/", "http://", "http://a:99999/", "http://[::1/", "mailto:a@b"])
def test_an_address_that_is_none_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(TargetError, match="address of destination team is not"):
        WebhookNotifier([WebhookDestination("team", url)])
