"""Lines that fit a terminal: a tree with its guides, long texts wrapped, the rest cut and said to be cut.

**Invariant**: no line is wider than it may be, whatever letters it holds, and what is left out is counted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, chop_cells
from rich.text import Text

from controller.cli.live.glyphs import Glyphs
from controller.domain.wording import printable

_NARROWEST_TEXT = 12
"""Cells that a wrapped text gets at least, before it goes beyond the edge and is cut."""


@dataclass(frozen=True, slots=True)
class Node:
    """A line of a tree. ``body`` follows the head and is wrapped behind it, on ``most`` lines at most.

    ``notes`` stand below it, each wrapped likewise.
    """

    head: Text
    body: str = ""
    style: str = ""
    most: int = 1
    notes: tuple[str, ...] = ()
    below: "tuple[Node, ...]" = field(default=())


def tree(nodes: Sequence[Node], width: int, glyphs: Glyphs, indent: str = "") -> list[Text]:
    """The lines of the nodes and of all below them."""
    lines: list[Text] = []
    for node in nodes:
        last = node is nodes[-1]
        under = indent + (" " * 3 if last else glyphs.line)
        lines += _lines_of(node, width, glyphs, indent + (glyphs.last if last else glyphs.branch), under)
        lines += tree(node.below, width, glyphs, under)
    return lines


def _lines_of(node: Node, width: int, glyphs: Glyphs, first: str, under: str) -> list[Text]:
    head = Text().append(first, style="dim").append_text(node.head)
    room = max(width - head.cell_len, _NARROWEST_TEXT)
    texts = wrapped(node.body, room, node.most, glyphs) if node.body else [""]
    hanging = under + (glyphs.line if node.below else " " * 3)
    behind = hanging.ljust(head.cell_len)
    lines = [head.append(texts[0], style=node.style or None)]
    lines += [_below(behind, text, node.style) for text in texts[1:]]
    for note in node.notes:
        room = max(width - cell_len(hanging), _NARROWEST_TEXT)
        lines += [_below(hanging, text, "dim") for text in wrapped(note, room, node.most, glyphs)]
    return [cut(line, width, glyphs) for line in lines]


def _below(guides: str, text: str, style: str) -> Text:
    return Text().append(guides, style="dim").append(text, style=style or None)


def wrapped(text: str, width: int, most: int, glyphs: Glyphs) -> list[str]:
    """The text on at most so many lines of so many cells; the last ends in an ellipsis if it is cut."""
    words = printable(text).split()
    if cell_len(whole := " ".join(words)) <= width:
        return [whole]
    lines, line = [], ""
    for word in words:
        for part in chop_cells(word, max(width, 1)):
            joined = f"{line} {part}" if line else part
            if cell_len(joined) > width:
                lines.append(line)
                line = part
            else:
                line = joined
    lines.append(line)
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], shortened(" ".join(lines[most - 1 :]), width, glyphs)]


def shortened(text: str, width: int, glyphs: Glyphs) -> str:
    """The text in so many cells."""
    return cut(Text(text), width, glyphs).plain


def cut(line: Text, width: int, glyphs: Glyphs) -> Text:
    """The line, with an ellipsis where it is cut; as it is if it fits."""
    if line.cell_len <= width:
        return line
    kept = line.copy()
    ending = glyphs.ellipsis if width > len(glyphs.ellipsis) else ""
    kept.truncate(max(width - cell_len(ending), 0), overflow="crop")
    return kept.append(ending)


def fitted(
    drawn: Callable[[int], list[Text]], levels: int, width: int, height: int, glyphs: Glyphs
) -> list[Text]:
    """The richest picture that fits; else of the poorest as much as fits, and how much is missing.

    ``drawn`` takes a level, 0 for all there is to show, ``levels`` - 1 for the least.
    """
    lines: list[Text] = []
    for level in range(levels):
        lines = drawn(level)
        if len(lines) <= height:
            return lines
    missing = len(lines) - height + 1
    more = Text(f"{glyphs.ellipsis} {missing} more lines", style="dim")
    return [*lines[: max(height - 1, 0)], cut(more, width, glyphs)][:height]
