"""Answers many rollouts with the same few queries: the pulse, and one for all metrics that are read whole.

How it works: everything is evaluated at one instant of the server's clock, so that no metric is ahead of
another. The pulse tells how often a version is scraped, and so how far back its counters must be seen. A
series that appears late may be new or may be back: its last value before the window decides.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from controller.adapters.metrics.answers import NAME_LABEL, RawSeries, series
from controller.adapters.metrics.asking import Asker, Halving
from controller.adapters.metrics.cases import Case, Key, owners
from controller.adapters.metrics.client import PrometheusAccess, QueryError
from controller.adapters.metrics.doubts import Doubts
from controller.adapters.metrics.packs import Pack, Selector, Template
from controller.adapters.metrics.queries import last_query, plain, samples_query
from controller.adapters.metrics.sought import Sought, pulse_of
from controller.domain.judge.series import Arm, Window, block_length, patience, scrape_interval
from controller.domain.vocabulary import Reason

_DOUBTED_GROUPS = 4
"""Into how many groups those are divided at most, of one pack and one doubt, whose queries failed before."""


def reach(scrape: timedelta) -> timedelta:
    """How far before the first wanted instant counters must be seen, to tell new series from old ones."""
    return patience(scrape) + scrape


class Batch:
    """The queries for rollouts that asked together, all at one instant of the server's clock."""

    def __init__(
        self,
        asker: Asker,
        access: PrometheusAccess,
        server_time: datetime,
        deadline: float,
        doubts: Doubts | None = None,
    ) -> None:
        self.server_time = server_time
        self._asker = asker
        self._access = access
        self._deadline = deadline
        self._doubts = doubts or Doubts()
        self._halving = Halving()

    async def fill(self, cases: Sequence[Case]) -> dict[Case, Window]:
        """Fetch the series of every case, and tell what time they cover; without those that failed."""
        return {
            case: window async for group in self.filled(cases) for case, window in group.items() if window
        }

    async def filled(self, cases: Sequence[Case]) -> AsyncIterator[dict[Case, Window | None]]:
        """The same group by group, as each is done; None for those that failed.

        What was doubted and is answered is doubted no more; what failed is.
        """
        packs: dict[int, list[Case]] = defaultdict(list)
        for case in cases:
            if not case.problem:
                packs[id(case.pack)].append(case)
        groups = [group for together in packs.values() for group in self._groups(together)]
        for filling in asyncio.as_completed([self._fill_group(group[0].pack, group) for group in groups]):
            yield await filling

    def _groups(self, cases: Sequence[Case]) -> list[list[Case]]:
        """Cases for one query each: whoever is in doubt apart from the others, in a few smaller groups."""
        doubted: dict[int, list[Case]] = defaultdict(list)
        for case in cases:
            doubted[self._doubts.largest(case.rollout.id) or 0].append(case)
        groups = self._split(doubted.pop(0, ()), len(cases))
        fewest = -(-sum(map(len, doubted.values())) // _DOUBTED_GROUPS)
        for largest in sorted(doubted, reverse=True):
            groups += self._split(doubted[largest], max(largest, fewest))
        return groups

    def _split(self, cases: Sequence[Case], most: int) -> list[list[Case]]:
        """Not too many in one, and none that would make the others reach much further back."""
        groups: list[list[Case]] = []
        backends = self._access.backends_per_query
        slowest = reach(self._access.slowest_scrape)
        for case in sorted(cases, key=lambda case: case.since, reverse=True):
            last = groups[-1] if groups else None
            room = backends - len(case.releases)
            if last and len(last) < most and sum(len(one.releases) for one in last) <= room:
                nearest = self.server_time - last[0].since + slowest
                if self.server_time - case.since <= 2 * nearest:
                    last.append(case)
                    continue
            groups.append([case])
        return groups

    async def _fill_group(self, pack: Pack, cases: Sequence[Case]) -> dict[Case, Window | None]:
        slowest = self._access.slowest_scrape
        await self._fetch([pulse_of(pack)], cases, min(case.since for case in cases) - reach(slowest))
        by_scrape: dict[timedelta | None, list[Case]] = defaultdict(list)
        for case in cases:
            if not case.problem:
                by_scrape[scrape_interval(case.series)].append(case)
        windows = await asyncio.gather(
            *(self._count(pack, together, scrape) for scrape, together in by_scrape.items())
        )
        known = {case: window for found in windows for case, window in found.items() if not case.problem}
        for case in known:
            self._doubts.answered(case.rollout.id)
        return {case: known.get(case) for case in cases}

    async def _count(self, pack: Pack, cases: Sequence[Case], scrape: timedelta | None) -> dict[Case, Window]:
        """Fetch the counters of versions that are scraped equally often; None if there was no pulse."""
        slowest = self._access.slowest_scrape
        begin = min(case.since for case in cases) - reach(scrape or slowest)
        for case in cases:
            case.forget_before(begin)
        sought = _together(cases)
        await asyncio.gather(*(self._fetch(some, who, begin) for some, who in _at_once(sought)))
        windows: dict[Case, Window] = {}
        for case in cases:
            seen = scrape or scrape_interval(case.series) or slowest
            interval = case.rollout.policy.interval
            length = block_length(interval, seen)
            windows[case] = Window(begin, case.since, self.server_time, length, seen, grid=interval)
        late = {case: case.newcomers(window) for case, window in windows.items()}
        for some, who in _at_once([(pulse_of(pack), list(cases)), *sought]):
            await self._look_before(some, begin, {case: late[case] for case in who})
        return windows

    async def _fetch(self, sought: Sequence[Sought], cases: Sequence[Case], begin: datetime) -> None:
        """Add the counters' samples since ``begin`` to each case."""
        window = self.server_time - begin
        query = partial(samples_query, [one.counter for one in sought], window=window)
        for case, arm, raw in await self._rows(cases, sought[0].versions, query, "matrix", self.server_time):
            for one in _counted_by(sought, case, raw):
                case.add(one, arm, raw)

    async def _look_before(
        self, sought: Sequence[Sought], begin: datetime, late: Mapping[Case, set[Key]]
    ) -> None:
        """Put the last value before ``begin`` in front of each series that came later."""
        cases = [case for case, keys in late.items() if any(case.has(one, keys) for one in sought)]
        if cases:
            counters = [one.counter for one in sought]
            query = partial(last_query, counters, longest=self._access.longest_window)
            for case, arm, raw in await self._rows(cases, sought[0].versions, query, "vector", begin):
                for one in _counted_by(sought, case, raw):
                    case.put_in_front(one, arm, raw, late[case])

    async def _rows(
        self,
        cases: Sequence[Case],
        versions: Mapping[str, Template],
        query: Callable[[Iterable[Selector]], str],
        result_type: str,
        at: datetime,
    ) -> list[tuple[Case, Arm, RawSeries]]:
        async def question(group: Sequence[Case]) -> list[RawSeries]:
            selectors = [one for case in group for one in case.selectors(versions).values()]
            read = partial(series, result_type=result_type)
            return await self._asker.ask(query(selectors), read, at.timestamp(), self._deadline)

        rows: list[tuple[Case, Arm, RawSeries]] = []
        for group, outcome in await self._halving.put(cases, question):
            if isinstance(outcome, QueryError):
                if outcome.sent:
                    self._doubts.failed([case.rollout.id for case in group])
                for case in group:
                    case.fail(outcome.reason, outcome.message)
            else:
                rows.extend(owners(group, versions, outcome))
        return rows


def _together(cases: Sequence[Case]) -> list[tuple[Sought, list[Case]]]:
    """What the cases seek, each with those that seek it."""
    found: dict[tuple[str, str], tuple[Sought, list[Case]]] = {}
    for case in cases:
        for one in case.sought:
            found.setdefault(one.identity, (one, []))[1].append(case)
    return list(found.values())


def _at_once(found: Sequence[tuple[Sought, list[Case]]]) -> list[tuple[list[Sought], list[Case]]]:
    """What one query can fetch: metrics that are read whole, of the same cases by the same labels."""
    together: dict[object, tuple[list[Sought], list[Case]]] = {}
    for one, cases in found:
        same = (tuple(one.versions.items()), tuple(map(id, cases)))
        key = same if plain(one.counter) else one.identity
        together.setdefault(key, ([], cases))[0].append(one)
    return list(together.values())


def _counted_by(sought: Sequence[Sought], case: Case, raw: RawSeries) -> Sequence[Sought]:
    """Which of those that were fetched at once the series is; a problem of the case if it is none."""
    if len(sought) == 1:
        return sought
    found = [one for one in sought if one.counter.metric == raw.labels.get(NAME_LABEL)]
    if not found:
        case.fail(Reason.METRICS_INVALID, "Prometheus gave a series without its metric's name")
    return found
