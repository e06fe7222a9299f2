"""Signatures by which a receiver knows that a webhook came from us and is not a replay.

**Source**: Standard Webhooks 1.0, https://www.standardwebhooks.com.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path

_PREFIX = "whsec_"
_MOST_BYTES = 4096


def read_secrets(path: Path) -> Sequence[bytes]:
    """The keys of a secret file: one per line, base64, ``whsec_`` before it or not; two while one is rotated.

    Raises `OSError` when the file cannot be read and `ValueError` when it holds no key.
    """
    with path.open("rb") as file:
        lines = file.read(_MOST_BYTES).decode("ascii", errors="replace").split()
    try:
        secrets = [base64.b64decode(line.removeprefix(_PREFIX), validate=True) for line in lines]
    except ValueError:  # not base64, or not even ASCII
        secrets = []
    if not all(secrets) or not secrets:
        raise ValueError("a secret file holds base64 keys, one per line")
    return secrets


def headers(message_id: str, at_seconds: int, body: bytes, secrets: Sequence[bytes]) -> Mapping[str, str]:
    """The webhook headers; ``at_seconds`` is Unix time. Without secrets nothing is signed."""
    named = {"webhook-id": message_id, "webhook-timestamp": str(at_seconds)}
    if secrets:
        signed = f"{message_id}.{at_seconds}.".encode() + body
        named["webhook-signature"] = " ".join(_signature(secret, signed) for secret in secrets)
    return named


def _signature(secret: bytes, signed: bytes) -> str:
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
