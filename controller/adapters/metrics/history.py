"""Stable's past, copy by copy and minute by minute, for the judge's calibration.

How it works: stable is read as if it were the only version of a rollout that began an hour ago, by the same
queries and the same cleaning as every other count. Copies are told apart by what Prometheus scraped; where
one target reports on all versions, as a gateway does, it does not tell of copies, and all count as one.

**Invariant**: an answer that cannot be trusted is a `NoReading`; a past that nobody recorded is an empty one.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from controller.adapters.metrics.asking import Asker
from controller.adapters.metrics.batch import Batch
from controller.adapters.metrics.cases import Case
from controller.adapters.metrics.client import PrometheusAccess
from controller.adapters.metrics.packs import Pack
from controller.domain.judge.blocks import assemble
from controller.domain.judge.calibration import PodHistory, PodMinute
from controller.domain.judge.counts import Block
from controller.domain.judge.series import EPOCH, MICROSECOND, Series, Window, micros
from controller.domain.model import Rollout
from controller.domain.observation import NoReading
from controller.domain.release import Release
from controller.domain.vocabulary import Reason

MINUTE = timedelta(minutes=1)
SPANS = (timedelta(hours=1), timedelta(minutes=30))
"""How far back is read: the shorter one where the longer makes an answer that is too large."""

_TIMEOUTS = 2
NO_HISTORY = PodHistory(timedelta(0), ())


async def read_history(
    asker: Asker, access: PrometheusAccess, pack: Pack, rollout: Rollout, stable: Release, now: datetime
) -> PodHistory | NoReading:
    """Stable's last hour before ``now``, on Prometheus' clock, within the time that any reading may take."""
    deadline = asyncio.get_running_loop().time() + _TIMEOUTS * access.timeout.total_seconds()
    problem = NoReading(Reason.METRICS_INVALID, "the history was not asked for")
    for span in SPANS:
        case = case_of_stable(rollout, stable, pack, now - min(span, access.longest_window))
        windows = await Batch(asker, access, now, deadline).fill((case,))
        if case.problem is None:
            return await history_of(case, windows[case])
        problem = case.problem
        if problem.reason is not Reason.METRICS_INVALID:
            break
    return problem


def case_of_stable(rollout: Rollout, stable: Release, pack: Pack, since: datetime) -> Case:
    """Stable, as the only version there is."""
    case = Case(replace(rollout, release=stable, stable=None), pack, since)
    case.check_names()
    return case


async def history_of(case: Case, window: Window) -> PodHistory:
    """What was found for the only version, copy by copy and minute by minute."""
    window = replace(window, block=MINUTE, grid=MINUTE)
    pods: dict[str, list[Series]] = defaultdict(list)
    for one in case.series:
        pods["" if case.pack.shared_targets else one.target].append(one)
    minutes: list[PodMinute] = []
    end, requests = window.cursor, 0
    for pod, series in sorted(pods.items()):
        blocks = assemble(series, case.rollout.policy.checks, window).blocks
        minutes += _minutes(pod, blocks)
        end = max(end, blocks[-1].end if blocks else end)
        requests += sum(block.canary_requests for block in blocks)
        await asyncio.sleep(0)  # many copies take a while: let others run between them
    span = end - max(window.cursor, _first(case.series, end))
    if span <= timedelta(0):
        return NO_HISTORY
    return PodHistory(span, tuple(minutes), requests, window.scrape)


def _minutes(pod: str, blocks: Sequence[Block]) -> list[PodMinute]:
    """Blocks of any copy are on the same grid, and begin at the same minute."""
    return [
        PodMinute(counts.check, pod, number, counts.canary)
        for number, block in enumerate(blocks)
        for counts in block.checks
        if counts.canary.requests
    ]


def _first(series: Sequence[Series], end: datetime) -> datetime:
    """The instant of the first sample, or the end if there is none."""
    firsts = [one.first for one in series if one.samples and one.first >= 0]
    return EPOCH + min(firsts, default=micros(end)) * MICROSECOND
