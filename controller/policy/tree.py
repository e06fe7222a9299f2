"""A parsed file as a tree in which everything knows its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.policy.faults import Mark, PolicyFault, Source

Location = tuple[str | int, ...]
"""Keys and indices from the root of a file to a field."""


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """One value."""

    mark: Mark
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list."""

    mark: Mark
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A mapping, with the places of its keys."""

    mark: Mark
    values: Mapping[str, "Node"]
    keys: Mapping[str, Mark]


Node = ScalarNode | ListNode | MappingNode


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file. ``faults`` are those of the text itself; the tree leaves out what they concern."""

    source: Source
    root: Node
    faults: tuple[PolicyFault, ...]

    def key_mark(self, location: Location) -> Mark:
        """The place of the key that ends the location; of what is nearest above when there is none."""
        parent = self.find(location[:-1])
        if location and isinstance(parent, MappingNode) and location[-1] in parent.keys:
            return parent.keys[str(location[-1])]
        return self.value_mark(location)

    def value_mark(self, location: Location) -> Mark:
        """The place of the value there; of what is nearest above when there is none."""
        for length in range(len(location), 0, -1):
            node = self.find(location[:length])
            if node is not None:
                # A list or a mapping begins on another line than its key, which is what people look for.
                return node.mark if isinstance(node, ScalarNode) else self._named(location[:length], node)
        return self.root.mark

    def find(self, location: Location) -> Node | None:
        """The node there, if any."""
        node: Node | None = self.root
        for part in location:
            if isinstance(node, MappingNode) and isinstance(part, str):
                node = node.values.get(part)
            elif isinstance(node, ListNode) and isinstance(part, int) and 0 <= part < len(node.items):
                node = node.items[part]
            else:
                return None
        return node

    def _named(self, location: Location, node: Node) -> Mark:
        parent = self.find(location[:-1])
        key = location[-1]
        return parent.keys[str(key)] if isinstance(parent, MappingNode) and key in parent.keys else node.mark


def plain(node: Node) -> Any:
    """The tree as ordinary lists, dictionaries and values."""
    match node:
        case ScalarNode(value=value):
            return value
        case ListNode(items=items):
            return [plain(item) for item in items]
        case MappingNode(values=values):
            return {key: plain(value) for key, value in values.items()}
