"""`make demo COMPARE=1`: acts 2 and 3 under both judges, and the bad requests that users met under each.

What is counted came through the gateway from the version on trial: in act 2 server errors, in act 3 answers
that took longer than the policy's limit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from deploy.local.stage import CLASSIC_POLICIES, POLICIES, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from deploy.local.stream import Traffic
    from deploy.local.theatre import Act, Outcome, Theatre

FOLDERS = {"sequential": POLICIES, "threshold": CLASSIC_POLICIES}
"""Where the policy is that names the judge."""


@dataclass(frozen=True, slots=True)
class Round:
    """The two acts under one judge."""

    judge: str
    failing: Outcome
    slow: Outcome

    def bad(self, traffic: Traffic) -> tuple[int, int]:
        """Errors in the one act, and slow answers in the other."""
        _, errors = traffic.served(self.failing.backend)
        return errors, traffic.slow.get(self.slow.backend, 0)


def compare(stage: Stage, theatre: Theatre, failing: Act, slow: Act, rounds: int) -> Iterator[Round]:
    """Play both acts under each judge so many times. Each release has a name of its own."""
    for number in range(1, rounds + 1):
        for judge, folder in FOLDERS.items():
            stage.rule_by(folder)
            acts = [
                replace(act, title=f"{act.title} (judge: {judge})", version=f"{act.version}-{judge}-{number}")
                for act in (failing, slow)
            ]
            yield Round(judge, *(theatre.play(act) for act in acts))


def comparison(rounds: Sequence[Round], traffic: Traffic) -> Table:
    """What users met under each judge, round by round, and the whole."""
    title = "Bad requests served: errors in act 2, slow answers in act 3"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    table.add_column("judge", no_wrap=True)
    for heading in ("errors", "of", "slow", "of", "bad in all"):
        table.add_column(heading, no_wrap=True, justify="right")
    for each in rounds:
        _row(table, each.judge, [each], traffic)
    if len(rounds) > len(FOLDERS):
        table.add_section()
        for judge in FOLDERS:
            _row(table, f"{judge}, all rounds", [each for each in rounds if each.judge == judge], traffic)
    return table


def _row(table: Table, name: str, rounds: Sequence[Round], traffic: Traffic) -> None:
    errors = sum(each.bad(traffic)[0] for each in rounds)
    slow = sum(each.bad(traffic)[1] for each in rounds)
    of_errors = sum(traffic.served(each.failing.backend)[0] for each in rounds)
    of_slow = sum(traffic.served(each.slow.backend)[0] for each in rounds)
    table.add_row(name, *(f"{count:,}" for count in (errors, of_errors, slow, of_slow, errors + slow)))
