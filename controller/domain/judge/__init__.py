"""Evidence: blocks of counts in, a verdict out.

`base` is the interface, `counts` its input, `threshold` the classic rule, `share` the test of the traffic
split, `blocks` the way from raw samples to counts. A judge is chosen by its name in the policy.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from controller.domain.judge.base import Judge
from controller.domain.judge.sequential import SequentialJudge
from controller.domain.judge.threshold import ThresholdJudge
from controller.domain.policy import Policy

JUDGES: Mapping[str, Callable[[Policy], Judge]] = MappingProxyType(
    {"sequential": SequentialJudge, "threshold": lambda policy: ThresholdJudge(policy.checks)}
)
"""Judges by the name that a policy gives them."""


def judge_of(policy: Policy) -> Judge:
    """The judge that the policy names; the loader lets no unknown name through."""
    return JUDGES[policy.judge](policy)
