"""What a metrics pack may measure besides requests and durations, under names that mean the same in all.

**Invariant**: closed names with fixed units, so that a policy can be read without knowing its pack.
"""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """A number as it is now, or over the last minutes, of one version."""

    QUEUE = "queue"
    """Requests that wait at the copy where most wait."""
    KV_CACHE = "kv_cache"
    """The share of the key-value cache in use, 0 to 1, at the copy where it is largest."""
    MEAN_LATENCY = "mean_latency"
    """Seconds that a request took on average, where the engine has no histogram."""
    PROMPT_TOKENS = "prompt_tokens"
    """Tokens of a prompt on average."""
    OUTPUT_TOKENS = "output_tokens"
    """Tokens of an answer on average."""
    TOKEN_LATENCY = "token_latency"  # noqa: S105 - tokens of a language
    """Seconds that whole answers took for each of their tokens, on average."""


AUTO = "auto"
"""In place of a pack's name: the pack is recognised from what a copy of the canary shows."""


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """Where a copy shows its metrics; ``port`` is None for the port that answers requests."""

    port: int | None = None
    path: str = "/metrics"
