"""Draws a chart as SVG, on the server: no script, nothing fetched, colours and dashes by the page's style.

**Invariants**: every number written is finite and lies within the picture; every text is escaped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from math import isfinite
from typing import NewType

from controller.domain.wording import printable
from controller.report.scales import spread, ticks, time_ticks

Svg = NewType("Svg", str)
"""Markup that may stand in a page as it is."""

_LETTER = 7.5
"""The width of a bold letter of the labels, about."""
_LINE = 14.0
_TOP, _LEFT, _RIGHT, _BELOW, _STRIP = 26.0, 52.0, 116.0, 34.0, 16.0
_SEEN = 3.0
"""The width that is seen, however short a band lasts."""
_LARGEST = 1e100
_MOST_RATIO = 4.0
"""A limit this many times above all that was measured would press the lines flat."""


@dataclass(frozen=True, slots=True)
class Line:
    """Points are seconds and value, in order of time; a value that is None or not finite is a gap.

    ``kind`` is its class in the page's style. ``guide`` lines are drawn if they are near enough; without a
    ``label`` none is written.
    """

    kind: str
    label: str
    points: Sequence[tuple[float, float | None]]
    stepped: bool = False
    guide: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A span of time on the strip below the axis; ``height``, 0 to 1, tells kinds apart without colour."""

    begin: float
    end: float
    kind: str
    label: str = ""
    height: float = 1.0


