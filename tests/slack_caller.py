"""Slack's end of a pressed button: the payload, its signature, and the call.

**Source**: Slack, "block_actions payload" and "Verifying requests from Slack", written anew here: the tests
must not sign with what they test.
"""

import hashlib
import hmac
import json
import time
from http.client import HTTPConnection
from itertools import count
from typing import Any
from urllib.parse import urlencode

PATH = "/slack/interactions"
_TRIGGERS = count(1)


def button_in(message: dict[str, Any], word: str) -> dict[str, Any]:
    """The button of a message that Slack was given."""
    found = {
        element["action_id"]: element
        for block in message["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
    }
    button: dict[str, Any] = found[f"serinus_{word}"]
    return button


def interaction(action_id: str, value: str, user: str = "U012AB3CD", channel: str = "C01") -> bytes:
    """The body of a press, each with a trigger of its own."""
    payload = {
        "type": "block_actions",
        "user": {"id": user, "username": "ann", "name": "ann", "team_id": "T01"},
        "api_app_id": "A01",
        "token": "the deprecated verification token",
        "container": {"type": "message", "message_ts": "1764000000.000001", "channel_id": channel},
        "trigger_id": f"12321423423.333649436676.{next(_TRIGGERS)}",
        "team": {"id": "T01", "domain": "example"},
        "enterprise": None,
        "is_enterprise_install": False,
        "channel": {"id": channel, "name": "ml-releases"},
        "message": {"type": "message", "text": "fraud: v1 → v2"},
        "response_url": "https://hooks.slack.com/actions/T01/1/never-called",
        "actions": [
            {
                "action_id": action_id,
                "block_id": "b1",
                "text": {"type": "plain_text", "text": "Press"},
                "value": value,
                "type": "button",
                "action_ts": "1764000001.000001",
            }
        ],
    }
    return urlencode({"payload": json.dumps(payload)}).encode()


def signed(body: bytes, secret: str, at: float | None = None) -> dict[str, str]:
    """The headers of a call that Slack makes at an instant of Unix time."""
    timestamp = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256)
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": f"v0={digest.hexdigest()}",
    }


def call(port: int, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Status and text of the answer to a POST on loopback."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", PATH, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
