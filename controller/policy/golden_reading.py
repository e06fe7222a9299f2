"""The golden files that a policy names: for its validation, and for its checks."""

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from controller.policy.faults import PolicyFault
from controller.policy.golden_file import parse_golden
from controller.policy.source import UnreadableError
from controller.policy.tree import Document, Location, MappingNode, ScalarNode

ReadBeside = Callable[[str], bytes]
"""Reads a file named in a policy, by its path from the policy's folder. Raises `UnreadableError`."""


def read_golden(document: Document, read: ReadBeside) -> tuple[tuple[bytes, ...], tuple[PolicyFault, ...]]:
    """The bytes of each file that is named, in the order of the policy, and the faults of all."""
    model = document.find(("model",))
    named = str(model.value) if isinstance(model, ScalarNode) else ""
    found: dict[str, bytes] = {}
    faults: dict[str, tuple[PolicyFault, ...]] = {}
    for place, node in _named(document):
        name = str(node.value)
        if name in found or name in faults:
            continue
        try:
            raw = read(name)
        except UnreadableError as error:
            suggestion = "golden is a path from the policy's own folder, such as golden/fraud-detector.yaml"
            field = ".".join(map(str, place))
            faults[name] = (PolicyFault(document.source, node.mark, field, str(error), suggestion),)
            continue
        path = str(PurePosixPath(document.source.path).parent / name)
        parsed = parse_golden(raw, path, named)
        if isinstance(parsed, tuple):
            faults[name] = parsed
        else:
            found[name] = raw
    return tuple(found.values()), tuple(fault for each in faults.values() for fault in each)


def _named(document: Document) -> Iterator[tuple[Location, ScalarNode]]:
    """Where the policy names a golden file, and the name."""
    places: list[Location] = [("validation", "golden")]
    checks = document.find(("checks",))
    if isinstance(checks, MappingNode):
        places += [("checks", name, "golden") for name in checks.values]
    for place in places:
        node = document.find(place)
        if isinstance(node, ScalarNode) and isinstance(node.value, str) and node.value:
            yield place, node
