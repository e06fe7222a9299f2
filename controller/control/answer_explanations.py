"""What the reasons mean that checks of answers give; see `explanations`."""

from collections.abc import Mapping
from types import MappingProxyType

from controller.control.explanation import DEPLOY_BETTER, Explanation
from controller.domain.vocabulary import Reason

OF_ANSWERS: Mapping[Reason, Explanation] = MappingProxyType(
    {
        Reason.BELOW_LIMIT: Explanation(
            "fewer of the canary's answers are right than the policy's min asks for", DEPLOY_BETTER
        ),
        Reason.NO_SCORE: Explanation(
            "the last golden requests, or the evaluation, brought no score of the canary; the weight holds",
            "mend what the check says; the next trial follows by itself",
        ),
        Reason.BUCKETS_DIFFER: Explanation(
            "the two versions' histograms have other buckets, so that their shares cannot be compared",
            "give both versions the same buckets, or mark the check report_only",
        ),
    }
)
