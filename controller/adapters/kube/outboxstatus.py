"""The outbox as it stands in a ModelRollout's status: which entries whom to tell, and what was left. Pure.

**Invariant**: what is read back is a list of numbers and words, whatever somebody wrote there.
"""

from collections.abc import Mapping, Sequence

from controller.adapters.kube.decisionlog import counted
from controller.adapters.kube.modelrollout import Shape
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.statusshape import (
    LONGEST_MEMO,
    LONGEST_WORD,
    MOST_DESTINATIONS,
    MOST_ENTRIES,
    MemoShape,
    PostingShape,
)
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.domain.model import Entry, Rollout

Marks = Mapping[tuple[int, str], str]
"""What is settled: number of the entry and destination, with what the destination leaves."""


def posted(status: Obj, rollout: Rollout, entry: Entry, *, anew: bool) -> Obj:
    """The outbox's part of the next status: one more entry to tell of, if it is notable."""
    pending = [] if anew else _pending(status)
    names = [_word(name) for name in dict.fromkeys(rollout.policy.notify)][:MOST_DESTINATIONS]
    if entry.notable and names:
        pending.append((counted(entry.seq), names))
    return _dumped(pending, {} if anew else memos(status))


def unsettled(status: Obj) -> Sequence[tuple[int, str]]:
    """Numbers of entries, each with a destination that is still to be told; in order."""
    return [(seq, name) for seq, names in _pending(status) for name in names]


def memos(status: Obj) -> Mapping[str, str]:
    """What each destination left for itself."""
    rows = [mapping(row) for row in sequence(status.get("memos"))]
    return {_word(row.get("destination")): text(row.get("memo"))[:LONGEST_MEMO] for row in rows}


def settled(status: Obj, marks: Marks) -> Obj:
    """The status without what is settled, and with what was left."""
    left = {seq: [name for name in names if (seq, name) not in marks] for seq, names in _pending(status)}
    kept = dict(memos(status)) | {name: memo for (_, name), memo in marks.items() if memo}
    rest = {key: value for key, value in status.items() if key not in ("outbox", "memos")}
    return rest | _dumped([(seq, names) for seq, names in left.items() if names], kept)


def _pending(status: Obj) -> list[tuple[int, list[str]]]:
    rows = [mapping(row) for row in sequence(status.get("outbox"))]
    found = [(number(row.get("seq")), sequence(row.get("to"))[:MOST_DESTINATIONS]) for row in rows]
    return [(counted(seq), [_word(name) for name in names]) for seq, names in found]


def _word(value: object) -> str:
    return text(value)[:LONGEST_WORD]


def _dumped(pending: Sequence[tuple[int, list[str]]], kept: Mapping[str, str]) -> Obj:
    rows: Sequence[Shape] = [PostingShape(seq=seq, to=names) for seq, names in pending[-MOST_ENTRIES:]]
    left: Sequence[Shape] = [
        MemoShape(destination=name, memo=memo[:LONGEST_MEMO])
        for name, memo in list(kept.items())[-MOST_DESTINATIONS:]
    ]
    parts = {"outbox": rows, "memos": left}
    return {
        key: [each.model_dump(mode="json", by_alias=True) for each in of] for key, of in parts.items() if of
    }
