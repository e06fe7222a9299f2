"""Many models as one table: who needs a person first, then what moves, then what came to rest last. Pure."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import IntEnum

from rich.cells import cell_len
from rich.text import Text

from controller.cli.live import glyphs as signs
from controller.cli.live.glyphs import Glyphs
from controller.cli.live.layout import cut, shortened
from controller.cli.phrases import rounded, share_of, step_of, until
from controller.cli.styles import PHASE_STYLES, VERDICT_STYLES
from controller.control.views import StatusView
from controller.domain.vocabulary import Phase, Verdict
from controller.domain.wording import printable

_RESTING_SHOWN = 5
_LONGEST_NAME = 32
_ENOUGH_NAME = 20
"""Cells of a name that other columns yield to."""
_WITH_WHY = 72
"""Columns of a terminal from which on other columns yield to the reason too."""
_LEAST_WHY = 18
_WHOLE_WHY = 36
"""Cells in which there is room for more than the reason's name."""
_GAP = 2
_COLUMNS = ("MODEL", "VERSION", "PHASE", "STEP", "WEIGHT", "VERDICT", "NEXT", "AGE")
_FIRST_TO_GO = ("AGE", "VERDICT", "VERSION", "NEXT", "STEP")
"""Columns that a narrow terminal does without, in this order."""


class Rank(IntEnum):
    """What a person wants to see first."""

    NEEDS_PERSON = 0
    FAILING = 1
    MOVING = 2
    AT_REST = 3


def rank_of(status: StatusView) -> Rank:
    """Where it belongs."""
    if status.terminal:
        return Rank.AT_REST
    if status.waits_for_person:
        return Rank.NEEDS_PERSON
    if status.phase is Phase.ROLLING_BACK or status.verdict is Verdict.FAIL:
        return Rank.FAILING
    return Rank.MOVING


def ranked(statuses: Sequence[StatusView]) -> list[StatusView]:
    """By rank; those at rest by when they came to it, the last first. Otherwise as they come."""

    def key(status: StatusView) -> tuple[int, float]:
        rank = rank_of(status)
        return rank, -status.updated_at.timestamp() if rank is Rank.AT_REST else 0.0

    return sorted(statuses, key=key)


def totals(statuses: Sequence[StatusView]) -> str:
    """``312 rollouts: 1 needs a person, 14 moving, 297 at rest``."""
    counts = Counter(rank_of(status) for status in statuses)
    needing = counts[Rank.NEEDS_PERSON]
    said = [
        f"{needing} {'needs' if needing == 1 else 'need'} a person" if needing else "",
        f"{counts[Rank.FAILING]} failing" if counts[Rank.FAILING] else "",
        f"{counts[Rank.MOVING]} moving" if counts[Rank.MOVING] else "",
        f"{counts[Rank.AT_REST]} at rest" if counts[Rank.AT_REST] else "",
    ]
    rollouts = "1 rollout" if len(statuses) == 1 else f"{len(statuses):,} rollouts"
    return f"{rollouts}: {', '.join(filter(None, said))}" if statuses else "no rollouts"


def lines(
    statuses: Sequence[StatusView],
    name_of: Callable[[StatusView], str],
    now: datetime,
    width: int,
    height: int,
    glyphs: Glyphs,
) -> list[Text]:
    """The table, as many rows as fit, and what is not shown."""
    inorder = ranked(statuses)
    moving = [each for each in inorder if rank_of(each) is not Rank.AT_REST]
    resting = inorder[len(moving) :]
    room = max(height - 3, 1)  # head, what moves beside, what rests
    shown = [*moving[:room], *resting[: max(min(_RESTING_SHOWN, room - len(moving)), 0)]]
    table = _table(shown, name_of, now, width, glyphs)
    if left := len(moving) - min(len(moving), room):
        table.append(Text(f"{glyphs.ellipsis} {left} more not at rest", style="yellow"))
    if left := len(inorder) - max(len(shown), len(moving)):
        table.append(Text(f"{glyphs.ellipsis} {left:,} more at rest: {_phases(resting)}", style="dim"))
    return [cut(line, width, glyphs) for line in table]


def _phases(resting: Sequence[StatusView]) -> str:
    """Of all that rest, so that the numbers do not change with the size of the terminal."""
    counts = Counter(status.phase.value for status in resting)
    return ", ".join(f"{count:,} {phase}" for phase, count in counts.most_common()) + " in all"


def _table(
    shown: Sequence[StatusView],
    name_of: Callable[[StatusView], str],
    now: datetime,
    width: int,
    glyphs: Glyphs,
) -> list[Text]:
    rows = [_row(status, name_of(status), now) for status in shown]
    wide = _widths(rows, width)
    why = width - _needed(wide) - _GAP
    head = Text("  " + _spaced({name: name for name in wide}, wide), style="bold")
    if why >= _LEAST_WHY:
        head.append("  WHY")
    lines = [head]
    for status, row in zip(shown, rows, strict=True):
        line = _line(status, row, wide, glyphs)
        if why >= _LEAST_WHY:
            told = f"{status.reason}: {status.message}" if why >= _WHOLE_WHY else status.reason
            text = shortened(printable(told), why, glyphs)
            line.append(f"  {text}", style="yellow" if status.waits_for_person else "dim")
        lines.append(line)
    return lines


def _widths(rows: Sequence[dict[str, str]], width: int) -> dict[str, int]:
    """The columns that fit beside enough of a name, with room for the reason if there can be."""
    names = [name for name in _COLUMNS if name == "MODEL" or any(row[name] != "-" for row in rows)]
    wide = {name: max(len(name), *(cell_len(row[name]) for row in rows), 0) for name in names}
    longest = min(wide["MODEL"], _LONGEST_NAME)
    wide["MODEL"] = min(longest, _ENOUGH_NAME)
    least = _LEAST_WHY + _GAP if width >= _WITH_WHY else 0
    for name in _FIRST_TO_GO:
        if _needed(wide) + least <= width:
            break
        wide.pop(name, None)
    spare = width - _needed(wide) - least
    wide["MODEL"] = max(min(longest, wide["MODEL"] + spare), len("MODEL"))
    return wide


def _spaced(row: dict[str, str], wide: dict[str, int]) -> str:
    return (" " * _GAP).join(row[name].ljust(size) for name, size in wide.items())


def _needed(wide: dict[str, int]) -> int:
    """Columns of the terminal, with the sign before them."""
    return sum(size + _GAP for size in wide.values())


def _row(status: StatusView, name: str, now: datetime) -> dict[str, str]:
    place = name.removesuffix(status.rollout)
    return {
        "MODEL": printable(f"{place}{status.model}"),
        "VERSION": printable(status.canary),
        "PHASE": status.phase,
        "STEP": step_of(status) if status.steps else "-",
        "WEIGHT": share_of(status),
        "VERDICT": status.verdict,
        "NEXT": until(status.next_at, now),
        "AGE": rounded(now - status.created_at),
    }


def _line(status: StatusView, row: dict[str, str], wide: dict[str, int], glyphs: Glyphs) -> Text:
    phase = PHASE_STYLES.get(status.phase, "cyan")
    styles = {"PHASE": phase, "VERDICT": VERDICT_STYLES[status.verdict], "MODEL": "bold"}
    sign = signs.of_phase(status.phase, waits=status.waits_for_person, glyphs=glyphs)
    line = Text(f"{sign}", style="yellow" if status.waits_for_person else phase)
    before = " "
    for name, size in wide.items():
        text = shortened(row[name], size, glyphs)
        line.append(before + text + " " * (size - cell_len(text)), style=styles.get(name, "default"))
        before = " " * _GAP
    return line
