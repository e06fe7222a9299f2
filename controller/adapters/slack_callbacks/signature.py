"""Whether a call comes from Slack, and comes for the first time.

**Invariant**: who is not Slack learns nothing and costs little: headers are looked at before the body is
read, and the secret only once both are there. The secret is in no message, and read anew for each call, so
that a rotated one needs no restart.

**Source**: Slack, "Verifying requests from Slack".
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from slack_sdk.signature import Clock, SignatureVerifier

WINDOW_SECONDS = 300
_MOST_BYTES = 4096
_MOST_SECRETS = 2
_TIMESTAMP = re.compile(r"[0-9]{1,11}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Signed:
    """What a caller says about itself: ``timestamp`` is Unix time, in decimal digits."""

    timestamp: str
    signature: str


class Verifier:
    """Verifies with the secrets of a file: one, or two while it is rotated. ``now`` is Unix time."""

    def __init__(self, secret_file: Path, now: Callable[[], float] = time.time) -> None:
        self._secret_file = secret_file
        self._clock = _Clock(now)

    def claim(self, headers: Mapping[str, str]) -> Signed | None:
        """What the headers say, if it can be true: both are there, well-formed, and within 5 minutes."""
        said = Signed(headers.get("x-slack-request-timestamp", ""), headers.get("x-slack-signature", ""))
        if not _TIMESTAMP.fullmatch(said.timestamp) or not _SIGNATURE.fullmatch(said.signature):
            return None
        return said if abs(self._clock.now() - int(said.timestamp)) <= WINDOW_SECONDS else None

    def is_from_slack(self, said: Signed, body: bytes) -> bool:
        """Whether Slack signed these very bytes. Reads the file.

        Raises `OSError` when it cannot be read and `ValueError` when it holds no secret.
        """
        verifiers = [SignatureVerifier(secret, self._clock) for secret in read_secrets(self._secret_file)]
        try:
            return any(each.is_valid(body, said.timestamp, said.signature) for each in verifiers)
        except UnicodeDecodeError:  # a body that is no text, and so none of Slack's
            return False


def read_secrets(path: Path) -> list[str]:
    """The signing secrets of a file, one a line. Raises `OSError`, and `ValueError` for none or too many."""
    with path.open("rb") as file:
        lines = file.read(_MOST_BYTES).split()
    if not 0 < len(lines) <= _MOST_SECRETS or not all(line.isascii() for line in lines):
        raise ValueError("a file of signing secrets holds one, or two while it is rotated")
    return [line.decode("ascii") for line in lines]


class Delivered:
    """Which calls were taken, for as long as their signature is valid; of too many the oldest are forgotten.

    What is forgotten, by this or by a restart, is still known by its request id to whoever carries it out.
    """

    def __init__(self, most: int = 4096, now: Callable[[], float] = time.time) -> None:
        self._most = most
        self._now = now
        self._until: OrderedDict[str, float] = OrderedDict()

    def take(self, delivery: str, said: Signed) -> bool:
        """Keep it in mind; False when it was taken before."""
        now = self._now()
        for known in [each for each, until in self._until.items() if until < now]:
            del self._until[known]
        if delivery in self._until:
            return False
        while len(self._until) >= self._most:
            self._until.popitem(last=False)
        self._until[delivery] = int(said.timestamp) + WINDOW_SECONDS
        return True

    def give_back(self, delivery: str) -> None:
        """Forget one that was not carried out, so that it may come again."""
        self._until.pop(delivery, None)


class _Clock(Clock):
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def now(self) -> float:
        return self._now()
