"""The two files that Envoy reads, as values: routes by path prefix, clusters by name.

Pure. An entry that does not change keeps its bytes, whoever wrote it: nobody's edit of one model is lost
because another model changed. Versions are ``epoch-sequence``, so that of two the newer can be told.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from controller.adapters.traffic.envoy_config import NAMESPACE, PATH_INPUT, VERSION_HEADER, Json, ModelRoute
from controller.adapters.traffic.envoy_reading import parse_route

ROUTE_CONFIG = "serinus"
MAX_FILE_BYTES = 256 << 20

_ROUTES_TYPE = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
_VERSION = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)
# One header for all models, with the version from the cluster's metadata: a header per cluster of each route
# would make the file a third larger, and Envoy's time to load it with it.
_HEADERS: list[Json] = [
    {
        "header": {"key": VERSION_HEADER, "value": f"%CLUSTER_METADATA({NAMESPACE}:version)%"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
]

# Stands in the frame of a file where the entries come. They are kept as text: to write a thousand of them
# anew at each change of one would take longer than all else that Serinus does for it.
_HERE = "\0entries\0"

T = TypeVar("T")

Changes = Mapping[str, Json | None]
"""New entries by key; None removes."""


class CorruptFileError(Exception):
    """A file of the folder is not what Envoy could read; the message says in what way."""


def order(version: str) -> tuple[int, int]:
    """Epoch and sequence number of a version of ours, (0, 0) of any other."""
    found = _VERSION.fullmatch(version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


@dataclass(frozen=True, slots=True)
class Routes:
    """``rds.json``. ``models`` gives each model's entry with its key; ``other_hosts`` are not ours."""

    version: str = ""
    entries: Mapping[str, Json] = field(default_factory=dict)
    models: Mapping[str, tuple[str, ModelRoute]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    other_hosts: tuple[Json, ...] = ()

    def changed(self, changes: Changes, version: str) -> Self:
        """The document with some entries replaced or removed."""
        models = {model: found for model, found in self.models.items() if found[0] not in changes}
        for prefix, entry in changes.items():
            if entry and (parsed := parse_route(entry)):
                models[parsed.model] = (prefix, parsed)
        entries, texts = _merged(self.entries, changes), _merged(self.texts, _written(changes))
        return type(self)(version, entries, models, texts, self.other_hosts)

    def rendered(self) -> bytes:
        """The file's content."""
        hosts = list(self.other_hosts)
        if self.entries:  # Envoy takes a host without routes, but not a matcher tree without entries
            tree = {"input": PATH_INPUT, "prefix_match_map": {"map": _HERE}}
            host: Json = {"name": ROUTE_CONFIG, "domains": ["*"], "response_headers_to_add": _HEADERS}
            hosts.append({**host, "matcher": {"matcher_tree": tree}})
        config = {"@type": _ROUTES_TYPE, "name": ROUTE_CONFIG, "virtual_hosts": hosts}
        pieces = ",".join(f"{_text(prefix)}:{entry}" for prefix, entry in self.texts.items())
        return _around(_response(self.version, [config]), f"{{{pieces}}}")

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read the file. Raises `CorruptFileError`."""
        version, resources = _parse_response(content)
        match resources:
            case [{"name": "serinus"} as config] if isinstance(config.get("virtual_hosts", []), list):
                hosts = config.get("virtual_hosts", [])
            case []:
                hosts = []
            case _:
                raise CorruptFileError(
                    f"it does not hold exactly one route configuration named {ROUTE_CONFIG}"
                )
        entries: dict[str, Json] = {}
        others: list[Json] = []
        for host in hosts:
            match host:
                case {
                    "name": "serinus",
                    "matcher": {"matcher_tree": {"prefix_match_map": {"map": dict(found)}}},
                }:
                    entries = found
                case _:
                    others.append(host)
        return cls(other_hosts=tuple(others)).changed(entries, version)


@dataclass(frozen=True, slots=True)
class Clusters:
    """``cds.json``."""

    version: str = ""
    entries: Mapping[str, Json] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    def changed(self, changes: Changes, version: str) -> Self:
        """The document with some clusters replaced or removed."""
        texts = _merged(self.texts, _written(changes))
        return type(self)(version, _merged(self.entries, changes), texts)

    def rendered(self) -> bytes:
        """The file's content."""
        return _around(_response(self.version, _HERE), f"[{','.join(self.texts.values())}]")

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read the file. Raises `CorruptFileError`."""
        version, resources = _parse_response(content)
        entries: dict[str, Json] = {}
        for cluster in resources:
            match cluster:
                case {"name": str(name)}:
                    entries[name] = cluster
                case _:
                    raise CorruptFileError("a cluster has no name")
        return cls().changed(entries, version)


def _merged(old: Mapping[str, T], changes: Mapping[str, T | None]) -> dict[str, T]:
    merged = {**old, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def _written(changes: Changes) -> dict[str, str | None]:
    return {key: None if entry is None else _text(entry) for key, entry in changes.items()}


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _response(version: str, resources: Any) -> str:
    return _text({"version_info": version, "resources": resources})


def _around(frame: str, content: str) -> bytes:
    before, found, after = frame.rpartition(_text(_HERE))
    return f"{before}{content}{after}".encode() if found else frame.encode()


def _parse_response(content: bytes) -> tuple[str, list[Any]]:
    if len(content) > MAX_FILE_BYTES:
        raise CorruptFileError(f"it has {len(content)} bytes, the limit is {MAX_FILE_BYTES}")
    try:
        document = json.loads(content)
    except RecursionError as error:
        raise CorruptFileError("it is nested too deeply") from error
    except ValueError as error:
        raise CorruptFileError(f"it is not JSON: {error}") from error
    match document:
        case {"resources": list(resources)}:
            return str(document.get("version_info", "")), resources
    raise CorruptFileError("it is not a discovery response: it has no list of resources")
