"""From 100 to 1,000 to 5,000 models: the same figures of each size."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from bench.fleet.figures import Figures, figures, table
from bench.fleet.scene import breach, first_rollouts, rise, said, scene, with_victims
from bench.fleet.world import Size

SIZES = (Size(100, 100), Size(1000, 100), Size(5000, 100), Size(1000, 1000), Size(5000, 1000))


class Options(Protocol):
    """How it is measured: ``first`` is "seeded" or "real", ``sampled`` a folder for what a sampler saw."""

    seconds: float
    settle: float
    first: str
    sampled: Path | None


async def growth(sizes: Sequence[Size], options: Options) -> list[Figures]:
    """All sizes, one after the other; each is printed when it is done, too."""
    found = []
    for size in sizes:
        found.append(await _one(size, options))
        print(table(found[-1:]), flush=True)
    return found


async def _one(size: Size, options: Options) -> Figures:
    seeded = options.first == "seeded"
    async with scene(size, seeded=seeded) as at:
        fleet = at.fleet
        file = options.sampled / f"{size.models}-{size.rolling}.txt" if options.sampled else None
        start = await fleet.start(sampled=file)
        said(f"  daemon ready after {start:.1f} s")
        if not seeded:
            await first_rollouts(fleet)
        rising = await rise(at)
        await asyncio.sleep(options.settle)
        found = await figures(fleet, options.seconds, start, rising)
        said(f"  measured {found.seconds:.0f} s; answers by status {dict(at.requests.answers)}")
        with_victims(at, fleet.rolling)
        breaches = await breach(at, fleet.victims, "bad")
        said(f"  {len(breaches)} bad versions: {', '.join(f'{each:.1f}' for each in breaches)} s to weight 0")
        memory = ", ".join(f"{name} {size / 2**20:.0f}" for name, size in fleet.memory_bytes().items())
        said(f"  MiB resident: {memory}")
        fleet.daemon.stop(30)  # a sampler writes what it saw
    return replace(found, breaches=breaches)
