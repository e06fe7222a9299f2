"""What a kind of route can do for a rollout, beside dividing requests by weight.

Told by the adapters' registry to whoever must know before a rollout begins: lint, which refuses what the
route cannot do, or warns that it will be left out, and `serinus doctor`, which prints it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Of one kind of route. Without a word it can divide requests and nothing else."""

    finest_permille: int = 1
    """The smallest weight, and the smallest difference between two: 10 where weights are whole percents."""
    mirror: bool = False
    """Copies of requests can be sent to the canary, whose answers nobody sees."""
    zero_weight: bool = True
    """A version can stay on the route with the weight 0; else it must be taken off."""
    match: bool = False
    """Requests can be given to the canary by what their headers and cookies say."""
    sticky: bool = False
    """Whoever was given the canary keeps it while its weight grows."""
    version_header: str = ""
    """The header in which an answer names the version that gave it, if the route itself adds one."""
    hashes: bool = False
    """Whatever says who somebody is can be hashed for that; else it must end in digits that are at random."""
