"""The endpoint and its desk, called as a server calls them, with people who may and who may not."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from controller.adapters.notify.slack_buttons import ButtonValue
from controller.adapters.slack_callbacks.desk import PressDesk
from controller.adapters.slack_callbacks.endpoint import SlackEndpoint
from controller.adapters.slack_callbacks.interaction import Press
from controller.adapters.slack_callbacks.signature import Delivered, Verifier
from controller.control.errors import NotPermitted
from controller.control.steering import Errand, Person
from controller.control.views import OutcomeView
from controller.domain.model import CommandKind
from controller.domain.vocabulary import Phase
from tests.fakes import EPOCH
from tests.slack_caller import PATH, interaction, signed

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW = 1_764_000_000.0
ANN, BEN, NOBODY = "U012AB3CD", "U0BEN", "U0NOBODY"
PEOPLE = {ANN: Person("ann@example.com"), BEN: Person("ben@example.com")}
VALUE = ButtonValue(rollout="fraud-1", namespace="ml", created_at=EPOCH, destination="team")


class Steering:
    """Follows ann, and nobody else."""

    def __init__(self) -> None:
        self.errands: list[Errand] = []
        self.fault: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def carry_out(self, errand: Errand) -> OutcomeView:
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        if errand.person.name != "ann@example.com":
            raise NotPermitted(f"{errand.person.name} may not {errand.kind}")
        self.errands.append(errand)
        message = f"{errand.kind} by {errand.actor}"
        return OutcomeView(rollout="fraud-1", operation=errand.kind, phase=Phase.PAUSED, message=message)


class Answers:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def tell(self, press: Press, text: str) -> None:
        self.told.append((press.user, text))


class Callbacks:
    """``now`` is the clock; ``counted`` what came of each call."""

    def __init__(self, folder: Path, within: timedelta = timedelta(seconds=5)) -> None:
        self.now = NOW
        self.secret_file = folder / "signing"
        self.secret_file.write_text(f"{SECRET}\n")
        self.steering = Steering()
        self.answers = Answers()
        self.counted: Counter[str] = Counter()
        self.desk = PressDesk(self.steering, PEOPLE, self.answers, within)
        self.restart()

    def restart(self) -> None:
        """A new process, which remembers no call."""
        verifier, delivered = Verifier(self.secret_file, self._clock), Delivered(4096, self._clock)
        self.app = SlackEndpoint(verifier, delivered, self.desk.take, self._count).app()

    def _clock(self) -> float:
        return self.now

    def _count(self, result: str) -> None:
        self.counted[result] += 1

    async def press(self, word: str = "pause", user: str = ANN, value: str | None = None) -> int:
        """Slack's call for a press, and what came of it."""
        body = interaction(f"serinus_{word}", VALUE.model_dump_json() if value is None else value, user)
        return await self.call(body, signed(body, SECRET, self.now))

    async def call(
        self, body: bytes | Sequence[bytes], headers: Mapping[str, str], method: str = "POST"
    ) -> int:
        """The status; what was begun is done by then."""
        status = await asgi(self.app, body, headers, method)
        await self.desk.close()
        return status


def pressed(user: str = ANN, **value: object) -> Press:
    """A press as the desk is given it."""
    return Press(user, "C01", CommandKind.PAUSE, VALUE.model_copy(update=value), "slack-0123456789")


async def asgi(app: object, body: bytes | Sequence[bytes], headers: Mapping[str, str], method: str) -> int:
    """One request to the application, its body in so many pieces; an answer never says anything."""
    pieces = [body] if isinstance(body, bytes) else list(body)
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        if not pieces:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ],
        "client": ("203.0.113.1", 1),
        "server": ("127.0.0.1", 1),
    }
    await app(scope, receive, send)  # type: ignore[operator]
    status = sent[0]["status"]
    assert isinstance(status, int)
    if status not in (404, 405):
        assert all(not message.get("body") for message in sent[1:])
    return status
