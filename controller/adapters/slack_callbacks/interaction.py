"""What Slack says when somebody pressed a button, parsed as if an enemy had written it.

**Invariant**: nothing of it is used but ids of a known shape. Its ``response_url`` is an address from outside
and is never called.

**Source**: Slack, "block_actions payload": a form with one field ``payload``, which holds JSON.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from controller.adapters.notify.slack_buttons import ACTION_PREFIX, BUTTONS, ButtonValue
from controller.domain.model import CommandKind

_KINDS = {f"{ACTION_PREFIX}{kind}": kind for kind in BUTTONS}
_REQUEST_ID_DIGITS = 40


@dataclass(frozen=True, slots=True)
class Press:
    """One press of one button. ``request_id`` is made of what Slack signed, so a repeat has the same."""

    user: str
    channel: str
    kind: CommandKind
    value: ButtonValue
    request_id: str


class _Part(BaseModel):
    """Slack's payloads have more than is used here, and get more."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class _User(_Part):
    id: Annotated[str, Field(pattern=r"^[UW][A-Z0-9]{1,30}$")]


class _Channel(_Part):
    id: Annotated[str, Field(pattern=r"^[CDG][A-Z0-9]{1,30}$")]


class _Action(_Part):
    action_id: Annotated[str, Field(max_length=255)]
    value: Annotated[str, Field(max_length=2000)] = ""


class _Kind(_Part):
    type: Annotated[str, Field(max_length=255)]


class _Actions(_Part):
    actions: Annotated[list[_Action], Field(min_length=1, max_length=25)]


class _Where(_Part):
    user: _User
    channel: _Channel


def delivery_of(body: bytes) -> str:
    """What tells one delivery from another: each press has a trigger of its own in its body."""
    return hashlib.sha256(body).hexdigest()


def press_of(body: bytes) -> Press | None:
    """The press; None for what Slack may send and nobody here asked for, a link that was followed among it.

    Raises `ValueError` for what is no interaction of Slack's, without a word of it.
    """
    try:
        payload = _payload(body)
        if _Kind.model_validate_json(payload).type != "block_actions":
            return None
        action = _Actions.model_validate_json(payload).actions[0]
        if (kind := _KINDS.get(action.action_id)) is None:
            return None
        where = _Where.model_validate_json(payload)
        value = ButtonValue.model_validate_json(action.value)
    except (ValidationError, UnicodeError):
        raise ValueError("this is no interaction of Slack's") from None
    request_id = f"slack-{delivery_of(body)[:_REQUEST_ID_DIGITS]}"
    return Press(where.user.id, where.channel.id, kind, value, request_id)


def _payload(body: bytes) -> str:
    fields = parse_qsl(
        body.decode("utf-8"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=4
    )
    found = [value for name, value in fields if name == "payload"]
    if len(found) != 1:
        raise ValueError("the form has one field payload")
    return found[0]
