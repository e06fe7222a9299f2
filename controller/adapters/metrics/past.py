"""Days of one version's counts, for a backtest: read hour by hour, the oldest first.

**Invariant**: the blocks are those that a rollout would have been given then, and nothing is read twice. A
backtest only reads.
"""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from controller.adapters.metrics.answers import instant, series
from controller.adapters.metrics.asking import Asker
from controller.adapters.metrics.batch import Batch
from controller.adapters.metrics.client import PrometheusAccess, QueryError
from controller.adapters.metrics.history import case_of_stable, history_of
from controller.adapters.metrics.packs import Pack
from controller.adapters.metrics.versions import version_query, versions_of
from controller.domain.backtest.past import Known, Past
from controller.domain.judge.blocks import assemble
from controller.domain.judge.calibration import calibrate
from controller.domain.judge.counts import Block, CheckCounts, Tally
from controller.domain.judge.series import Series, Window, patience, scrape_interval
from controller.domain.model import Rollout
from controller.domain.observation import NoReading
from controller.domain.policy import Policy
from controller.domain.release import Release
from controller.domain.vocabulary import Reason
from controller.errors import TransientError

LONGEST_PIECE = timedelta(hours=1)
_SHORTEST_PIECE = timedelta(minutes=4)
_TIMEOUTS = 2


@dataclass(frozen=True, slots=True)
class Piece:
    """An hour of the past at most. ``until`` is how far the reading has come."""

    until: datetime
    blocks: tuple[Block, ...]
    known: tuple[Known, ...]
    scrape: timedelta


class PastReader:
    """Reads the past of a policy's model from one Prometheus."""

    def __init__(self, url: str, pack: Pack, policy: Policy, access: PrometheusAccess | None = None) -> None:
        self._pack = pack
        self._policy = policy
        self._access = access or PrometheusAccess()
        self._asker = Asker(url, self._access, lambda _: None)

    def close(self) -> None:
        """Let go of threads and connections."""
        self._asker.close()

    async def now(self) -> datetime:
        """Prometheus' clock. Raises `TransientError`."""
        try:
            seconds = await self._asker.ask("time()", instant, None, self._deadline())
        except QueryError as error:
            raise TransientError(error.message) from error
        return datetime.fromtimestamp(seconds, UTC)

    async def versions(self, now: datetime) -> Sequence[str]:
        """The model's versions that answered requests in the last hour, the busiest first.

        Empty where the pack tells versions apart by labels that do not hold their names. Raises
        `TransientError`.
        """
        query = version_query(self._pack, self._policy.model, LONGEST_PIECE)
        if query is None:
            return ()
        try:
            rows = await self._asker.ask(
                query, lambda answer: series(answer, "vector"), now.timestamp(), self._deadline()
            )
        except QueryError as error:
            raise TransientError(error.message) from error
        return versions_of(self._pack, self._policy.model, rows)

    async def pieces(
        self, release: Release, since: datetime, until: datetime, named: Sequence[tuple[str, str]] = ()
    ) -> AsyncGenerator[Piece, None]:
        """The version's past, piece by piece. ``named`` is the gateway's own name of it, by version.

        Raises `TransientError`.
        """
        rollout = Rollout("backtest", self._policy.model, release, self._policy, since, "backtest")
        rollout = replace(rollout, route=replace(rollout.route, series=tuple(named)))
        length = min(LONGEST_PIECE, self._access.longest_window)
        while since < until:
            end = min(since + length, until)
            piece = await self._piece(rollout, since, end)
            if isinstance(piece, Piece):
                yield piece
                since = piece.blocks[-1].end if piece.blocks and end < until else end
            elif piece.reason is Reason.METRICS_INVALID and length / 4 >= _SHORTEST_PIECE:
                length /= 4
            else:
                raise TransientError(piece.message)

    async def _piece(self, rollout: Rollout, since: datetime, end: datetime) -> Piece | NoReading:
        case = case_of_stable(rollout, rollout.release, self._pack, since)
        windows = await Batch(self._asker, self._access, end, self._deadline()).fill((case,))
        if case.problem is not None:
            return case.problem
        window, checks = windows[case], self._policy.checks
        history = await history_of(case, window)
        known = (Known(end, calibrate(history, checks)),) if history.minutes else ()
        blocks = _recorded(assemble(case.series, checks, window).blocks, case.series, window)
        scrape = scrape_interval(case.series) or timedelta(0)
        return Piece(end, tuple(map(_of_stable, blocks)), known, scrape)

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + _TIMEOUTS * self._access.timeout.total_seconds()


def past_of(version: str, pieces: Sequence[Piece]) -> Past:
    """All pieces, in order, as one past."""
    return Past(
        version,
        max((piece.scrape for piece in pieces), default=timedelta(0)),
        tuple(block for piece in pieces for block in piece.blocks),
        tuple(known for piece in pieces for known in piece.known),
    )


def _recorded(blocks: Sequence[Block], found: Sequence[Series], window: Window) -> list[Block]:
    """Those that were not all in a silence: there they say "no requests", which nobody knows."""
    scraped = sorted({seconds for one in found for seconds, _ in one.samples})
    longest = patience(window.scrape)

    def seen(block: Block) -> bool:
        after = bisect_left(scraped, (block.start - longest).timestamp())
        return after < len(scraped) and scraped[after] <= (block.end + longest).timestamp()

    return [block for block in blocks if seen(block)]


def _of_stable(block: Block) -> Block:
    """The only version's counts are stable's: who reads one version reads it as a canary."""
    checks = tuple(CheckCounts(counts.check, Tally(), counts.canary) for counts in block.checks)
    return Block(block.start, block.end, 0, block.canary_requests, checks)
