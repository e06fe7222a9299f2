"""Who is told of the end-to-end tests' rollouts: one receiver, which plays every destination of the daemon.

``audit``, ``slow`` and ``late`` are webhooks, at ``dead`` nobody listens; ``team-1`` and more are channels in
Slack. The marker of a secret stands in addresses, keys, the token, and in every answer.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.receiver import Event, Receiver, receiving

MARKER = "M4RKER-of-a-secret"
SIGNED = base64.b64encode(MARKER.encode()).decode()
TEAMS = ("team-1", "team-2", "team-3")
_OURS = {"PRIVATE_ADDRESSES": "true", "PLAIN_HTTP": "true"}


@dataclass
class Told:
    """The receiver, and the daemon's settings that lead to it."""

    receiver: Receiver
    settings: dict[str, str]

    def quiet(self) -> None:
        """As at first: everything is taken, and nothing happens."""
        new = Receiver()
        new.leave()
        for name in ("fault", "before", "after", "status"):
            setattr(self.receiver, name, getattr(new, name))
        self.receiver.answer = MARKER.encode()
        self.receiver.headers = {"X-Said": MARKER}
        self.receiver.slack.remark = MARKER
        self.receiver.slack.knows_repeats = True

    def heard(self, name: str, rollout: str) -> list[Event]:
        """What came to a webhook, repeats and what it refused included."""
        found = [each.body for each in self.receiver.requests if each.path == path_of(name)]
        return [event for event in found if event["subject"] == rollout]


def path_of(name: str) -> str:
    """Where a webhook is."""
    return f"/{name}/{MARKER}"


@contextmanager
def telling(folder: Path) -> Iterator[Told]:
    dead = Receiver()
    (folder / "key").write_text(SIGNED)
    (folder / "token").write_text(f"xoxb-{MARKER}")
    with receiving() as receiver:
        hooks = {
            name.upper(): {"URL": f"{receiver.url[:-1]}{path_of(name)}", **_OURS}
            for name in ("audit", "slow", "late")
        }
        slack = {
            "KIND": "slack",
            "URL": receiver.slack.url,
            "TOKEN_FILE": str(folder / "token"),
            "CHANNEL": "ml",
        }
        destinations = {
            **hooks,
            "AUDIT": {**hooks["AUDIT"], "SECRET_FILE": str(folder / "key")},
            "DEAD": {"URL": f"{dead.url}{MARKER}", **_OURS},
            **{name.upper(): {**slack, "PLAIN_HTTP": "true"} for name in TEAMS},
        }
        told = Told(
            receiver,
            {
                f"SERINUS_DESTINATIONS__{name}__{field}": value
                for name, fields in destinations.items()
                for field, value in fields.items()
            },
        )
        told.quiet()
        yield told
    dead.leave()
