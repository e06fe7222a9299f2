"""A fault in a policy file, with what it takes to show it: the place, the field, the line, what to do.

Lines and columns count from 1; columns count characters.
"""

from dataclasses import dataclass

from controller.errors import PolicyError

MOST_FAULTS = 100
"""A file with more gets the first ones; nobody reads further, and hostile files make thousands."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where something stands in a text, and how many characters of that line it takes."""

    line: int = 1
    column: int = 1
    length: int = 1


class PolicyFault(PolicyError):
    """One fault, ready to be shown. ``field`` is empty when the file as a whole is meant."""

    def __init__(self, source: "Source", mark: Mark, field: str, sentence: str, suggestion: str = "") -> None:
        super().__init__(source.path, mark.line, mark.column, f"{field}: {sentence}" if field else sentence)
        self.field = field
        self.sentence = sentence
        self.suggestion = suggestion
        self.length = mark.length
        self.source_line = source.line(mark.line)


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text, the same by lines, and the path that people know it by."""

    path: str
    text: str = ""
    lines: tuple[str, ...] = ()

    def line(self, number: int) -> str:
        """The line with this number; empty past the end."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""


def field_name(location: tuple[str | int, ...]) -> str:
    """A location in the dotted form people read: ``steps[2].weight``."""
    name = ""
    for part in location:
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else part
    return name
