"""The proof, after the fact, that the daemons wrote nothing that they must not write.

It trusts nothing that a daemon says of itself: it takes the patches that the API server accepted, in the
server's own order, and the objects as they were after each. Every function gives the violations as sentences;
numbers are those of the invariants that they prove.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from controller.domain.exposure import weights as weights_of_steps
from controller.domain.model import Rollout
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from tests.e2e.cluster.history import Write
from tests.e2e.cluster.records import broken_records, wrong_ends
from tests.e2e.cluster.routes import FULL_SUM, Ours, copies_of, foreign_part, share_of, weights_of

Obj = dict[str, Any]


def violations(
    writes: Sequence[Write],
    before: Mapping[str, Obj],
    after: Mapping[str, Obj],
    backends: Mapping[str, Ours],
) -> list[str]:
    """All of them. ``before`` and ``after`` have each route as it was at first and as it is now."""
    return [
        *unconditional(writes),
        *many_writers(writes),
        *foreign_changes(writes, before, backends),
        *wrong_weights(writes, before, backends),
        *ahead_of_the_record(writes, before, backends),
        *wrong_steps(writes, backends),
        *wrong_copies(writes, backends),
        *broken_records(writes),
        *wrong_ends(writes, after, backends),
    ]


def unconditional(writes: Iterable[Write]) -> list[str]:
    """S7: each write is to the very state that was read, and says in which epoch it is made."""
    return [
        f"{write} {fault}"
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
                found.append(f"{write} is of epoch {write.epoch}, after {other} of {other.epoch}")
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
        f"{write} changed what is not ours"
        for write in writes
        if write.kind == "httproutes"
        and foreign_part(write.obj, backends[write.name])
        != foreign_part(before[write.name], backends[write.name])
    ]


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
            found.append(f"{write} made the weights {ours}, not of {allowed} in all")
    return found


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
                found.append(f"{write} made the weights {ours}, but the record asks for {intended}")
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
        allowed = [0, *weights_of_steps(rollout.policy), FULL_WEIGHT_PERMILLE]
        share = share_of(rollout, weights_of(write.obj, backends[write.name])[0])
        key = (write.name, rollout.id)
        if share not in allowed:
            found.append(f"{write} gave the canary {share}, which is no step of {allowed}")
            continue
        place = allowed.index(share)
        if place > places[key] + 1 and rollout.stable is not None and not rollout.promote_asked:
            found.append(f"{write} rose from {allowed[places[key]]} to {share} at once")
        places[key] = place
    return found


def wrong_copies(writes: Iterable[Write], backends: Mapping[str, Ours]) -> list[str]:
    """S2 and S3: requests are copied as a record asks, written before, to a canary that has no weight."""
    found = []
    records: dict[str, Rollout] = {}
    for write in writes:
        record = write.record
        if record is not None:
            records[record.policy.route.name] = record
        elif write.kind == "httproutes" and (copies := copies_of(write.obj, backends[write.name])):
            rollout = records.get(write.name)
            asked = rollout.mirror_permille if rollout else 0
            if copies != asked:
                found.append(f"{write} copies {copies}, but the record asks for {asked}")
            if rollout and share_of(rollout, weights_of(write.obj, backends[write.name])[0]):
                found.append(f"{write} copies requests to a version that has a weight")
    return found


def _as_asked(ours: Mapping[str, int], rollout: Rollout) -> bool:
    return share_of(rollout, ours) in (0, rollout.share_permille)


def _tests_version(write: Write) -> bool:
    return any(
        each["op"] == "test" and each["path"] == "/metadata/resourceVersion" for each in write.operations
    )
