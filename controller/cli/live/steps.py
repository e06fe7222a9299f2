"""The steps of a rollout: which are done, which is now, which are to come. Pure."""

from collections.abc import Sequence
from datetime import timedelta

from rich.text import Text

from controller.cli.live.glyphs import Glyphs
from controller.cli.live.layout import Node
from controller.cli.phrases import step_name
from controller.control.record_view import PolicyView, StepView
from controller.control.views import StatusView
from controller.domain.vocabulary import Phase
from controller.domain.wording import duration

_EVERYONE = 100.0
_MOST_IN_A_ROW = 9
_LABEL = 10
_INDENT = 6
_STYLES = {"good": "green", "going": "bold cyan", "bad": "red", "attention": "bold yellow", "coming": "dim"}


def step_nodes(
    status: StatusView, policy: PolicyView | None, width: int, level: int, glyphs: Glyphs
) -> list[Node]:
    """A line for each step at level 0, else all in a row; none where the record cannot be read."""
    if policy is None or not policy.steps:
        return []
    if status.stable is None and status.phase is not Phase.PENDING:
        text = "none: there is no stable version to compare with"
        return [Node(Text("steps".ljust(_LABEL), style="bold"), text)]
    states = states_of(status, len(policy.steps))
    if level or len(policy.steps) > _MOST_IN_A_ROW:
        return [_row(policy, states, width - _INDENT, glyphs)]
    told = [
        *(_told(step, auto=policy.auto_steps) for step in policy.steps),
        _everyone(policy),
    ]
    names = [*map(step_name, policy.steps), "all"]
    wide = max(map(len, names))
    below = [
        Node(_sign(state, name.ljust(wide + 2), glyphs), text, "" if state == "going" else "dim")
        for state, name, text in zip(states, names, told, strict=True)
    ]
    return [Node(_label(policy), below=tuple(below))]


def states_of(status: StatusView, steps: int) -> list[str]:
    """``good`` (done), ``going``, ``coming``; ``bad`` and ``attention`` where it ended or stands.

    **Shape**: one for each step, and one for everyone.
    """
    if status.phase is Phase.SUCCEEDED:
        return ["good"] * (steps + 1)
    at = steps if status.weight >= _EVERYONE else status.step - 1
    present = "going"
    if status.terminal or status.phase is Phase.ROLLING_BACK:
        present = "bad"
    elif status.waits_for_person:
        present = "attention"
    before, after = ["good"] * max(at, 0), ["coming"] * (steps - max(at, -1))
    return [*before, *([present] if at >= 0 else []), *after][: steps + 1]


def _row(policy: PolicyView, states: Sequence[str], width: int, glyphs: Glyphs) -> Node:
    """As many steps around the present one as fit, and how many more there are on either side."""
    names = [*map(step_name, policy.steps), "all"]
    now = next((place for place, state in enumerate(states) if state not in {"good", "coming"}), 0)
    signs = [_sign(state, name, glyphs) for state, name in zip(states, names, strict=True)]
    for many in range(min(len(names), _MOST_IN_A_ROW), 0, -1):
        first = max(min(now - many // 2, len(names) - many), 0)
        head = _label(policy)
        if first:
            head.append(f"{first} {glyphs.ellipsis}  ", style="dim")
        for sign in signs[first : first + many]:
            head.append_text(sign).append("  ")
        if left := len(names) - first - many:
            head.append(f"{glyphs.ellipsis} {left} more", style="dim")
        if head.cell_len <= width:
            break
    head.rstrip()
    return Node(head)


def _label(policy: PolicyView) -> Text:
    return Text("steps".ljust(_LABEL), style="bold").append("auto  " if policy.auto_steps else "")


def _sign(state: str, name: str, glyphs: Glyphs) -> Text:
    sign: str = getattr(glyphs, state)
    return Text(f"{sign} {name}", style=_STYLES[state])


def _told(step: StepView, *, auto: bool) -> str:
    """What must hold before the next."""
    asked = ["asks people first"] if step.approval else []
    asked += [f"asks gate {step.gate} first"] if step.gate else []
    if auto:
        return ", ".join(asked)
    return ", ".join([f"for {_span(step.hold_seconds)}", f"{step.min_requests:,} requests", *asked])


def _everyone(policy: PolicyView) -> str:
    before = "promotion"
    asked = ["asks people first"] if policy.approval and before in policy.approval.before else []
    asked += [f"asks gate {gate.name} first" for gate in policy.gates if before in gate.before]
    return ", ".join([f"bake {_span(policy.bake_seconds)}", *asked])


def _span(seconds: float) -> str:
    return duration(timedelta(seconds=seconds))
