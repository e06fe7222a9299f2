"""Does one model's bad version reach weight 0 as fast while 99 others roll as it does alone?

The same models are released badly, one at a time, first while nothing else rolls, then while 99 others do.
Each release begins at the same moment of a block, and blocks are the judge's, by the wall clock: a release
that comes late in one needs one more, and that difference would be the moment's.
"""

import asyncio
import statistics
import time

from bench.fleet.scene import Scene, breach, rise, said, scene, with_victims
from bench.fleet.world import INTERVAL_SECONDS, Size

SIZE = Size(1000, 99)
_INTO_BLOCK_SECONDS = 2.0


async def neighbours(repetitions: int, settle: float) -> str:
    """The times of both, and the difference of their medians."""
    async with scene(SIZE) as at:
        await at.fleet.start()
        with_victims(at, [])
        alone = [await _time(at, f"alone{number}", number) for number in range(repetitions)]
        await rise(at)
        with_victims(at, at.fleet.rolling)
        await asyncio.sleep(settle)
        among = [await _time(at, f"among{number}", number) for number in range(repetitions)]
    difference = statistics.median(among) - statistics.median(alone)
    return "\n".join(
        [
            f"breach to weight 0 of one of {SIZE.models:,} models, {repetitions} times each (goal: 1 s)",
            f"  alone            {_shown(alone)}",
            f"  {SIZE.rolling} others roll  {_shown(among)}",
            f"  difference       {difference:+.2f} s between the medians",
        ]
    )


async def _time(at: Scene, version: str, number: int) -> float:
    model = at.fleet.victims[number % len(at.fleet.victims)]
    await asyncio.sleep((_INTO_BLOCK_SECONDS - time.time()) % INTERVAL_SECONDS)
    (seconds,) = await breach(at, [model], version)
    said(f"  {version}: {seconds:.2f} s")
    return seconds


def _shown(seconds: list[float]) -> str:
    each = " ".join(f"{one:.1f}" for one in seconds)
    return f"median {statistics.median(seconds):.2f} s of {each}"
