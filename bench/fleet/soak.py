"""Does the daemon's memory grow? 1,000 models, 100 rolling, bad versions now and then, people who look."""

import asyncio
import statistics
import time

from bench.fleet.scene import Scene, breach, rise, said, scene, with_victims
from bench.fleet.world import Size
from bench.machine import resident_bytes

SIZE = Size(1000, 100)
_EACH_SECONDS = 5.0
_WARM_UP_MINUTES = 5.0
_TENTH = 10


async def soak(minutes: float) -> str:
    """What was resident at first, in the end, and the growth; the first minutes are not counted."""
    async with scene(SIZE) as at:
        await at.fleet.start()
        await rise(at)
        with_victims(at, at.fleet.rolling)
        churning = asyncio.create_task(_churn(at))
        await asyncio.sleep(_WARM_UP_MINUTES * 60)
        said(f"  warm: {resident_bytes(at.fleet.daemon.pid) / 2**20:.1f} MiB")
        found: list[float] = []
        began = told = time.monotonic()
        while time.monotonic() - began < minutes * 60:
            await asyncio.sleep(_EACH_SECONDS)
            found.append(resident_bytes(at.fleet.daemon.pid) / 2**20)
            if time.monotonic() - told > 60:
                told = time.monotonic()
                said(f"  {found[-1]:.1f} MiB")
        churning.cancel()
        await asyncio.wait({churning})
        if not churning.cancelled() and (error := churning.exception()) is not None:
            raise error
    tenth = max(len(found) // _TENTH, 1)
    first, last = statistics.fmean(found[:tenth]), statistics.fmean(found[-tenth:])
    return (
        f"soak of {minutes:g} minutes, {SIZE}: {first:.1f} MiB at first, {last:.1f} MiB in the end, "
        f"{last / first - 1:+.1%} (goal: under 5 %); most {max(found):.1f} MiB"
    )


async def _churn(at: Scene) -> None:
    """One bad version after the other, and a list of everything after each."""
    number = 0
    while True:
        model = at.fleet.victims[number % len(at.fleet.victims)]
        (seconds,) = await breach(at, [model], f"soak{number}")
        said(f"  bad version {number}: {seconds:.1f} s to weight 0")
        await asyncio.to_thread(at.fleet.client.get)
        number += 1
