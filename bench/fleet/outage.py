"""A Prometheus that is slow, and one that fails, while 100 models roll and step up all the time."""

import asyncio
import time
from collections import Counter

from bench.fleet.figures import bucket, measure
from bench.fleet.proxy import SLOW_SECONDS, Fault, Proxy
from bench.fleet.scene import Scene, rise, said, scene
from bench.fleet.world import STEPPING, Size
from bench.hundred import lateness
from controller.control.views import StatusView
from controller.domain.model import CommandKind

SIZE = Size(1000, 100)
_NAMES = {Fault.SLOW: f"answers {SLOW_SECONDS:g} s late", Fault.FAILING: "answers 503", Fault.NONE: "is well"}
_PATIENCE_SECONDS = 300


async def outage(seconds: float) -> str:
    """Passes, step-ups and the way back, with each fault."""
    lines = [f"Prometheus in trouble, {SIZE}, steps of 2 % each 30 s, time-out 10 s"]
    async with scene(SIZE, policy=STEPPING) as at, Proxy(at.fleet.prometheus.port) as proxy:
        await at.fleet.start(proxy.port)
        await rise(at)
        await asyncio.sleep(60)
        lines.append(await _during(at, Fault.NONE, seconds))
        for place, fault in enumerate((Fault.SLOW, Fault.FAILING)):
            proxy.fault = fault
            await asyncio.sleep(2 * SLOW_SECONDS)  # what was measured just before it may still step up
            lines.append(await _during(at, fault, seconds))
            lines.append(await _abort(at, place))
            proxy.fault = Fault.NONE
            lines.append(await _recovery(at))
    return "\n".join(lines)


async def _during(at: Scene, fault: Fault, seconds: float) -> str:
    at.fleet.skip_log()
    grown, _ = await measure(at.fleet, seconds)
    steps = at.fleet.events()["step_advanced"]
    histogram = "serinus_reconcile_duration_seconds"
    passes = max(grown[f"{histogram}_count"], 1.0)
    reasons = Counter(each.reason.value for each in at.fleet.client.get().items if not each.terminal)
    said(f"  Prometheus {_NAMES[fault]}: {steps} step-ups; {dict(reasons)}")
    mean, longest = grown[f"{histogram}_sum"] / passes, bucket(grown, histogram, 1.0)
    return (
        f"  {_NAMES[fault]}: {passes:.0f} passes in {seconds:.0f} s, {mean:.1f} s long on average, "
        f"longest <= {longest:g} s, begun <= {lateness({}, dict(grown), 1.0):g} s late; {steps} step-ups"
    )


async def _abort(at: Scene, number: int) -> str:
    """A person's word does not wait for Prometheus."""
    at.fleet.skip_log()
    model, began = at.fleet.rolling[number], time.monotonic()
    await asyncio.to_thread(at.fleet.client.command, model, CommandKind.ABORT)
    await at.fleet.weight_0([model])
    return f"    an abort meanwhile: weight 0 after {time.monotonic() - began:.1f} s"


async def _recovery(at: Scene) -> str:
    at.fleet.skip_log()
    began = time.monotonic()
    stepped: set[str] = set()
    first = 0.0
    wanted = {each.model for each in await _open(at)}
    while not wanted <= stepped and time.monotonic() - began < _PATIENCE_SECONDS:
        await asyncio.sleep(0.5)
        stepped |= at.fleet.models_of("step_advanced")
        first = first or (time.monotonic() - began if stepped else 0.0)
    missing = f", {len(wanted - stepped)} never did" if not wanted <= stepped else ""
    said(f"  recovered{missing}")
    last = time.monotonic() - began
    return f"    after it: the first step-up {first:.0f} s later, every model's {last:.0f} s later{missing}"


async def _open(at: Scene) -> list[StatusView]:
    found = await asyncio.to_thread(at.fleet.client.get)
    return [each for each in found.items if not each.terminal and each.step < each.steps]
