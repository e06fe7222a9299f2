"""The files that pages ask for, named by what is in them too, so that a browser may keep them for ever."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from controller.report.rendering import style

ROOT = "/static/"
_KINDS = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_OURS = ("dashboard.css", "dashboard.js", "icon.svg")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, and its media type."""

    content: bytes
    kind: str


@cache
def assets() -> dict[str, Asset]:
    """All of them, by name."""
    folder = files("controller.dashboard") / "static"
    found = {name: (folder / name).read_bytes() for name in _OURS} | {"report.css": style().encode()}
    return {name: Asset(content, _KINDS[name.rpartition(".")[2]]) for name, content in found.items()}


@cache
def address_of(name: str) -> str:
    """Where a page finds it; another address when its content is another."""
    return f"{ROOT}{name}?v={hashlib.sha256(assets()[name].content).hexdigest()[:12]}"
