"""Golden and warm-up requests against real servers on loopback."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from controller.adapters.store.codec import encode_rollout
from controller.adapters.validation import HttpValidator
from controller.domain.model import Rollout
from controller.domain.policy import Policy, RouteRef, Validation
from controller.domain.release import Release

GOLDEN = """
protocol: json
path: /predict
timeout: 5s
requests:
  - name: honest
    body: {rows: [[1, 2]]}
    headers: {X-Tenant: test}
    expect:
      numbers: {at: "scores[0]", equals: 0.25, tolerance: 0.01}
  - name: crook
    body: {rows: [[9, 9]]}
    expect:
      schema: {type: object, additionalProperties: {type: array}}
"""

Behave = Callable[[str, bytes], bytes | None]


def answer(body: bytes | object, status: int = 200) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(raw), raw)


RIGHT = answer({"scores": [0.25]})


@dataclass
class Model:
    """A served model; ``behave`` gives the raw answer to a path and a body, or silence."""

    behave: Behave
    endpoint: str = ""
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split("\r\n")[0].split()
        length = next(
            (line[16:] for line in head.lower().split("\r\n") if line.startswith("content-length: ")), "0"
        )
        body = await reader.readexactly(int(length))
        self.heads.append(head)
        self.asked.append((method, path, body))
        self.arrived.set()
        raw = self.behave(path, body)
        writer.write(raw or b"")
        if raw is None or len(raw) > 1024 * 1024:
            await reader.read()  # until the other side hangs up
            self.left.set()
        self.open -= 1
        writer.close()


Serve = Callable[[Behave], Awaitable[Model]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers: list[asyncio.Server] = []

    async def start(behave: Behave) -> Model:
        model = Model(behave)
        servers.append(await asyncio.start_server(model.handle, "127.0.0.1", 0))
        model.endpoint = f"127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}"
        return model

    yield start
    for server in servers:
        server.close()


@pytest.fixture
async def validator(tmp_path: Path) -> AsyncIterator[HttpValidator]:
    (tmp_path / "golden.yaml").write_text(GOLDEN)
    built = HttpValidator(tmp_path)
    yield built
    await built.close()


def rollout(*endpoints: str, golden: str | None = "golden.yaml", warm_up: int = 0) -> Rollout:
    policy = Policy(
        "fraud",
        "ml",
        RouteRef("envoy", "/fraud"),
        "envoy",
        steps=(),
        checks=(),
        validation=Validation(golden, timedelta(minutes=1)) if golden else None,
        warm_up_requests=warm_up,
    )
    return Rollout("r", "fraud", Release("v2", endpoints), policy, datetime(2026, 11, 23, tzinfo=UTC), "ann")


Report = TypeVar("Report")


async def asked(ask: Callable[[Rollout, Sequence[str]], Awaitable[Report]], rollout: Rollout) -> Report:
    return await ask(rollout, rollout.release.endpoints)


def closed_port() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{unused.getsockname()[1]}"


async def test_every_copy_is_asked_everything_in_order(validator: HttpValidator, serve: Serve) -> None:
    copies = [await serve(lambda path, body: RIGHT) for _ in range(2)]
    report = await asked(validator.validate, rollout(*(copy.endpoint for copy in copies)))
    assert (report.ok, report.passed, report.failed, report.message) == (True, 4, 0, "")
    for copy in copies:
        assert copy.asked == [
            ("POST", "/predict", b'{"rows":[[1,2]]}'),
            ("POST", "/predict", b'{"rows":[[9,9]]}'),
        ]
        assert "\r\ncontent-type: application/json\r\n" in copy.heads[0].lower()
        assert "\r\nx-tenant: test\r\n" in copy.heads[0].lower()


async def test_a_wrong_answer_of_one_copy_fails_and_is_shown(validator: HttpValidator, serve: Serve) -> None:
    good = await serve(lambda path, body: RIGHT)
    bad = await serve(lambda path, body: answer({"scores": [0.9]}))
    report = await asked(validator.validate, rollout(good.endpoint, bad.endpoint))
    assert (report.ok, report.passed, report.failed) == (False, 2, 1)
    assert report.message == (
        f"golden request honest at {bad.endpoint}: scores[0] is 0.9, expected 0.25 ± 0.01; "
        'the answer was: {"scores": [0.9]}'
    )
    assert len(bad.asked) == 1


async def test_the_first_failing_endpoint_in_the_releases_order_is_named(
    validator: HttpValidator, serve: Serve
) -> None:
    bad = [await serve(lambda path, body: answer(b"", 500)) for _ in range(6)]
    report = await asked(validator.validate, rollout(*(copy.endpoint for copy in bad)))
    assert report.failed == 6
    assert report.message.startswith(f"golden request honest at {bad[0].endpoint}: status 500, expected 200")


async def test_a_redirect_is_an_answer_and_is_not_followed(validator: HttpValidator, serve: Serve) -> None:
    good = await serve(lambda path, body: RIGHT)
    redirect = b"HTTP/1.1 307 X\r\nLocation: http://%s/\r\nContent-Length: 0\r\n\r\n" % good.endpoint.encode()
    bad = await serve(lambda path, body: redirect)
    report = await asked(validator.validate, rollout(bad.endpoint))
    assert "status 307, expected 200" in report.message
    assert good.asked == []


async def test_an_endless_answer_is_cut_off(validator: HttpValidator, serve: Serve) -> None:
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" + b" " * (1024 * 1024 + 1)
    bad = await serve(lambda path, body: endless)
    report = await asked(validator.validate, rollout(bad.endpoint))
    assert report.message == f"golden request honest at {bad.endpoint}: the answer is larger than 1024 KiB"
    async with asyncio.timeout(10):
        await bad.left.wait()


async def test_no_answer_fails_with_the_reason(
    validator: HttpValidator, tmp_path: Path, serve: Serve
) -> None:
    down = closed_port()
    report = await asked(validator.validate, rollout(down))
    assert report.message == f"golden request honest at {down}: connection refused"

    (tmp_path / "golden.yaml").write_text(GOLDEN.replace("timeout: 5s", "timeout: 50ms"))
    silent = await serve(lambda path, body: None)
    report = await asked(validator.validate, rollout(silent.endpoint))
    assert report.message == f"golden request honest at {silent.endpoint}: no answer within 0.05 s"


async def test_what_an_answer_says_can_always_be_printed_and_stored(
    validator: HttpValidator, serve: Serve
) -> None:
    hostile = b'{"scores": [0.25], "\\ud800\\u001b[31m\\u202e": 1}'
    bad = await serve(lambda path, body: answer(hostile))
    report = await asked(validator.validate, rollout(bad.endpoint))
    assert not report.ok
    assert report.message.isprintable()
    assert encode_rollout(replace(rollout(), message=report.message))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.yaml", "golden file missing.yaml: the file does not exist"),
        ("../golden.yaml", "golden file ../golden.yaml: the file must lie in the folder of the policy"),
        ("broken.yaml", "golden file broken.yaml:"),
    ],
)
async def test_a_golden_file_that_cannot_be_used_fails_without_a_request(
    validator: HttpValidator, tmp_path: Path, serve: Serve, name: str, said: str
) -> None:
    (tmp_path / "broken.yaml").write_text("requests: [")
    model = await serve(lambda path, body: RIGHT)
    report = await asked(validator.validate, rollout(model.endpoint, golden=name))
    assert not report.ok
    assert report.message.startswith(said)
    warm = await asked(validator.warm_up, rollout(model.endpoint, golden=name, warm_up=1))
    assert not warm.ok
    assert warm.message == report.message
    assert model.asked == []


async def test_a_release_without_endpoints_or_with_a_bad_one_fails(validator: HttpValidator) -> None:
    assert (await asked(validator.validate, rollout())).message == "v2 has no endpoint to ask."
    assert (await asked(validator.warm_up, rollout(warm_up=1))).message == "v2 has no endpoint to ask."
    assert "'a:b' is not host:port" in (await asked(validator.validate, rollout("a:b"))).message


async def test_a_policy_without_golden_requests_has_nothing_to_fail(validator: HttpValidator) -> None:
    assert (await asked(validator.validate, rollout("a:b", golden=None))).ok
    assert (await asked(validator.warm_up, rollout("a:b", golden=None, warm_up=0))).ok


async def test_at_most_four_copies_are_asked_at_once(validator: HttpValidator, serve: Serve) -> None:
    model = await serve(lambda path, body: RIGHT)
    report = await asked(validator.validate, rollout(*[model.endpoint] * 12))
    assert report.passed == 24
    assert model.most_open <= 4


async def test_a_cancelled_validation_hangs_up(validator: HttpValidator, serve: Serve) -> None:
    silent = await serve(lambda path, body: None)
    task = asyncio.create_task(asked(validator.validate, rollout(silent.endpoint)))
    async with asyncio.timeout(10):
        await silent.arrived.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await silent.left.wait()


async def test_warm_up_sends_the_golden_bodies_in_turn_and_compares_nothing(
    validator: HttpValidator, serve: Serve
) -> None:
    model = await serve(lambda path, body: answer(b"nonsense"))
    assert (await asked(validator.warm_up, rollout(model.endpoint, warm_up=3))).ok
    bodies = [b'{"rows":[[1,2]]}', b'{"rows":[[9,9]]}', b'{"rows":[[1,2]]}']
    assert [body for _, _, body in model.asked] == bodies


async def test_warm_up_without_golden_requests_asks_for_readiness(
    validator: HttpValidator, serve: Serve
) -> None:
    model = await serve(lambda path, body: answer(b"", 404))
    assert (await asked(validator.warm_up, rollout(model.endpoint, golden=None, warm_up=2))).ok
    assert model.asked == [("GET", "/v2/health/ready", b"")] * 2


async def test_warm_up_forgives_first_failures(validator: HttpValidator, serve: Serve) -> None:
    answers = iter([answer(b"", 503), b"", RIGHT])
    model = await serve(lambda path, body: next(answers))
    assert (await asked(validator.warm_up, rollout(model.endpoint, warm_up=3))).ok


async def test_warm_up_fails_for_a_copy_that_answers_nothing_but_errors(
    validator: HttpValidator, serve: Serve
) -> None:
    good = await serve(lambda path, body: RIGHT)
    bad = await serve(lambda path, body: answer(b"", 503))
    report = await asked(validator.warm_up, rollout(good.endpoint, bad.endpoint, warm_up=2))
    assert report.message == f"all 2 warm-up requests to {bad.endpoint} failed, the last with: status 503"
