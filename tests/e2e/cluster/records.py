"""The part of the checker that is about the records of rollouts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from controller.domain.model import Rollout
from controller.domain.vocabulary import Phase
from tests.e2e.cluster.history import Write
from tests.e2e.cluster.routes import Ours, weights_of

Obj = dict[str, Any]


def broken_records(writes: Iterable[Write]) -> list[str]:
    """S9 and S10: the log's numbers have no gaps and no repeats, and what is over stays over."""
    found = []
    history: dict[str, list[tuple[Write, Rollout]]] = defaultdict(list)
    for write in writes:
        if (record := write.record) is not None:
            history[write.name].append((write, record))
    for name, seen in history.items():
        if seen[0][1].seq != 1:
            found.append(f"{name} begins with entry {seen[0][1].seq}")
        for (_, old), (write, new) in pairwise(seen):
            if new.id == old.id and new.seq not in (old.seq, old.seq + 1):
                found.append(f"{write} goes from entry {old.seq} to {new.seq}")
            if new.id == old.id and old.phase.terminal and not _stays_over(old, new):
                found.append(f"{write} goes on after {old.phase}: {new.phase}")
            if new.id != old.id and (new.seq != 1 or not old.phase.terminal):
                found.append(f"{write} begins {new.id} at entry {new.seq} after {old.phase}")
    return found


def _stays_over(old: Rollout, new: Rollout) -> bool:
    """Whether nothing was added after the end but, once, how the last requests ended."""
    drained = old.drain is None and new.drain is not None
    return replace(old, drain=new.drain, seq=old.seq + drained) == new


def wrong_ends(writes: Iterable[Write], after: Mapping[str, Obj], backends: Mapping[str, Ours]) -> list[str]:
    """S9: when all is over, the route sends everything to what the rollout that ended last left serving."""
    ended: dict[tuple[str, str], Rollout] = {}
    for write in writes:
        record = write.record
        if record is not None and record.phase.terminal:
            ended.setdefault((record.policy.route.name, record.id), record)
    last = {name: record for (name, _), record in ended.items()}
    found = []
    for name, record in last.items():
        serving = record.release if record.phase is Phase.SUCCEEDED else record.stable
        if serving is None or serving.backend is None:
            continue  # it ended before it knew
        given = {other for other, weight in weights_of(after[name], backends[name])[0].items() if weight}
        if given != {serving.backend.name}:
            found.append(f"{record.id} ended {record.phase}, and the route {name} serves {sorted(given)}")
    return found
