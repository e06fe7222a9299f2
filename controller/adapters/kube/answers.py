"""What an answer of the API server means: its JSON, or the error to raise. Pure.

**Source**: Kubernetes API concepts, and the type Status of meta/v1. A JSON Patch that cannot be applied,
because a ``test`` fails or a path is missing, is 422 with reason Invalid, as an invalid object is, but its
text is always the same and its details name nothing: the API server makes it by `NewGenericServerResponse`,
without a resource or the cause (apiserver/pkg/endpoints/handlers/patch.go, `applyJSPatch`, alike in releases
from 1.16 to this day; measured on 1.20). Validation names kind, object and causes; an admission webhook
writes a text of its own.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from controller.adapters.kube.errors import Expired, Forbidden, NotFound, NotServed, Rejected
from controller.adapters.kube.resources import Obj, Resource
from controller.errors import Conflict, ControllerError, TransientError

_NOT_APPLICABLE = "the server rejected our request due to an error in our request"
_UNKNOWN_PATH = b"404 page not found"
_RBAC = re.compile(r'User ".*" cannot ')
_SHOWN_CHARACTERS = 300
_LONGEST_WAIT_SECONDS = 3600
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_WRITES = frozenset({"create", "patch", "delete"})


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked, in RBAC's words."""

    verb: str
    resource: Resource
    namespace: str | None = None
    name: str | None = None
    subresource: str | None = None

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.verb in _WRITES

    def __str__(self) -> str:
        place = "/".join(part for part in (self.namespace, self.name) if part)
        kind = f"{self.resource}/{self.subresource}" if self.subresource else str(self.resource)
        return f"{self.verb} {kind} {place}".rstrip()


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list. ``following`` asks for the next, empty at the end."""

    items: list[Obj]
    version: str
    following: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """``type`` is ADDED, MODIFIED, DELETED or BOOKMARK; a bookmark's object has a resourceVersion only."""

    type: str
    object: Obj


def parsed(call: Call, body: bytes | bytearray) -> Obj:
    """The JSON object of a good answer. Raises `TransientError` when it is none."""
    reply = _json(body)
    if reply is None:
        raise TransientError(f"{call}: the answer is not the JSON of the Kubernetes API")
    return reply


def is_missing(status: int, body: bytes | bytearray) -> bool:
    """Whether the answer says that the object does not exist, which is not: the kind does not exist."""
    return status == HTTPStatus.NOT_FOUND and _names_object(_json(body))


def refusal(call: Call, status: int, headers: Mapping[str, str], body: bytes | bytearray) -> ControllerError:
    """The error that an answer without success stands for."""
    reply = _json(body)
    said = _said(reply)
    text = f"{call}: {said}" if said else f"{call}: the API server answered HTTP {status}"
    wait = _asked_wait(headers, reply)
    match status:
        case HTTPStatus.NOT_FOUND if _names_object(reply):
            return NotFound(text)
        case HTTPStatus.NOT_FOUND if reply is not None or body.strip() == _UNKNOWN_PATH:
            kind = call.resource
            return NotServed(f"the API server has no {kind} {kind.version}. Install their CRD.")
        case HTTPStatus.CONFLICT:
            return Conflict(text, wait)
        case HTTPStatus.GONE:
            return Expired(text)
        case HTTPStatus.UNPROCESSABLE_ENTITY if _is_not_applicable(reply):
            return Conflict(f"{call}: the object is not as it was read")
        case HTTPStatus.UNAUTHORIZED:
            return TransientError(
                f"{call}: HTTP 401, the credentials are not accepted. Check the token.", wait
            )
        case HTTPStatus.FORBIDDEN if reply is not None and _RBAC.search(str(reply.get("message"))):
            return Forbidden(f"{call} is not allowed. Add to the Role: {_rule(call)}")
    # What is no JSON comes from something before the API server, which knows nothing of the object.
    final = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _PASSING
    return Rejected(text) if final and reply is not None else TransientError(text, wait)


def page_of(call: Call, reply: Obj) -> Page:
    """A page, its items with the kind that the server leaves out. Raises `TransientError` for no list."""
    match reply:
        case {"metadata": {"resourceVersion": str(version), **metadata}, "items": [*items]} if all(
            map(_is_object, items)
        ):
            following = metadata.get("continue")
            named = {"apiVersion": call.resource.api_version, "kind": call.resource.kind}
            items = [{**named, **item} for item in items]
            return Page(items, version, following if isinstance(following, str) else "")
        case {"metadata": {"resourceVersion": str(version)}, "items": None}:
            return Page([], version, "")
    raise TransientError(f"{call}: the answer is not a list of the Kubernetes API")


def watch_event(call: Call, line: bytes | bytearray) -> WatchEvent:
    """One line of a watch. Raises `Expired` when it says HTTP 410, else `TransientError` if it is none."""
    match _json(line):
        case {"type": "ERROR", "object": status}:
            reply = status if isinstance(status, dict) else {}
            text = f"{call}: {_said(reply) or 'the API server ended the watch with an error'}"
            raise Expired(text) if reply.get("code") == HTTPStatus.GONE else TransientError(text)
        case {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str()}} as seen}:
            return WatchEvent("BOOKMARK", seen)
        case {"type": str(kind), "object": dict(seen)} if _is_object(seen):
            return WatchEvent(kind, seen)
    raise TransientError(f"{call}: a line of the watch is not an event of the Kubernetes API")


def _is_object(value: object) -> bool:
    match value:
        case {"metadata": {"name": str(), "resourceVersion": str(), **metadata}}:
            return isinstance(metadata.get("namespace", ""), str)
    return False


def _json(body: bytes | bytearray) -> Obj | None:
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return reply if isinstance(reply, dict) else None


def _said(reply: Obj | None) -> str:
    """The server's own words, printable and short."""
    message = (reply or {}).get("message")
    if not isinstance(message, str):
        return ""
    words = "".join(mark if mark.isprintable() else " " for mark in message[: 2 * _SHOWN_CHARACTERS])
    words = " ".join(words.split())
    return words if len(words) <= _SHOWN_CHARACTERS else words[: _SHOWN_CHARACTERS - 1] + "…"


def _names_object(reply: Obj | None) -> bool:
    """When the kind is unknown the server names none."""
    details = (reply or {}).get("details")
    return isinstance(details, dict) and bool(details.get("name"))


def _is_not_applicable(reply: Obj | None) -> bool:
    if reply is None or reply.get("message") != _NOT_APPLICABLE:
        return False
    details = reply.get("details")
    return not isinstance(details, dict) or not any(details.get(key) for key in ("kind", "name", "causes"))


def _rule(call: Call) -> str:
    resource = call.resource
    plural = f"{resource.plural}/{call.subresource}" if call.subresource else resource.plural
    return json.dumps({"apiGroups": [resource.group], "resources": [plural], "verbs": [call.verb]})


def _asked_wait(headers: Mapping[str, str], reply: Obj | None) -> timedelta | None:
    """The wait that the server asks for, in seconds, by the header or by the body."""
    details = (reply or {}).get("details")
    for value in (
        headers.get("Retry-After"),
        details.get("retryAfterSeconds") if isinstance(details, dict) else None,
    ):
        text = str(value).strip()
        if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0:  # noqa: PLR2004
            return timedelta(seconds=min(int(text), _LONGEST_WAIT_SECONDS))
    return None
