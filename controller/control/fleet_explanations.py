"""What the reasons mean that come from the rules of the fleet, and what a person can do about them."""

from collections.abc import Mapping
from types import MappingProxyType

from controller.control.explanation import Explanation
from controller.domain.vocabulary import Reason

OF_THE_FLEET: Mapping[Reason, Explanation] = MappingProxyType(
    {
        Reason.WAITING_FOR_TURN: Explanation(
            "as many rollouts are under way as the operator's settings allow at once",
            "wait; a higher priority in the policy goes first; what rolls: serinus get",
        ),
        Reason.WAITING_FOR_GPUS: Explanation(
            "the canaries of other rollouts take the GPUs that the operator's settings allow for rollouts",
            "wait; or lower gpus in the policy if the canary takes fewer",
        ),
        Reason.WAITING_FOR_MODEL: Explanation(
            "the policy's after names a model whose rollout is not over yet",
            "wait; start it all the same: serinus resume {model}",
        ),
        Reason.MODEL_NOT_PROMOTED: Explanation(
            "the policy's after names a model whose last rollout was not promoted",
            "roll the other model out, and this one follows; start it all the same: serinus resume {model}; "
            "or end it: serinus abort {model}",
        ),
        Reason.WAITING_FOR_GROUP: Explanation(
            "nothing is lacking but the other models of its group, with which it is promoted or not at all",
            "see how far they are: serinus get; to take all of the group back: serinus abort {model}",
        ),
        Reason.GROUP_FAILED: Explanation(
            "another model of its group failed, and a group is promoted together or not at all",
            "mend the other model, then retry or deploy each of the group: serinus retry {model}",
        ),
        Reason.OUTSIDE_WINDOW: Explanation(
            "nothing starts or steps up outside the release windows of the operator or the policy",
            "wait; stop it now: serinus abort {model}",
        ),
        Reason.RELEASE_FREEZE: Explanation(
            "nothing starts or steps up in a release freeze of the operator or the policy",
            "wait; stop it now: serinus abort {model}",
        ),
        Reason.EVERYTHING_PAUSED: Explanation(
            "somebody paused all models; weights hold, checks and rollbacks go on",
            "ask who did, or end it: serinus resume --all",
        ),
    }
)
