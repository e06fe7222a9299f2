"""What the daemons wrote, as the proxies before the API server recorded it, in the server's own order."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from controller.adapters.store.codec import decode_rollout
from controller.domain.model import Rollout
from tests.kube.recording import Recorded

Obj = dict[str, Any]

EPOCH = "serinus.dev/epoch"
_EPOCH_PATH = "/metadata/annotations/serinus.dev~1epoch"
"""A shard's own on a route has a suffix."""
_PATH = re.compile(r"/apis/[^/]+/[^/]+/namespaces/([^/]+)/(httproutes|modelrollouts)/([^/]+)(?:/([^/]+))?")


@dataclass(frozen=True, slots=True)
class Write:
    """One patch of a route or a ModelRollout that the server took.

    ``version`` is the resourceVersion that it led to, which orders all writes of all daemons; ``epoch`` what
    the patch claims, None if it claims none; ``obj`` the object as it was then.
    """

    version: int
    daemon: str
    at: float
    kind: str
    name: str
    subresource: str
    operations: tuple[Obj, ...]
    epoch: int | None
    obj: Obj

    def __str__(self) -> str:
        subresource = f"/{self.subresource}" if self.subresource else ""
        return f"{self.daemon}'s write {self.version} of {self.kind}/{self.name}{subresource}"

    @property
    def stamps(self) -> bool:
        """Whether it does nothing but take the object over."""
        paths = {each["path"] for each in self.operations if each["op"] != "test"}
        return paths <= {
            *(path for path in paths if path.startswith(_EPOCH_PATH)),
            "/metadata/annotations",
            "/metadata/finalizers",
            "/metadata/finalizers/-",
        }

    @property
    def record(self) -> Rollout | None:
        """The rollout's record in a ModelRollout."""
        text = self.obj.get("status", {}).get("record") if self.kind == "modelrollouts" else None
        return decode_rollout(text.encode()) if text else None


def writes(recorded: Mapping[str, Iterable[Recorded]]) -> list[Write]:
    """All patches that were applied, by the order in which the server took them; keys name the daemons."""
    found = [
        write
        for daemon, requests in recorded.items()
        for request in requests
        if request.applied and (write := _write(daemon, request)) is not None
    ]
    return sorted(found, key=lambda write: write.version)


def unknown(recorded: Mapping[str, Iterable[Recorded]]) -> list[str]:
    """Patches of which nobody knows whether the server took them: a checker must not overlook them."""
    return [
        f"{daemon}: {request.method} {request.path}: the server's answer is not known"
        for daemon, requests in recorded.items()
        for request in requests
        if request.write and _PATH.fullmatch(request.path) and request.applied and not request.server_body
    ]


def _write(daemon: str, request: Recorded) -> Write | None:
    place = _PATH.fullmatch(request.path)
    if place is None or request.method != "PATCH" or not request.server_body:
        return None
    operations = tuple(json.loads(request.body))
    obj = json.loads(request.server_body)
    return Write(
        version=int(obj["metadata"]["resourceVersion"]),
        daemon=daemon,
        at=request.at,
        kind=place[2],
        name=place[3],
        subresource=place[4] or "",
        operations=operations,
        epoch=_epoch(operations),
        obj=obj,
    )


def _epoch(operations: Iterable[Obj]) -> int | None:
    """The writer's own: what it adds, else what it tests for."""
    claimed: int | None = None
    for operation in operations:
        value = operation.get("value")
        if operation["path"] == "/metadata/annotations" and isinstance(value, dict):
            value = next((text for key, text in value.items() if key.startswith(EPOCH)), None)
        elif not operation["path"].startswith(_EPOCH_PATH):
            continue
        if isinstance(value, str) and (claimed is None or operation["op"] != "test"):
            claimed = int(value.split()[0])
    return claimed
