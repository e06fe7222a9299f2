"""A fleet with everything around it, ready to be measured; and what the parts of the bench do to it."""

import os
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.fleet.traffic import Requests, Versions
from bench.fleet.world import HOLDING, Fleet, Size
from controller.domain.vocabulary import Phase
from deploy.local.stack import Stack

REQUESTS_PER_SECOND = 300
EACH_VICTIM = 10
"""Requests a second to all that roll together; and to each whose next version is bad, besides."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The fleet, its versions, and the requests to it."""

    fleet: Fleet
    versions: Versions
    requests: Requests


def said(text: str) -> None:
    """A line at once, with the time and how busy the machine is: others may be at work on it."""
    print(f"{datetime.now(UTC):%H:%M:%S} load {os.getloadavg()[0]:3.1f}  {text}", flush=True)


@asynccontextmanager
async def scene(size: Size, *, seeded: bool = True, policy: str = HOLDING) -> AsyncIterator[Scene]:
    """All but the daemon, which `Fleet.start` starts; everything ends with the context."""
    said(f"{size}")
    with tempfile.TemporaryDirectory(prefix="serinus-fleet-") as folder, Stack(Path(folder)) as stack:
        async with Versions() as versions:
            fleet = Fleet(stack, size, versions.stable, versions.canary, policy)
            seconds = await fleet.build(seeded=seeded)
            how = "written beforehand by the adapters' code" if seeded else "to be rolled out"
            said(f"  parts in {seconds:.0f} s; first versions {how}")
            async with Requests(fleet.gateway.port) as requests:
                yield Scene(fleet, versions, requests)


async def first_rollouts(fleet: Fleet) -> None:
    """Let the daemon roll out every model's first version."""
    ordered = await fleet.deploy(fleet.models, "v1")
    seconds = await fleet.until(Phase.SUCCEEDED, fleet.models)
    said(f"  {len(fleet.models)} first rollouts ordered in {ordered:.0f} s, over {seconds:.0f} s later")


async def rise(at: Scene) -> float:
    """Roll all that shall roll, with requests; the seconds until all are at their step."""
    at.requests.to(at.fleet.rolling, REQUESTS_PER_SECOND)
    began = time.monotonic()
    ordered = await at.fleet.deploy(at.fleet.rolling, "v2")
    await at.fleet.until(Phase.PROGRESSING, at.fleet.rolling)
    seconds = time.monotonic() - began
    said(f"  {len(at.fleet.rolling)} releases in {ordered:.1f} s, all at their step after {seconds:.1f} s")
    return seconds


async def breach(at: Scene, models: Sequence[str], version: str) -> Sequence[float]:
    """Release a bad version of each model: seconds from its first bad answer to its weight of 0."""
    at.fleet.skip_log()
    at.versions.bad.update(models)
    at.versions.first_bad.clear()
    await at.fleet.deploy(models, version)
    ends = await at.fleet.weight_0(models)
    at.versions.bad.difference_update(models)
    await at.fleet.until(Phase.ROLLED_BACK, models)
    return [(ends[model] - at.versions.first_bad[model]).total_seconds() for model in models]


def with_victims(at: Scene, rolling: Sequence[str]) -> None:
    """Requests to those that roll, as before, and more to those that will be released badly."""
    more = len(at.fleet.victims) * EACH_VICTIM
    turns = mixed(rolling, REQUESTS_PER_SECOND, at.fleet.victims, more) if rolling else at.fleet.victims
    at.requests.to(turns, more + (REQUESTS_PER_SECOND if rolling else 0))


def mixed(many: Sequence[str], many_rate: float, few: Sequence[str], few_rate: float) -> list[str]:
    """Turns in which those of each kind get so many of the requests, evenly spread."""
    turns: list[str] = []
    each = many_rate / few_rate
    for place in range(max(len(many), round(len(few) * each))):
        turns.append(many[place % len(many)])
        if int((place + 1) / each) > int(place / each):
            turns.append(few[int(place / each) % len(few)])
    return turns
