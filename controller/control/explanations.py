"""What each reason means in a plain sentence, and what a person can do about it.

**Invariant**: every `Reason` has an explanation. ``{model}`` stands for the model's name.
"""

from collections.abc import Mapping
from types import MappingProxyType

from controller.control.answer_explanations import OF_ANSWERS
from controller.control.cluster_explanations import IN_A_CLUSTER
from controller.control.explanation import DEPLOY_BETTER, Explanation
from controller.control.fleet_explanations import OF_THE_FLEET
from controller.domain.vocabulary import Reason

_NOTHING = "nothing to do"
_WHY = "serinus why {model}"
_RETRY = "mend the cause, then: serinus retry {model}"
_SOURCE = (
    "check that the metric source is up and scrapes the gateway; "
    "if it stays silent, the policy's no_data says what is done"
)


_ANYWHERE: Mapping[Reason, Explanation] = MappingProxyType(
    {
        Reason.CREATED: Explanation("the rollout was accepted and has not begun yet", _NOTHING),
        Reason.WAITING_FOR_PREDECESSOR: Explanation(
            "an older rollout of the model has to put its canary's weight to 0 first",
            "wait; if the older one is frozen or halted, decide about it: serinus get {model}",
        ),
        Reason.WAITING_FOR_READY: Explanation(
            "the canary's endpoints do not all answer their readiness probe yet",
            "wait while the model loads; if it takes long, read the logs of its server",
        ),
        Reason.VALIDATION_RUNNING: Explanation(
            "the golden requests are being sent straight to the canary; no user's request reaches it",
            _NOTHING,
        ),
        Reason.WAITING_FOR_GATEWAY: Explanation(
            "the new weight was asked for, and the gateway has not confirmed that it runs it",
            "wait a moment; if it lasts, check that the gateway is up",
        ),
        Reason.WAITING_FOR_METRICS: Explanation(
            "the weight is in force, and the first measurement at it is still to come",
            "wait; if it lasts, check that the metric source scrapes the gateway",
        ),
        Reason.WAITING_FOR_FIRST_REQUEST: Explanation(
            "the weight is in force, but the canary has not got a single request yet",
            "check that the model gets requests at all; a step's time counts from the first",
        ),
        Reason.STEP_RUNNING: Explanation("the step's time is not over yet, and the checks go well", _NOTHING),
        Reason.WAITING_FOR_REQUESTS: Explanation(
            "the step's time may be over, but too few requests reached the canary to judge it",
            "wait for traffic, or lower the step's min_requests for the next rollout",
        ),
        Reason.WAITING_FOR_CHECKS: Explanation(
            "time and requests suffice, but not every check has passed yet", f"see which: {_WHY}"
        ),
        Reason.CHECKS_FAILING: Explanation(
            "a check is above its limit, but not often enough in a row to roll back",
            "wait for the next measurements, or stop now: serinus abort {model}",
        ),
        Reason.TOO_LITTLE_EVIDENCE: Explanation(
            "the step's deadline passed without enough requests for a verdict; the weight holds",
            "wait for traffic, or decide: serinus promote {model}, or serinus abort {model}",
        ),
        Reason.WAITING_FOR_APPROVAL: Explanation(
            "nothing is lacking but the approval that the policy asks for; the weight holds, checks go on",
            'say yes: serinus approve {model}, or no: serinus deny {model} --reason "..."',
        ),
        Reason.WAITING_FOR_GATE: Explanation(
            "nothing is lacking but the word of a gate that the policy names; the weight holds, checks go on",
            "wait for its word, or stop: serinus abort {model}",
        ),
        Reason.GATE_FAILED: Explanation(
            "a gate that the policy names could not be asked, or answered something that is no word",
            "check the gate, and its address in the settings; if it is over: serinus retry {model}",
        ),
        Reason.PROMOTION_RUNNING: Explanation("the gateway is told to send everyone to the canary", _NOTHING),
        Reason.BAKE_RUNNING: Explanation(
            "the canary serves everyone and is watched; the old stable version is kept for a fast return",
            _NOTHING,
        ),
        Reason.PROMOTED: Explanation("the version passed every check and serves everyone", _NOTHING),
        Reason.APPROVAL_DENIED: Explanation(
            "a person said no where the policy asks for approval",
            "if it waits, ask people again: serinus resume {model}, or end it: serinus abort {model}; "
            "if it is over: serinus retry {model}",
        ),
        Reason.APPROVAL_TIMED_OUT: Explanation(
            "too few people approved in the time that the policy gives them",
            "if it still waits: serinus approve {model}; if it is over: serinus retry {model}",
        ),
        Reason.GATE_DENIED: Explanation(
            "a gate that the policy names did not let the rollout pass",
            "ask it why; if it waits, ask it again: serinus resume {model}; "
            "if it is over: serinus retry {model}",
        ),
        Reason.GATE_TIMED_OUT: Explanation(
            "a gate did not let the rollout pass in the time that the policy gives it",
            "check the gate; if it is over: serinus retry {model}",
        ),
        Reason.PAUSED_BY_PERSON: Explanation(
            "a person paused the rollout; the weight holds and failing checks still roll back",
            "go on: serinus resume {model}",
        ),
        Reason.ABORTED_BY_PERSON: Explanation(
            "a person stopped the rollout, and the canary's traffic goes back to stable",
            "start it again: serinus retry {model}",
        ),
        Reason.NEWER_RELEASE: Explanation(
            "a newer version was deployed, and this one stepped aside for it",
            "follow the newer: serinus status {model}",
        ),
        Reason.ALREADY_SERVING: Explanation(
            "an older rollout promoted the very same version while this one waited", _NOTHING
        ),
        Reason.READY_DEADLINE_EXCEEDED: Explanation(
            "the canary was not ready in time; it never got a user's request",
            "check its endpoints and its server's logs, then: serinus retry {model}",
        ),
        Reason.WARM_UP_FAILED: Explanation(
            "the canary did not answer its warm-up requests; it never got a user's request", _RETRY
        ),
        Reason.GOLDEN_REQUEST_FAILED: Explanation(
            "the canary answered a golden request wrongly; it never got a user's request",
            f"compare the answer with the golden file; {DEPLOY_BETTER}",
        ),
        Reason.CHECK_FAILED: Explanation(
            "a check failed by more than the policy allows, and the canary's traffic goes back to stable",
            DEPLOY_BETTER,
        ),
        Reason.CANARY_NOT_READY: Explanation(
            "the canary stopped answering its readiness probe while it had traffic", _RETRY
        ),
        Reason.STABLE_UNHEALTHY: Explanation(
            "the canary should be withdrawn, but the old stable version cannot take over",
            "bring the old stable back, and the rollback follows by itself; "
            "keep the canary: serinus retry {model}; withdraw it all the same: serinus abort {model}",
        ),
        Reason.STEP_DEADLINE_EXCEEDED: Explanation(
            "the step did not reach a verdict before its deadline, and the policy says to roll back then",
            "lower min_requests or raise the step's deadline in the policy, then: serinus retry {model}",
        ),
        Reason.ROLLOUT_DEADLINE_EXCEEDED: Explanation(
            "the rollout as a whole took longer than the policy allows",
            "grant it the time once more: serinus resume {model}, or end it: serinus abort {model}; "
            "if it is over: serinus retry {model}",
        ),
        Reason.METRICS_UNAVAILABLE: Explanation(
            "the metric source does not answer; no answer is neither pass nor fail, so the weight holds",
            _SOURCE,
        ),
        Reason.METRICS_STALE: Explanation(
            "the newest sample is too old to say anything about now; the weight holds", _SOURCE
        ),
        Reason.METRICS_INVALID: Explanation(
            "the metric source's answer is no number, or has the wrong shape; the weight holds",
            "run the check's query by hand, and mend it in the policy",
        ),
        Reason.METRICS_PARTIAL: Explanation(
            "the metric source warned that its answer is incomplete; the weight holds", _SOURCE
        ),
        Reason.METRICS_AMBIGUOUS: Explanation(
            "a query gave several series where one was expected; the weight holds",
            "make the query of that check give one number per version, with sum or max",
        ),
        Reason.METRICS_UNRECOGNISED: Explanation(
            "metrics: auto found no single pack for what a copy of the canary shows; it gets no traffic",
            "write the pack's name into the policy, or say where the metrics are: metrics_page",
        ),
        Reason.CLOCK_STEPPED: Explanation(
            "the clock of the metric source jumped, so the counts at this weight begin anew",
            "wait; if it lasts, check the time synchronisation of that machine",
        ),
        Reason.GATEWAY_UNAVAILABLE: Explanation(
            "the gateway cannot be asked what it runs; nothing is raised until it can",
            "check that the gateway and its admin interface are up",
        ),
        Reason.DRIFT_DETECTED: Explanation(
            "somebody else changed the route; it stays as it was found until a person decides",
            "find out who; take the route back and go on: serinus resume {model}; "
            "put the canary to 0: serinus abort {model}",
        ),
        Reason.ROUTE_REJECTED: Explanation(
            "the gateway refused the route, and goes on running the one before",
            "read its message: serinus status {model}; mend the route, then: serinus resume {model}",
        ),
        Reason.ROUTE_NOT_HONOURED: Explanation(
            "the canary's measured share contradicts its weight, or the route that was made does not have it",
            "check that nothing bypasses the gateway or retries past it, then: serinus resume {model}",
        ),
        Reason.SHADOW_SKIPPED: Explanation(
            "the policy begins with copies of requests, and the route makes none, or not as many as asked",
            "nothing, if the next steps are enough; else use a gateway that mirrors requests by percent",
        ),
        Reason.WITHIN_LIMIT: Explanation("the measurement is within its limit", _NOTHING),
        Reason.ABOVE_LIMIT: Explanation(
            "the measurement is above the limit of the policy",
            "look at what the canary does, or correct the limit",
        ),
        Reason.WORSE_THAN_STABLE: Explanation(
            "the canary is worse than stable by more than the policy allows",
            "look at what the canary does, or correct the limit",
        ),
        Reason.TOO_FEW_REQUESTS: Explanation(
            "there are too few requests to judge", "wait for traffic; the weight holds"
        ),
        Reason.NO_STABLE_TRAFFIC: Explanation(
            "stable had too little traffic to compare with",
            "wait for traffic; where stable has none, set max instead",
        ),
        Reason.LIMIT_OUTSIDE_BUCKETS: Explanation(
            "the limit lies above the histogram's last bucket, so nothing can tell whether it is kept",
            "lower the check's limit, or add buckets to the histogram; if it is over: serinus retry {model}",
        ),
        Reason.NO_VALUE: Explanation(
            "the check has no value yet", "wait; if it lasts, check that its query gives a number"
        ),
        Reason.WARMING_UP: Explanation(
            "a version's first answers are slow and prove nothing: latency is judged a minute later",
            "nothing; errors are judged from the first request",
        ),
        Reason.EVIDENCE_AGAINST: Explanation(
            "there is evidence that the canary is worse, but not enough to roll it back",
            "wait for more requests; to end it now: serinus abort {model}",
        ),
        Reason.SHOWN_GOOD: Explanation("the canary is shown to be as good as the policy asks", _NOTHING),
        Reason.NOTHING_AGAINST: Explanation(
            "nothing speaks against the canary; whether it is as good must show before the promotion",
            _NOTHING,
        ),
        Reason.NOT_YET_SHOWN: Explanation(
            "it is not shown yet that the canary is as good as stable; nothing speaks against it",
            "wait for more requests, or on your own word: serinus promote {model}",
        ),
        Reason.BOTH_ABOVE_LIMIT: Explanation(
            "stable breaks the limit as well: it is an incident that the canary did not cause",
            "end the incident; the weight holds until then",
        ),
        Reason.TOKEN_MIX_DIFFERS: Explanation(
            "the versions' prompts or answers are shown to differ in length, so whole answers do not compare",
            "nothing where ttft, itl or token_latency are checked: they decide; else add one of them, "
            "or on your own word: serinus promote {model}",
        ),
        Reason.BUDGET_SPENT: Explanation(
            "at a higher weight a bad canary could cost more bad requests than the policy's budget",
            "wait for more good answers, or raise budget in the policy",
        ),
    }
)

EXPLANATIONS: Mapping[Reason, Explanation] = MappingProxyType(
    {**_ANYWHERE, **OF_ANSWERS, **OF_THE_FLEET, **IN_A_CLUSTER}
)
"""The meaning and the remedy of every reason."""
