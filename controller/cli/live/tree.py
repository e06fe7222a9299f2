"""One model's rollouts as a tree: versions, steps, checks, who is waited for, why, what next, the log. Pure.

A picture has levels of detail: 0 shows all, each further one less, so that what matters most fits any screen.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from rich.text import Text

from controller.cli.live import glyphs as signs
from controller.cli.live.checks import check_nodes
from controller.cli.live.feed import Scene
from controller.cli.live.glyphs import Glyphs
from controller.cli.live.layout import Node, tree
from controller.cli.live.steps import step_nodes
from controller.cli.phrases import approval_of, rounded, until, weight_of
from controller.cli.styles import PHASE_STYLES, VERDICT_STYLES
from controller.control.views import EntryView, StatusView
from controller.domain.vocabulary import Phase
from controller.domain.wording import printable

LEVELS = 6
_LOG_LINES = (6, 4, 3, 1, 0, 0)
"""Entries of the log, by level."""
_TEXT_LINES = (3, 3, 2, 2, 2, 1)
"""Lines that a sentence may take, by level."""
_LABEL = 8
_BAR_CELLS = 20
_NARROW = 60
"""Columns below which bars are half as long."""

AsCalled = Callable[[str], str]
"""A text with its commands as this person types them."""


def lines(
    scenes: Sequence[Scene], now: datetime, width: int, level: int, glyphs: Glyphs, as_called: AsCalled
) -> list[Text]:
    """The tree below the model's name."""
    return tree([_rollout(each, now, width, level, glyphs, as_called) for each in scenes], width, glyphs)


def _rollout(
    scene: Scene, now: datetime, width: int, level: int, glyphs: Glyphs, as_called: AsCalled
) -> Node:
    status, most = scene.status, _TEXT_LINES[level]
    if level == LEVELS - 1:
        return Node(_head(scene, now, glyphs), below=tuple(_least(scene, now, width, glyphs, as_called)))
    below = [
        *_versions(status, width, glyphs),
        *step_nodes(status, scene.record.policy, width, level, glyphs),
        *check_nodes(status.checks, scene.record.why.checks, width, level, glyphs),
        *_sentences(scene, now, most, as_called),
        *_log(scene.log[-_LOG_LINES[level] :] if _LOG_LINES[level] else (), width),
    ]
    return Node(_head(scene, now, glyphs), below=tuple(below))


def _head(scene: Scene, now: datetime, glyphs: Glyphs) -> Text:
    status = scene.status
    sign = signs.of_phase(status.phase, waits=status.waits_for_person, glyphs=glyphs)
    style = PHASE_STYLES.get(status.phase, "yellow" if status.waits_for_person else "cyan")
    head = Text(f"{sign} ", style=style).append(printable(scene.name), style="bold")
    head.append("  ").append(status.phase, style=style)
    head.append("  ").append(status.verdict, style=VERDICT_STYLES[status.verdict])
    if status.step and not status.terminal:
        head.append(f"  step {status.step} of {status.steps}")
    took = (status.updated_at if status.terminal else now) - status.created_at
    return head.append(f"  {rounded(took)}", style="dim")


def _least(scene: Scene, now: datetime, width: int, glyphs: Glyphs, as_called: AsCalled) -> list[Node]:
    """What must be seen on the smallest screen, the most important first: it may be cut at the end."""
    level = LEVELS - 1
    return [
        *_versions(scene.status, width, glyphs)[-1:],
        *_sentences(scene, now, _TEXT_LINES[level], as_called),
        *check_nodes(scene.status.checks, scene.record.why.checks, width, level, glyphs),
        *step_nodes(scene.status, scene.record.policy, width, level, glyphs),
    ]


def _versions(status: StatusView, width: int, glyphs: Glyphs) -> list[Node]:
    """Who gets how much."""
    cells = _BAR_CELLS if width >= _NARROW else _BAR_CELLS // 2
    names = [printable(name) for name in (status.stable or "", status.canary)]
    wide = max(map(len, names))

    def node(sign: str, role: str, name: str, percent: float, style: str, mirror: float = 0.0) -> Node:
        head = Text(f"{sign} ", style=style).append(role.ljust(_LABEL)).append(name.ljust(wide), style="bold")
        head.append(f"  {weight_of(percent, mirror):>6}  ")
        return Node(head.append(signs.bar(percent, cells, glyphs), style=style))

    canary = node(glyphs.canary, "canary", names[1], status.weight, "cyan", status.mirror)
    if status.stable is None:
        return [canary]
    return [node(glyphs.stable, "stable", names[0], round(100 - status.weight, 1), "green"), canary]


def _sentences(scene: Scene, now: datetime, most: int, as_called: AsCalled) -> list[Node]:
    """What is asked, the reason, what comes next and until when, and what a person can do."""
    status, why = scene.status, scene.record.why
    nodes: list[Node] = []
    if status.approval is not None:
        nodes.append(_said("asks", approval_of(status.approval, now), most, "yellow"))
    told = f"{status.reason}: {status.message or why.meaning}"
    nodes.append(_said("why", told, most, PHASE_STYLES.get(status.phase, "")))
    nodes += [_said("warning", warning, 1, "yellow") for warning in why.warnings[-1:]]
    if not status.terminal:
        at = f"{until(status.next_at, now)}: " if status.next_at else ""
        nodes.append(_said("next", at + why.next_action, most))
        if why.deadline is not None:
            nodes.append(_said("deadline", f"{until(why.deadline, now)}: {why.deadline_action}", most))
    if _remedy_wanted(status):
        nodes.append(_said("to do", as_called(why.remedy), most, "bold"))
    return nodes


def _remedy_wanted(status: StatusView) -> bool:
    """Where the rollout does not go on by itself."""
    ended_badly = status.terminal and status.phase not in (Phase.SUCCEEDED, Phase.SUPERSEDED)
    return status.waits_for_person or ended_badly


def _said(label: str, text: str, most: int, style: str = "") -> Node:
    return Node(Text(label.ljust(_LABEL + 2), style="bold"), text, style, most)


def _log(entries: Sequence[EntryView], width: int) -> list[Node]:
    if not entries:
        return []
    below = [Node(Text(f"{entry.at:%H:%M:%S}  ", style="dim"), _logged(entry, width)) for entry in entries]
    return [Node(Text("log", style="bold"), below=tuple(below))]


def _logged(entry: EntryView, width: int) -> str:
    by = "" if entry.actor == "serinus" else f" by {entry.actor}"
    event = f"{entry.event}{by} {weight_of(entry.weight, entry.mirror)}  " if width >= _NARROW else ""
    return f"{event}{entry.message or entry.reason}"
