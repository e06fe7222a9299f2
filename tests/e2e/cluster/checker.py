"""The proof, after the fact, that the daemons wrote nothing that they must not write.

It trusts nothing that a daemon says of itself: it takes the patches that the API server accepted, in the
server's own order, and the objects as they were after each. Every function gives the violations as sentences;
numbers are those of the invariants that they prove.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from controller.domain.model import Rollout
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from tests.e2e.cluster.history import EPOCH, Write

Obj = dict[str, Any]


@dataclass(slots=True)
class Ours:
    """What is a model's own on its route: backends by their names, in one rule."""

    names: list[str] = field(default_factory=list)
    rule: int = 0


FULL_SUM = 1000
"""What the weights of a pair add up to that is alone in its rule."""


def violations(writes: Sequence[Write], before: Mapping[str, Obj], backends: Mapping[str, Ours]) -> list[str]:
    """All of them. ``before`` has each route as it was at first, ``backends`` those that are ours on it."""
    return [
        *unconditional(writes),
        *many_writers(writes),
        *foreign_changes(writes, before, backends),
        *wrong_weights(writes, before, backends),
        *ahead_of_the_record(writes, before, backends),
        *wrong_steps(writes, backends),
        *broken_records(writes),
    ]


def unconditional(writes: Iterable[Write]) -> list[str]:
    """S7: each write is to the very state that was read, and says in which epoch it is made."""
    return [
        f"{_shown(write)} {fault}"
        for write in writes
        for fault in (
            "tests no resourceVersion" if not _tests_version(write) else "",
            "claims no epoch" if write.epoch is None else "",
        )
        if fault
    ]


def many_writers(writes: Iterable[Write]) -> list[str]:
    """S7: on no object a write by an old epoch after one of a newer epoch.

    And on none at all after a newer leader did anything but stamp its epoch: by then it has stamped every
    route and every rollout that had begun. What had not begun is nobody's yet, and its first stamp decides.
    """
    found = []
    last: dict[tuple[str, str], Write] = {}
    begun: set[str] = set()
    acting: Write | None = None
    for write in writes:
        if write.epoch is None:
            continue
        before = last.get((write.kind, write.name))
        known = write.kind == "httproutes" or write.name in begun
        for other in (before, acting if known else None):
            if other is not None and write.epoch < (other.epoch or 0):
                found.append(
                    f"{_shown(write)} is of epoch {write.epoch}, after {_shown(other)} of {other.epoch}"
                )
                break
        last[write.kind, write.name] = write
        if write.record is not None:
            begun.add(write.name)
        if not write.stamps and (acting is None or write.epoch > (acting.epoch or 0)):
            acting = write
    return found


def foreign_changes(
    writes: Iterable[Write], before: Mapping[str, Obj], backends: Mapping[str, Ours]
) -> list[str]:
    """S1: whatever is not ours on a route is after each write as it was at first."""
    return [
        f"{_shown(write)} changed what is not ours"
        for write in writes
        if write.kind == "httproutes"
        and foreign_part(write.obj, backends[write.name])
        != foreign_part(before[write.name], backends[write.name])
    ]


def foreign_part(route: Obj, ours: Ours) -> Obj:
    """A route without our backends, the epoch, its status and what the server keeps of its own."""
    spec = deepcopy(route["spec"])
    rule = spec["rules"][ours.rule]
    rule["backendRefs"] = [ref for ref in rule.get("backendRefs", []) if ref["name"] not in ours.names]
    meta = route["metadata"]
    annotations = {key: text for key, text in meta.get("annotations", {}).items() if key != EPOCH}
    return {"spec": spec, "labels": meta.get("labels", {}), "annotations": annotations}


def wrong_weights(
    writes: Iterable[Write], before: Mapping[str, Obj], backends: Mapping[str, Ours]
) -> list[str]:
    """S1: whole numbers from 0 on; our backends' sum is what it was, or 1,000 where they are alone."""
    found = []
    for write in writes:
        if write.kind != "httproutes":
            continue
        ours, others = weights_of(write.obj, backends[write.name])
        at_first = sum(weights_of(before[write.name], backends[write.name])[0].values())
        allowed = {at_first or sum(ours.values())}
        if not any(others.values()):
            allowed.add(FULL_SUM)
        if sum(ours.values()) not in allowed or min(ours.values(), default=0) < 0:
            found.append(f"{_shown(write)} made the weights {ours}, not of {allowed} in all")
    return found


