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
from controller.adapters.metrics.packs import Counter, Pack, Selector
from controller.adapters.metrics.queries import last_query, samples_query
from controller.domain.judge.series import Arm, Window, patience, scrape_interval


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
        await self._fetch(pack.pulse, cases, min(case.since for case in cases) - reach(slowest))
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
        counters = pack.counters(timed=any(case.timed for case in cases))
        await asyncio.gather(*(self._fetch(counter, cases, begin) for counter in counters))
        windows: dict[Case, Window] = {}
        for case in cases:
            seen = scrape or scrape_interval(case.series) or slowest
            windows[case] = Window(begin, case.since, self.server_time, case.rollout.policy.interval, seen)
        late = {case: case.newcomers(window) for case, window in windows.items()}
        for counter in (pack.pulse, *counters):
            await self._look_before(counter, begin, late)
        return windows

    async def _fetch(self, counter: Counter, cases: Sequence[Case], begin: datetime) -> None:
        """Add the metric's samples since ``begin`` to each case."""
        window = self.server_time - begin
        query = partial(samples_query, counter, window=window)
        for case, arm, raw in await self._rows(cases, query, "matrix", self.server_time):
            case.add(counter, arm, raw)

    async def _look_before(self, counter: Counter, begin: datetime, late: Mapping[Case, set[Key]]) -> None:
        """Put the last value before ``begin`` in front of each series that came later."""
        cases = [case for case, keys in late.items() if case.has(counter, keys)]
        if cases:
            query = partial(last_query, counter, longest=self._access.longest_window)
            for case, arm, raw in await self._rows(cases, query, "vector", begin):
                case.put_in_front(counter, arm, raw, late[case])

    async def _rows(
        self,
        cases: Sequence[Case],
        query: Callable[[Iterable[Selector]], str],
        result_type: str,
        at: datetime,
    ) -> list[tuple[Case, Arm, RawSeries]]:
        async def question(group: Sequence[Case]) -> list[RawSeries]:
            selectors = [selector for case in group for selector in case.selectors.values()]
            read = partial(series, result_type=result_type)
            return await self._asker.ask(query(selectors), read, at.timestamp(), self._deadline)

        rows: list[tuple[Case, Arm, RawSeries]] = []
        for group, outcome in await self._halving.put(cases, question):
            if isinstance(outcome, QueryError):
                for case in group:
                    case.fail(outcome.reason, outcome.message)
            else:
                rows.extend(owners(group, outcome))
        return rows
