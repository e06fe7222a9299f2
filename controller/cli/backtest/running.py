"""Reads the past and replays it, and tells how far it is on standard error. Writes nothing anywhere."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from controller.adapters.metrics.past import PastReader, Piece, past_of
from controller.cli.output import say
from controller.control.errors import InvalidRequest
from controller.domain.backtest.past import Past
from controller.domain.backtest.regressions import Regression
from controller.domain.backtest.summary import (
    LEARNING,
    Scenario,
    beginnings,
    replays,
    shortest_rollout,
    summary,
)
from controller.domain.policy import Policy
from controller.domain.release import Release
from controller.domain.wording import duration
from controller.errors import TargetError


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose past is read: the busiest version's if none is named."""

    span: timedelta
    version: str | None = None
    endpoints: tuple[str, ...] = ()
    series: str | None = None


def progress(*, plain: bool) -> Progress:
    """A bar on standard error, where that is a terminal that may be sent cursor movements."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=plain or not sys.stderr.isatty(),
        transient=True,
    )


def read(reader: PastReader, wanted: Wanted, bar: Progress) -> Past:
    """The past. Raises `TargetError` where there is none, `TransientError` where it cannot be read."""
    return asyncio.run(_read(reader, wanted, bar))


async def _read(reader: PastReader, wanted: Wanted, bar: Progress) -> Past:
    until = await reader.now()
    version = wanted.version
    if version is None:
        found = await reader.versions(until)
        if not found:
            raise TargetError("Prometheus does not tell which versions there are; name one with --stable")
        version = found[0]
        if len(found) > 1:
            say(f"replays {version}, the busiest of {', '.join(found)}; --stable names another")
    release = Release(version, wanted.endpoints)
    named = [(version, wanted.series)] if wanted.series else []
    since = until - wanted.span
    task = bar.add_task(f"reading {version}", total=wanted.span.total_seconds())
    pieces: list[Piece] = []
    async with aclosing(reader.pieces(release, since, until, named)) as coming:
        async for piece in coming:
            pieces.append(piece)
            bar.update(task, completed=(piece.until - since).total_seconds())
    past = past_of(version, pieces)
    if not past.requests:
        raise TargetError(f"Prometheus has no requests of version {version} in that time")
    return past


def try_out(
    policy: Policy,
    past: Past,
    regressions: Sequence[Regression | None],
    rollouts: int,
    seed: int,
    bar: Progress,
) -> list[Scenario]:
    """What becomes of so many rollouts for each regression. Raises `InvalidRequest` if the past is short."""
    starts = beginnings(policy, past, rollouts)
    if not starts:
        needed = duration(LEARNING + shortest_rollout(policy))
        raise InvalidRequest(f"a rollout of this policy needs a past of at least {needed}; read more --since")
    scenarios = []
    for regression in regressions:
        name = regression.name if regression else "as good as stable"
        outcomes = list(
            bar.track(replays(policy, past, starts, seed, regression), total=len(starts), description=name)
        )
        scenarios.append(summary(regression, outcomes))
    return scenarios
