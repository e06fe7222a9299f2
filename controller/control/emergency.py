"""An abort that cannot be recorded: the gateway is told all the same, and the record follows later."""

from collections.abc import Mapping

import structlog

from controller.control.errors import Unavailable
from controller.control.views import OutcomeView
from controller.domain.model import Command, Rollout
from controller.domain.policy import Policy
from controller.domain.release import RoutedModel
from controller.domain.vocabulary import Reason
from controller.ports import TrafficRouter

log = structlog.get_logger(__name__)


async def abort_unrecorded(
    routers: Mapping[str, TrafficRouter], policy: Policy, known: Rollout | None, command: Command
) -> OutcomeView:
    """Send all of the model's traffic to stable, and latch it there.

    ``known`` is the rollout, if it could be read. Raises `Unavailable` when no gateway is known for the
    model, and what the gateway raises.
    """
    router = routers.get(policy.route.kind)
    if router is None:
        raise Unavailable(f"the store cannot be written, and no gateway is known for {policy.model}")
    routed = known.routed if known else RoutedModel(policy.model, policy.route, policy.namespace)
    await router.roll_back_unrecorded(routed, Reason.ABORTED_BY_PERSON)
    log.error("aborted_unrecorded", model=policy.model, actor=command.actor)
    return OutcomeView(
        rollout=known.id if known else None,
        operation=command.kind,
        phase=None,
        message="the store cannot be written: traffic sent to stable at the gateway; "
        "the record follows when the store is back",
        recorded=False,
    )