def weights_of(route: Obj, ours: Ours) -> tuple[dict[str, int], dict[str, int]]:
    """Weights of our backends, and of the others of the same rule, by name."""
    weights = {
        ref["name"]: ref.get("weight", 1) for ref in route["spec"]["rules"][ours.rule].get("backendRefs", [])
    }
    mine = {name: weight for name, weight in weights.items() if name in ours.names}
    return mine, {name: weight for name, weight in weights.items() if name not in mine}


def ahead_of_the_record(
    writes: Iterable[Write], before: Mapping[str, Obj], backends: Mapping[str, Ours]
) -> list[str]:
    """S3: a canary gets no weight above 0 but what a record, written before, asks for."""
    found = []
    records: dict[str, Rollout] = {}
    last = {name: weights_of(route, backends[name])[0] for name, route in before.items()}
    for write in writes:
        record = write.record
        if record is not None:
            records[record.policy.route.name] = record
        elif write.kind == "httproutes":
            ours = weights_of(write.obj, backends[write.name])[0]
            asked = records.get(write.name)
            if ours != last[write.name] and (asked is None or not _as_asked(ours, asked)):
                intended = asked and asked.weight_permille
                found.append(f"{_shown(write)} made the weights {ours}, but the record asks for {intended}")
            last[write.name] = ours
    return found


def wrong_steps(writes: Iterable[Write], backends: Mapping[str, Ours]) -> list[str]:
    """S2: the canary has nothing, a step of its policy or everything, and rises by one step per write."""
    found = []
    records: dict[str, Rollout] = {}
    places: dict[tuple[str, str], int] = defaultdict(int)
    for write in writes:
        record = write.record
        if record is not None:
            records[record.policy.route.name] = record
            continue
        if write.kind != "httproutes" or (rollout := records.get(write.name)) is None:
            continue
        allowed = [0, *(step.weight_permille for step in rollout.policy.steps), FULL_WEIGHT_PERMILLE]
        share = share_of(rollout, weights_of(write.obj, backends[write.name])[0])
        key = (write.name, rollout.id)
        if share not in allowed:
            found.append(f"{_shown(write)} gave the canary {share}, which is no step of {allowed}")
            continue
        place = allowed.index(share)
        if place > places[key] + 1 and rollout.stable is not None and not rollout.promote_asked:
            found.append(f"{_shown(write)} rose from {allowed[places[key]]} to {share} at once")
        places[key] = place
    return found


def share_of(rollout: Rollout, ours: Mapping[str, int]) -> int:
    """The thousandths of the pair that the rollout's version has."""
    backend = rollout.release.backend
    weight = ours.get(backend.name, 0) if backend else 0
    total = sum(ours.values())
    exact = weight * FULL_WEIGHT_PERMILLE / total if total else 0.0
    # beside other backends whole units are rounded down; the nearest step is meant
    steps = [0, *(step.weight_permille for step in rollout.policy.steps), FULL_WEIGHT_PERMILLE]
    nearest = min(steps, key=lambda step: abs(step - exact))
    return (
        nearest
        if abs(nearest - exact) <= max(FULL_WEIGHT_PERMILLE / total if total else 0, 1)
        else round(exact)
    )


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
                found.append(f"{_shown(write)} goes from entry {old.seq} to {new.seq}")
            if new.id == old.id and old.phase.terminal and (new.phase, new.seq) != (old.phase, old.seq):
                found.append(f"{_shown(write)} goes on after {old.phase}: {new.phase}")
            if new.id != old.id and (new.seq != 1 or not old.phase.terminal):
                found.append(f"{_shown(write)} begins {new.id} at entry {new.seq} after {old.phase}")
    return found


def _as_asked(ours: Mapping[str, int], rollout: Rollout) -> bool:
    return share_of(rollout, ours) in (0, rollout.share_permille)


def _tests_version(write: Write) -> bool:
    return any(
        each["op"] == "test" and each["path"] == "/metadata/resourceVersion" for each in write.operations
    )


def _shown(write: Write) -> str:
    subresource = f"/{write.subresource}" if write.subresource else ""
    return f"{write.daemon}'s write {write.version} of {write.kind}/{write.name}{subresource}"
