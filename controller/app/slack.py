"""The port for Slack's calls: assembled only where the settings ask for it."""

from collections.abc import Callable
from contextlib import AsyncExitStack

import structlog

from controller.adapters import registry
from controller.control.steering import Person, Steering
from controller.runtime.listener import Address, Bounds, HttpListener
from controller.settings import Settings

log = structlog.get_logger(__name__)


async def serve_slack(
    stack: AsyncExitStack, settings: Settings, steering: Steering, count: Callable[[str], None]
) -> None:
    """Listen, if buttons are configured, until ``stack`` closes. Raises `TargetError` for a taken port."""
    callbacks = settings.slack_callbacks
    if callbacks is None:
        return
    from controller.adapters.slack_callbacks.answers import EphemeralAnswers  # noqa: PLC0415 - only if asked for
    from controller.adapters.slack_callbacks.desk import PressDesk  # noqa: PLC0415 - as above
    from controller.adapters.slack_callbacks.endpoint import LONGEST_CALL, SlackEndpoint  # noqa: PLC0415
    from controller.adapters.slack_callbacks.signature import (  # noqa: PLC0415
        Delivered,
        Verifier,
        read_secrets,
    )

    people = {name: Person(user.name, user.groups) for name, user in callbacks.users.items()}
    answers = EphemeralAnswers(registry.slack_channels(settings.destinations))
    stack.push_async_callback(answers.close)
    desk = PressDesk(steering, people, answers)
    stack.push_async_callback(desk.close)
    try:
        read_secrets(callbacks.signing_secret_file)
    except (OSError, ValueError) as error:  # it may come yet: it is read at each call
        log.warning("slack_signing_secret_unusable", error=type(error).__name__)
    endpoint = SlackEndpoint(Verifier(callbacks.signing_secret_file), Delivered(), desk.take, count)
    address = Address(callbacks.host, callbacks.port, "slack_callbacks.port")
    listener = HttpListener(endpoint.app(), address, Bounds(longest_seconds=LONGEST_CALL.total_seconds()))
    await listener.start()
    stack.push_async_callback(listener.close)
    log.info("slack_callbacks_listening", port=listener.port, users=len(people))
