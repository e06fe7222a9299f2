"""Answers many rollouts with the same few queries: the time, the pulse, and one for each metric.

How it works: everything is evaluated at one instant of the server's clock, so that no metric is ahead of
another. The pulse tells how often a version is scraped, and so how far back its counters must be seen. A
series that appears late may be new or may be back: its last value before the window decides.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from controller.adapters.metrics.answers import RawSeries, series
from controller.adapters.metrics.asking import Asker, Halving
from controller.adapters.metrics.cases import Case, Key, owners
from controller.adapters.metrics.client import PrometheusAccess, QueryError
from controller.adapters.metrics.packs import Pack, Selector
from controller.adapters.metrics.queries import last_query, samples_query
from controller.adapters.metrics.sought import Sought, pulse_of
from controller.domain.judge.series import Arm, Window, block_length, patience, scrape_interval


def reach(scrape: timedelta) -> timedelta:
    """How far before the first wanted instant counters must be seen, to tell new series from old ones."""
    return patience(scrape) + scrape


class Batch:
    """The queries for rollouts that asked together, all at one instant of the server's clock."""

    def __init__(
        self, asker: Asker, access: PrometheusAccess, server_time: datetime, deadline: float
    ) -> None:
        self.server_time = server_time
        self._asker = asker
        self._access = access
        self._deadline = deadline
        self._halving = Halving()

    async def fill(self, cases: Sequence[Case]) -> dict[Case, Window]:
        """Fetch the series of every case, and tell what time they cover; without those that failed."""
        packs: dict[int, list[Case]] = defaultdict(list)
        for case in cases:
            if not case.problem:
                packs[id(case.pack)].append(case)
        groups = [group for together in packs.values() for group in self._groups(together)]
        windows = await asyncio.gather(*(self._fill_group(group[0].pack, group) for group in groups))
        return {case: window for found in windows for case, window in found.items() if not case.problem}

    def _groups(self, cases: Sequence[Case]) -> list[list[Case]]:
        """Cases for one query: not too many, and none that would make the others reach much further back."""
        groups: list[list[Case]] = []
        backends = self._access.backends_per_query
        slowest = reach(self._access.slowest_scrape)
        for case in sorted(cases, key=lambda case: case.since, reverse=True):
            last = groups[-1] if groups else None
            if last and sum(len(one.releases) for one in last) + len(case.releases) <= backends:
                nearest = self.server_time - last[0].since + slowest
                if self.server_time - case.since <= 2 * nearest:
                    last.append(case)
                    continue
            groups.append([case])
        return groups

    async def _fill_group(self, pack: Pack, cases: Sequence[Case]) -> dict[Case, Window]:
        slowest = self._access.slowest_scrape
        await self._fetch(pulse_of(pack), cases, min(case.since for case in cases) - reach(slowest))
        by_scrape: dict[timedelta | None, list[Case]] = defaultdict(list)
        for case in cases:
            if not case.problem:
                by_scrape[scrape_interval(case.series)].append(case)
        windows = await asyncio.gather(
            *(self._count(pack, together, scrape) for scrape, together in by_scrape.items())
        )
        return {case: window for found in windows for case, window in found.items()}

    async def _count(self, pack: Pack, cases: Sequence[Case], scrape: timedelta | None) -> dict[Case, Window]:
        """Fetch the counters of versions that are scraped equally often; None if there was no pulse."""
        slowest = self._access.slowest_scrape
        begin = min(case.since for case in cases) - reach(scrape or slowest)
        for case in cases:
            case.forget_before(begin)
        sought = _together(cases)
        await asyncio.gather(*(self._fetch(one, who, begin) for one, who in sought))
        windows: dict[Case, Window] = {}
        for case in cases:
            seen = scrape or scrape_interval(case.series) or slowest
            interval = case.rollout.policy.interval
            length = block_length(interval, seen)
            windows[case] = Window(begin, case.since, self.server_time, length, seen, grid=interval)
        late = {case: case.newcomers(window) for case, window in windows.items()}
        for one in (pulse_of(pack), *(one for one, _ in sought)):
            await self._look_before(one, begin, late)
        return windows

    async def _fetch(self, sought: Sought, cases: Sequence[Case], begin: datetime) -> None:
        """Add the counter's samples since ``begin`` to each case."""
        window = self.server_time - begin
        query = partial(samples_query, sought.counter, window=window)
        for case, arm, raw in await self._rows(cases, sought, query, "matrix", self.server_time):
            case.add(sought, arm, raw)

    async def _look_before(self, sought: Sought, begin: datetime, late: Mapping[Case, set[Key]]) -> None:
        """Put the last value before ``begin`` in front of each series that came later."""
        cases = [case for case, keys in late.items() if case.has(sought, keys)]
        if cases:
            query = partial(last_query, sought.counter, longest=self._access.longest_window)
            for case, arm, raw in await self._rows(cases, sought, query, "vector", begin):
                case.put_in_front(sought, arm, raw, late[case])

    async def _rows(
        self,
        cases: Sequence[Case],
        sought: Sought,
        query: Callable[[Iterable[Selector]], str],
        result_type: str,
        at: datetime,
    ) -> list[tuple[Case, Arm, RawSeries]]:
        async def question(group: Sequence[Case]) -> list[RawSeries]:
            selectors = [one for case in group for one in case.selectors(sought.versions).values()]
            read = partial(series, result_type=result_type)
            return await self._asker.ask(query(selectors), read, at.timestamp(), self._deadline)

        rows: list[tuple[Case, Arm, RawSeries]] = []
        for group, outcome in await self._halving.put(cases, question):
            if isinstance(outcome, QueryError):
                for case in group:
                    case.fail(outcome.reason, outcome.message)
            else:
                rows.extend(owners(group, sought.versions, outcome))
        return rows


def _together(cases: Sequence[Case]) -> list[tuple[Sought, list[Case]]]:
    """What the cases seek, each with those that seek it."""
    found: dict[tuple[str, str], tuple[Sought, list[Case]]] = {}
    for case in cases:
        for one in case.sought:
            found.setdefault(one.identity, (one, []))[1].append(case)
    return list(found.values())
