"""Draws transitions as SVG: places of the phases are chosen by hand here, arrows come from the table.

A picture and no Mermaid, because the site must show it without a script of others. The colours can be read on
light and on dark ground, since an image does not know which of the two it lies on.
"""
# ruff: noqa: INP001 - a folder of documents, not a package

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

Place = tuple[float, float]
"""Column and row."""
Arrow = tuple[str, str, str]
"""From, to, and what it is called."""

_COLUMN, _ROW = 168, 100
_BOX_WIDTH, _BOX_HEIGHT = 112, 34
_MARGIN = 40
_LETTER = 6.6
_BEND = 0.12
_LABEL_AT = 0.38
"""Of the way: before the middle, where arrows cross."""
_ENDS = frozenset({"Succeeded", "RolledBack", "NotDeployed", "Superseded", "Aborted"})
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#fff;text-anchor:middle;dominant-baseline:central}"
    ".l{font-size:11px}path{fill:none;stroke:#80868b;stroke-width:1.5;marker-end:url(#a)}"
    ".b{fill:#00695c}.e{fill:#37474f}.p{fill:#6b7075}"
)


@dataclass(frozen=True, slots=True)
class _Curve:
    """A quadratic curve."""

    start: Place
    middle: Place
    end: Place

    def at(self, part: float) -> Place:
        left = 1 - part
        x, y = (
            left * left * start + 2 * left * part * middle + part * part * end
            for start, middle, end in zip(self.start, self.middle, self.end, strict=True)
        )
        return x, y


def drawing(title: str, places: Mapping[str, Place], arrows: Iterable[Arrow]) -> str:
    """The picture. Raises KeyError for a phase that has no place."""
    arrows = list(arrows)
    pairs = {(source, target) for source, target, _ in arrows}
    points = {name: _point(place) for name, place in places.items()}
    lines, labels = [], []
    for source, target, name in arrows:
        bent = (target, source) in pairs or _passes_a_box(places, source, target)
        curve = _curve(points[source], points[target], bend=_BEND if bent else 0.0)
        lines.append(_path(curve))
        labels.append(_label(curve, name))
    width = max(x for x, _ in points.values()) + _BOX_WIDTH / 2 + _MARGIN
    height = max(y for _, y in points.values()) + _BOX_HEIGHT / 2 + _MARGIN
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" role="img"'
        f' viewBox="0 0 {width:g} {height:g}" width="{width:g}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" orient="auto"'
        ' markerWidth="7" markerHeight="7">'
        '<polygon points="0,0 8,4 0,8" fill="#80868b"/></marker></defs>'
    )
    return "\n".join([head, *lines, *(_box(name, at) for name, at in points.items()), *labels, "</svg>", ""])


def _point(place: Place) -> Place:
    return _MARGIN + _BOX_WIDTH / 2 + place[0] * _COLUMN, _MARGIN + _BOX_HEIGHT / 2 + place[1] * _ROW


def _passes_a_box(places: Mapping[str, Place], source: str, target: str) -> bool:
    """Whether another phase lies on the straight way, which in a row is seen from the places."""
    (left, row), (right, other) = sorted((places[source], places[target]))
    return row == other and any(y == row and left < x < right for x, y in places.values())


def _curve(start: Place, end: Place, *, bend: float) -> _Curve:
    (x, y), (to_x, to_y) = start, end
    if start == end:
        bottom = y + _BOX_HEIGHT / 2
        return _Curve((x + 8, bottom), (x - 14, bottom + 62), (x - 36, bottom))
    middle = (
        (x + to_x) / 2 + (to_y - y) * bend,
        (y + to_y) / 2 - abs(to_x - x) * bend * (1 if to_x > x else -1),
    )
    return _Curve(_edge(start, middle), middle, _edge(end, middle))


def _edge(box: Place, towards: Place) -> Place:
    """Where the way out of a box crosses its border."""
    across, down = towards[0] - box[0], towards[1] - box[1]
    part = min(
        _BOX_WIDTH / 2 / abs(across) if across else 9e9, (_BOX_HEIGHT / 2 + 2) / abs(down) if down else 9e9
    )
    return box[0] + across * part, box[1] + down * part


def _path(curve: _Curve) -> str:
    (a, b), (c, d), (e, f) = curve.start, curve.middle, curve.end
    return f'<path d="M{a:.0f},{b:.0f} Q{c:.0f},{d:.0f} {e:.0f},{f:.0f}"/>'


def _box(name: str, at: Place) -> str:
    kind = "e" if name in _ENDS else "b"
    left, top = at[0] - _BOX_WIDTH / 2, at[1] - _BOX_HEIGHT / 2
    rect = (
        f'<rect class="{kind}" x="{left:g}" y="{top:g}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="6"/>'
    )
    return f'{rect}<text x="{at[0]:g}" y="{at[1]:g}">{escape(name)}</text>'


def _label(curve: _Curve, name: str) -> str:
    x, y = curve.at(_LABEL_AT)
    width = len(name) * _LETTER + 8
    rect = f'<rect class="p" x="{x - width / 2:.0f}" y="{y - 8:.0f}" width="{width:.0f}" height="16" rx="8"/>'
    return f'{rect}<text class="l" x="{x:.0f}" y="{y:.0f}">{escape(name)}</text>'