@dataclass(frozen=True, slots=True)
class Chart:
    """What is to be drawn. ``key`` is unique in the page; ``mark`` is the moment that matters, named."""

    key: str
    title: str
    description: str
    seconds: float
    lines: Sequence[Line]
    bands: Sequence[Band]
    amount: Callable[[float], str]
    time: Callable[[float], str]
    mark: tuple[float, str] | None = None


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where the plot is in the picture, and what its edges mean."""

    left: float
    right: float
    top: float
    bottom: float
    seconds: float
    low: float
    high: float

    def x(self, seconds: float) -> float:
        part = seconds / self.seconds if self.seconds > 0 and isfinite(seconds) else 0.0
        return self.left + min(max(part, 0.0), 1.0) * (self.right - self.left)

    def y(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return self.bottom - min(max(part, 0.0), 1.0) * (self.bottom - self.top)


def draw(chart: Chart, width: int, height: int) -> Svg:
    """The picture, ``width`` by ``height`` user units; it takes the width that the page gives it."""
    values = ticks(*_range(chart.lines))
    frame = _Frame(
        _LEFT, width - _RIGHT, _TOP, height - _BELOW - _STRIP, chart.seconds, values[0], values[-1]
    )
    title, description = f"{chart.key}-title", f"{chart.key}-description"
    return _element(
        "svg",
        {
            "viewBox": f"0 0 {width} {height}",
            "role": "img",
            "aria-labelledby": title,
            "aria-describedby": description,
        },
        _element("title", {"id": title}, _text(chart.title)),
        _element("desc", {"id": description}, _text(chart.description)),
        *_grid(chart, frame, values),
        *_strip(chart.bands, frame),
        *(path for line in chart.lines if not _beyond(line, frame) for path in _line(line, frame)),
        *_mark(chart.mark, frame),
        *_labels(chart, frame),
    )


def _range(lines: Sequence[Line]) -> tuple[float, float]:
    """From 0, or below it where values are; guides are seen where that does not press the others flat."""
    measured = [value for line in lines if not line.guide for value in _finite(line)]
    guides = [value for line in lines if line.guide for value in _finite(line)]
    top = max(measured, default=0.0)
    near = [value for value in guides if not measured or top <= 0 or value <= _MOST_RATIO * top]
    everything = [0.0, *measured, *near]
    return min(everything), max(everything)


def _finite(line: Line) -> list[float]:
    return [value for _, value in line.points if value is not None and _drawable(value)]


def _drawable(value: float) -> bool:
    """Whether an axis can have it."""
    return isfinite(value) and abs(value) < _LARGEST


def _beyond(line: Line, frame: _Frame) -> bool:
    """Whether all of a guide lies above the picture."""
    return line.guide and all(value > frame.high for value in _finite(line))


def _grid(chart: Chart, frame: _Frame, values: Sequence[float]) -> list[Svg]:
    drawn = []
    for value in values:
        y = frame.y(value)
        kind = "axis" if value == values[0] else "grid"
        drawn.append(_straight(kind, frame.left, y, frame.right, y))
        drawn.append(_label("tick end", frame.left - 6, y + 4, chart.amount(value)))
    room = max(int((frame.right - frame.left) / 62), 2)
    for seconds in time_ticks(frame.seconds, room):
        x = frame.x(seconds)
        drawn.append(_straight("axis", x, frame.bottom, x, frame.bottom + 4))
        drawn.append(_label("tick middle", x, frame.bottom + _STRIP + 20, chart.time(seconds)))
    return drawn


def _strip(bands: Sequence[Band], frame: _Frame) -> list[Svg]:
    drawn = []
    for band in bands:
        end = max(frame.x(band.end), frame.left + _SEEN)
        begin = min(frame.x(band.begin), end - _SEEN)
        full = _STRIP - 6
        height = full * min(max(band.height, 0.1), 1.0)
        box = {"x": begin, "y": frame.bottom + 5 + full - height, "width": end - begin, "height": height}
        attributes = {"class": f"band {band.kind}", **{name: _number(at) for name, at in box.items()}}
        drawn.append(_element("rect", attributes))
        if band.label and len(band.label) * _LETTER < end - begin:
            drawn.append(_label("phase middle", (begin + end) / 2, frame.bottom + 5 + full - 1, band.label))
    return drawn


def _line(line: Line, frame: _Frame) -> list[Svg]:
    """A path with a piece for each run of values, and one of dots for the runs of one."""
    pieces: list[str] = []
    dots: list[str] = []
    known = groupby(line.points, lambda point: point[1] is not None and _drawable(point[1]))
    for finite, run in known:
        if finite:
            places = [(frame.x(at), frame.y(value or 0.0)) for at, value in run]
            (pieces if len(places) > 1 else dots).append(_run(places, stepped=line.stepped))
    return [
        _element("path", {"class": f"{kind} {line.kind}", "d": " ".join(path)})
        for kind, path in (("line", pieces), ("line dot", dots))
        if path
    ]


def _run(places: Sequence[tuple[float, float]], *, stepped: bool) -> str:
    x, y = places[0]
    path = [f"M{_number(x)} {_number(y)}"]
    for x, y in places[1:]:
        path.append(f"H{_number(x)}V{_number(y)}" if stepped else f"L{_number(x)} {_number(y)}")
    return " ".join(path) if len(places) > 1 else f"{path[0]}h0"


def _mark(mark: tuple[float, str] | None, frame: _Frame) -> list[Svg]:
    if mark is None:
        return []
    x, said = frame.x(mark[0]), _cut(mark[1], frame.right + _RIGHT - 4)
    half = len(said) * _LETTER / 2
    middle = min(max(x, half + 2), frame.right + _RIGHT - half - 2)
    return [
        _straight("decision", x, frame.top - 6, x, frame.bottom),
        _label("decision-label middle", middle, frame.top - 11, said),
    ]


def _labels(chart: Chart, frame: _Frame) -> list[Svg]:
    """The lines' names and last values, beside their ends."""
    ended = [(line, values[-1]) for line in chart.lines if line.label and (values := _finite(line))]
    wanted = [frame.y(value) + 4 for _, value in ended]
    places = spread(wanted, _LINE, frame.top + 4, frame.bottom + 4)
    drawn = []
    for (line, value), y in zip(ended, places, strict=True):
        above = "↑" if value > frame.high else ""
        said = f"{line.label} {chart.amount(value)}{above}"
        drawn.append(_label(f"name {line.kind}-name", frame.right + 7, y, _cut(said, _RIGHT - 7)))
    return drawn


def _cut(said: str, room: float) -> str:
    """Of a text that does not fit the beginning."""
    letters = int(room / _LETTER)
    return said if len(said) <= letters else f"{said[: letters - 1]}…"


def _straight(kind: str, x1: float, y1: float, x2: float, y2: float) -> Svg:
    ends = {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
    return _element("line", {"class": kind, **{name: _number(at) for name, at in ends.items()}})


def _label(kind: str, x: float, y: float, said: str) -> Svg:
    return _element("text", {"class": kind, "x": _number(x), "y": _number(y)}, _text(said))


def _element(name: str, attributes: dict[str, str], *children: Svg) -> Svg:
    """``name`` and the attributes' names are ours, never from outside."""
    written = "".join(f' {key}="{escape(printable(value))}"' for key, value in attributes.items())
    return Svg(f"<{name}{written}>{''.join(children)}</{name}>")


def _text(said: str) -> Svg:
    return Svg(escape(printable(said)))


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
