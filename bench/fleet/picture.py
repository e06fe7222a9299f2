"""The growth as a picture: one chart for each figure, a line for each number of models that roll. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.fleet.figures import Figures
from controller.report.svg import Chart, Line, Svg, draw

_WIDTH, _HEIGHT = 460, 220
_COLUMNS = 2
_KINDS = ("canary", "stable")
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #57606a; }
text.end { text-anchor: end; } text.middle { text-anchor: middle; }
text.title { font-weight: bold; fill: #24292f; }
text.name { font-weight: bold; }
.grid, .axis { stroke: #d0d7de; stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.line.dot { stroke-width: 6; }
.line.canary { stroke: #9a4d00; } .canary-name { fill: #9a4d00; }
.line.stable { stroke: #0a5e9c; stroke-dasharray: 6 4; } .stable-name { fill: #0a5e9c; }
.line.dot.stable { stroke-dasharray: none; }
"""


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    value: Callable[[Figures], float]
    shown: Callable[[float], str]


_PANELS = (
    _Panel("Processor, of one core", lambda each: each.cpu_ratio, lambda value: f"{value:.0%}"),
    _Panel("Memory, MiB resident", lambda each: each.memory_bytes / 2**20, lambda value: f"{value:.0f}"),
    _Panel("Lateness of passes p99, s", lambda each: each.late_p99_seconds, lambda v: f"{v:.2g}"),
    _Panel("Prometheus queries per 15 s", lambda each: each.queries_per_interval, lambda v: f"{v:.0f}"),
)


def picture(found: Sequence[Figures]) -> str:
    """An SVG file. The models are evenly spaced, as sizes that grow by factors are best read."""
    models = sorted({each.size.models for each in found})
    height = 60 + -(-len(_PANELS) // _COLUMNS) * (_HEIGHT + 30)
    panels = [_placed(place, panel, found, models) for place, panel in enumerate(_PANELS)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_COLUMNS * (_WIDTH + 20)} {height}" '
        f'role="img" aria-label="Growth with the number of models"><style>{_STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="10" y="24">Across: models in all. Beside each line: how many of them roll, and its last '
        f"value.</text>{''.join(panels)}</svg>\n"
    )


def _placed(place: int, panel: _Panel, found: Sequence[Figures], models: Sequence[int]) -> str:
    x, y = place % _COLUMNS * (_WIDTH + 20) + 10, place // _COLUMNS * (_HEIGHT + 30) + 60
    title = f'<text class="title" x="{x}" y="{y}">{panel.title}</text>'
    chart = _chart(place, panel, found, models)
    return f'{title}<svg x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}">{chart}</svg>'


def _chart(place: int, panel: _Panel, found: Sequence[Figures], models: Sequence[int]) -> Svg:
    rolling = sorted({each.size.rolling for each in found})
    lines = [
        Line(
            kind,
            f"{number:,}:",
            [
                (float(models.index(each.size.models)), panel.value(each))
                for each in sorted(found, key=lambda each: each.size.models)
                if each.size.rolling == number
            ],
        )
        for kind, number in zip(_KINDS, rolling, strict=False)
    ]
    return draw(
        Chart(
            key=f"growth-{place}",
            title=panel.title,
            description="; ".join(f"{each.size}: {panel.shown(panel.value(each))}" for each in found),
            seconds=float(max(len(models) - 1, 1)),
            lines=lines,
            bands=(),
            amount=panel.shown,
            time=lambda at: f"{models[int(at)]:,}" if at == int(at) and int(at) < len(models) else "",
        ),
        _WIDTH,
        _HEIGHT,
    )
