"""Which of several daemons works on a model: a share of all models, by a hash of the name. Pure.

**Invariant**: with one count of shards each model belongs to exactly one of them, on every machine and in
every version of Serinus. With another count most belong elsewhere, so no two counts may work side by side.
"""

import hashlib
import re
from dataclasses import dataclass

MOST_SHARDS = 99
_WRITTEN = re.compile(r"([1-9]\d?)/([1-9]\d?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """The ``index``-th of ``count`` shards, counted from 1."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return self.count == 1

    def owns(self, model: str) -> bool:
        """Whether the model is this shard's."""
        return shard_of(model, self.count) == self.index


WHOLE = Shard(1, 1)
"""All models."""


def shard_of(model: str, count: int) -> int:
    """From 1 to ``count``: the first 8 bytes of the SHA-256 of the model's name, modulo the count."""
    digest = hashlib.sha256(model.encode()).digest()
    return int.from_bytes(digest[:8]) % count + 1


def shard_from(written: str) -> Shard:
    """``2/3`` is the second of three. Raises `ValueError`."""
    found = _WRITTEN.fullmatch(written)
    if found is None or int(found[1]) > int(found[2]):
        error = f"must be INDEX/COUNT, as in 2/3: from 1 to the count, which is {MOST_SHARDS} at most"
        raise ValueError(error)
    return Shard(int(found[1]), int(found[2]))
