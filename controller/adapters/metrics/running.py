"""How many requests a version has in hand, by the gauges of any pack that has one: its engine's, or Envoy's.

**Invariant**: 0 is said only where every copy that was heard before was heard again after the traffic had
gone, and counted none. Whatever else there is, or is not, nobody can say.
"""

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from controller.adapters.metrics.answers import NAME_LABEL, RawSeries, instant, series
from controller.adapters.metrics.asking import Asker
from controller.adapters.metrics.cases import selector
from controller.adapters.metrics.client import QueryError
from controller.adapters.metrics.counters import Counter
from controller.adapters.metrics.packs import Pack, Selector
from controller.adapters.metrics.queries import samples_query
from controller.domain.model import Rollout
from controller.domain.observation import InFlight
from controller.domain.release import Release
from controller.domain.wording import listed

SETTLES = timedelta(seconds=2)
"""What was counted sooner after the traffic went may not hold a request that was still on its way."""
_LONGEST = timedelta(minutes=15)
_REACH = timedelta(seconds=90)
"""A copy that was heard so long before the traffic went, and not again, may still work."""
_WITHIN_SECONDS = 2.0
"""Nobody waits longer for an answer: what is not known now is asked again."""


@dataclass(slots=True)
class _Heard:
    """What a pack's gauges said of the version: the newest values, and how many series fell silent."""

    requests: float = 0
    copies: int = 0
    silent: int = 0
    malformed: bool = False
    metrics: set[str] = field(default_factory=set)


async def running(
    asker: Asker, packs: Mapping[str, Pack], rollout: Rollout, release: Release, since: timedelta
) -> InFlight:
    """What the release has in hand, counted after its traffic went ``since`` ago. Raises nothing."""
    if since <= SETTLES:
        return InFlight(None, "its traffic has only just gone")
    deadline = asyncio.get_running_loop().time() + _WITHIN_SECONDS
    asked = list(_questions(packs, rollout, release, min(since + _REACH, _LONGEST)))
    try:
        now = await asker.ask("time()", instant, None, deadline)
        read = partial(series, result_type="matrix")
        rows = await asyncio.gather(*(asker.ask(query, read, now, deadline) for query in asked))
    except QueryError as error:
        return InFlight(None, error.message)
    after = now - (since - SETTLES).total_seconds()
    found = [row for some in rows for row in some]
    heard = [_heard(pack, selector(pack.versions, rollout, release), found, after) for pack in packs.values()]
    return _verdict([one for one in heard if one is not None])


def _questions(
    packs: Mapping[str, Pack], rollout: Rollout, release: Release, window: timedelta
) -> Iterator[str]:
    """One for all packs whose versions are told apart by the same labels."""
    together: dict[tuple[str, ...], tuple[list[Counter], list[Selector]]] = {}
    for pack in packs.values():
        own = selector(pack.versions, rollout, release)
        if pack.in_flight and not own.empty:
            counters, selectors = together.setdefault(tuple(sorted(own.values)), ([], []))
            counters += [Counter(metric=name) for name in pack.in_flight]
            selectors.append(own)
    for counters, selectors in together.values():
        yield samples_query(counters, selectors, window)


def _heard(pack: Pack, own: Selector, rows: Sequence[RawSeries], after: float) -> _Heard | None:
    """What one pack's gauges said; None where there are none of the version."""
    if own.empty:
        return None
    said = _Heard()
    for row in rows:
        name = row.labels.get(NAME_LABEL, "")
        if name not in pack.in_flight or not own.selects(row.labels):
            continue
        said.copies += 1
        said.metrics.add(name)
        if not row.samples:
            said.malformed = True
            continue
        at, value = row.samples[-1]
        said.silent += at <= after
        said.malformed |= not (math.isfinite(value) and value >= 0)
        said.requests += value
    return said if said.copies else None


def _verdict(heard: Sequence[_Heard]) -> InFlight:
    """By those that are sure; of several the one that counts most, for they count the same requests."""
    if not heard:
        return InFlight(None, "no scraped gauge of requests in flight bears its labels")
    sure = [one for one in heard if not one.silent and not one.malformed]
    if not sure:
        first = heard[0]
        what = listed(sorted(first.metrics))
        fault = "is no count" if first.malformed else "has not been scraped since"
        return InFlight(None, f"{what} {fault}")
    most = max(sure, key=lambda one: one.requests)
    return InFlight(math.ceil(most.requests), f"by {listed(sorted(most.metrics))}")
