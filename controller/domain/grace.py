"""Whether a pod that is stopped lets its requests end: its grace period against the policy's drain time.

Serinus waits for the requests before it takes copies away itself. A node that is emptied, an autoscaler and
the end of the drain time do not: then a pod has its grace period, of which its preStop hook takes a part.
"""

from dataclasses import dataclass
from datetime import timedelta

from controller.domain.wording import duration


@dataclass(frozen=True, slots=True)
class Grace:
    """How a pod is stopped. ``whole`` is its grace period, ``pre_stop`` what its hook spends of it.

    ``shutdown`` is how long the engine lets requests end once it is told to stop, None where that cannot be
    read: vLLM's ``--shutdown-timeout``.
    """

    whole: timedelta
    pre_stop: timedelta = timedelta(0)
    shutdown: timedelta | None = None


def short_grace(whose: str, grace: Grace, drain: timedelta) -> str:
    """What is too short, and what to set; empty if nothing is.

    ``whose`` is the workload. One sentence: the most that is asked for counts.
    """
    wanted, why = max(
        (drain, "the policy's drain time"),
        (grace.shutdown or timedelta(0), "the engine's --shutdown-timeout"),
        key=lambda each: each[0],
    )
    if grace.whole >= grace.pre_stop + wanted:
        return ""
    spent = f", of which preStop takes {duration(grace.pre_stop)}" if grace.pre_stop else ""
    needed = round((grace.pre_stop + wanted).total_seconds())
    return (
        f"{whose}: a pod that is stopped has {duration(grace.whole)} to end its requests{spent}, less than "
        f"{why} of {duration(wanted)}: set terminationGracePeriodSeconds to {needed}, or more"
    )
