"""How many copies a share of requests needs, measured in those of the stable version. Pure.

**Units**: shares in thousandths of all requests. A copy of either version is held to do as much as the other.
"""

from controller.domain.policy import FULL_WEIGHT_PERMILLE


def copies_for(share_permille: int, full: int) -> int:
    """The copies that a share needs when ``full`` copies serve everyone; at least 1."""
    return max(1, -(-full * share_permille // FULL_WEIGHT_PERMILLE))


def carried_by(copies: int, full: int) -> int:
    """The share that so many copies can carry; what `copies_for` gives for a share can carry it."""
    return min(FULL_WEIGHT_PERMILLE, FULL_WEIGHT_PERMILLE * copies // max(full, 1))


def too_few(copies: int, share_permille: int, full: int) -> bool:
    """Whether so few copies are ready that the version cannot be called ready at its present share.

    That is fewer than half of what the share needs, and always none. A drained node, or a stable version that
    grows faster than copies start, is no reason to roll back: whether the rest can cope is measured.
    """
    return 2 * copies < copies_for(share_permille, full)
