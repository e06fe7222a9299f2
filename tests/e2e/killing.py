"""One rollout through many sudden deaths of the daemon, and the proof that it was none the worse for them.

The proof does not ask the daemon's own sums: it takes the log that the store holds, entry by entry, and what
the stream of requests saw at the gateway.
"""

import json
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from controller.domain.model import Entry
from controller.domain.observation import Reading
from controller.domain.vocabulary import Phase
from deploy.local.stream import Traffic
from tests.e2e.harness import Harness
from tests.e2e.policies import step
from tests.e2e.proof import assert_gapless, eventually, weights

KILLS = 10
WEIGHT_CHANGES = 4
"""To 20 %, 40 %, 60 % and everyone."""
STEPS = (step("20%", "4s", 60), step("40%", "4s", 120), step("60%", "4s", 180))
BAKE = "4s"
HOLDS = dict.fromkeys((200, 400, 600, 1000), timedelta(seconds=4))
REQUESTS = {200: 60, 400: 120, 600: 180}
_DURING_START = 0.25
_CLOCKS_DIFFER = timedelta(milliseconds=50)

Moment = Callable[[Harness, str, random.Random], None]
"""Returns when the daemon, which was just launched, shall die."""


def at_random(harness: Harness, rollout: str, chosen: random.Random) -> None:
    """Whatever it is doing: one time in four while it starts, else within some passes."""
    del rollout
    if chosen.random() < _DURING_START:
        time.sleep(chosen.uniform(0.1, 1.5))
        return
    eventually(harness.lives, "the daemon lives")
    time.sleep(chosen.uniform(0.0, 2.2))


def at_a_change(harness: Harness, rollout: str, chosen: random.Random) -> None:
    """Within 30 ms of a commit that asks for another weight: before, amid or after the write."""
    before = weight_in_store(harness, rollout)
    deadline = time.monotonic() + 20
    while weight_in_store(harness, rollout) == before and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(chosen.uniform(0.0, 0.03))


def weight_in_store(harness: Harness, rollout: str) -> float:
    """The weight of the log's last entry."""
    return harness.stored(rollout)[-1].weight_permille


def survives(harness: Harness, seed: int, kills: int, moment: Moment, figures: Callable[[str], None]) -> None:
    """Kill the daemon so often, and check everything."""
    figures(f"seed {seed}")
    chosen = random.Random(seed)
    model = harness.model(STEPS, bake=BAKE)
    daemon = harness.stage.daemon
    killed: list[datetime] = []
    began = time.monotonic()
    with harness.traffic(model, rate=100) as stream:
        rollout = harness.deploy(model, "v2")
        for _ in range(kills):
            moment(harness, rollout, chosen)
            assert daemon.service is not None
            daemon.service.kill()
            killed.append(datetime.now(UTC))
            daemon.launch()
        eventually(harness.lives, "the daemon lives")
        harness.until(rollout, Phase.SUCCEEDED, within=90)
        seconds = time.monotonic() - began
        traffic = stream.stop()
    stored = harness.stored(rollout)
    assert killed[-1] < stored[-1].at, "the rollout was over before the last kill"
    assert_rose_step_by_step(harness, rollout)
    shortest = assert_nothing_shortened(stored)
    assert_gateway_never_ahead(stored)
    assert_users_noticed_nothing(traffic, model)
    clocks = len({entry.observation.tick.clock_id for entry in stored if entry.observation})
    assert clocks > kills / 3, "too few of the processes lived long enough to decide anything"
    figures(
        f"{kills} kills, {clocks} processes decided, {len(stored)} entries, "
        f"{traffic.sent} requests, 0 failed, shortest step {shortest.total_seconds():.1f} s, {seconds:.0f} s"
    )


def assert_rose_step_by_step(harness: Harness, rollout: str) -> None:
    entries = harness.entries(rollout)
    assert_gapless(entries)
    assert weights(entries) == [0, 20, 40, 60, 100]
    moves = [entry for entry in entries if entry.event in ("canary_validated", "step_advanced")]
    assert [(entry.step, entry.weight) for entry in moves] == [(1, 20), (2, 40), (3, 60)]
    events = [entry.event for entry in entries]
    for once in ("promotion_started", "bake_started", "bake_finished", "rollout_succeeded"):
        assert events.count(once) == 1, once
    shown = harness.cli("history", rollout, "--all", "--limit", "1000", "-o", "json")
    items = json.loads(shown.stdout)["items"]
    assert [item["seq"] for item in items] == [entry.seq for entry in entries]


def assert_nothing_shortened(stored: Sequence[Entry]) -> timedelta:
    """Each step lasted, while somebody watched, as long as it should; the shortest of them."""
    watched = {weight: watched_at(stored, weight) for weight in HOLDS}
    counted = {weight: requests_at(stored, weight) for weight in REQUESTS}
    for weight, span in HOLDS.items():
        assert watched[weight] >= span - _CLOCKS_DIFFER, (weight, watched)
    for weight, least in REQUESTS.items():
        assert counted[weight] >= least, (weight, counted)
    return min(watched.values())


def in_force(entry: Entry, weight_permille: int) -> bool:
    """Whether this pass saw the gateway run the weight."""
    seen = entry.observation.route if entry.observation else None
    return seen is not None and seen.accepted and seen.split.weight_permille == weight_permille


def watched_at(stored: Sequence[Entry], weight_permille: int) -> timedelta:
    """By the log's own times: the spans between passes of one process that both saw the weight in force."""
    total = timedelta()
    for before, after in pairwise(stored):
        if not in_force(before, weight_permille) or not in_force(after, weight_permille):
            continue
        assert before.observation is not None
        assert after.observation is not None
        if before.observation.tick.clock_id == after.observation.tick.clock_id:
            total += after.at - before.at
    return total


def requests_at(stored: Sequence[Entry], weight_permille: int) -> int:
    """The canary's requests in blocks that began after the weight was first seen in force."""
    seen = [entry for entry in stored if in_force(entry, weight_permille)]
    blocks = {
        block.start: block.canary_requests
        for entry in seen
        if entry.observation and isinstance(entry.observation.reading, Reading)
        for block in entry.observation.reading.blocks
        if block.start >= seen[0].at
    }
    return sum(blocks.values())


def assert_gateway_never_ahead(stored: Sequence[Entry]) -> None:
    """What the gateway ran was at no time above what the log had asked for before."""
    for before, after in pairwise(stored):
        if after.observation and after.observation.route:
            assert after.observation.route.split.weight_permille <= before.weight_permille


def assert_users_noticed_nothing(traffic: Traffic, model: str) -> None:
    assert traffic.sent > 0
    assert traffic.failed == 0, (traffic.statuses, traffic.errors)
    assert traffic.served(f"{model}@v2")[0] >= sum(REQUESTS.values())
