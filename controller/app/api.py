"""The port of the HTTP API: assembled only where the settings ask for it."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import version

import structlog

from controller.api_settings import ApiSettings
from controller.control.board import Board
from controller.control.doors import Doorman
from controller.control.library import Library
from controller.control.policy_views import PolicyShelf
from controller.control.steering import Releasing, Steering
from controller.ports import Clock
from controller.runtime.listener import Address, Bounds, HttpListener

log = structlog.get_logger(__name__)

_CONNECTIONS = 160
"""Enough for the streams, and for those who ask something besides."""
_IDLE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Served:
    """What the API shows and steers; `controller.web.parts.Parts` without what is only the web's."""

    library: Library
    shelf: PolicyShelf
    steering: Steering
    releasing: Releasing
    doorman: Doorman
    board: Board
    clock: Clock
    count: Callable[[int], None]


async def serve_api(stack: AsyncExitStack, settings: ApiSettings, served: Served) -> None:
    """Listen until ``stack`` closes. Raises `TargetError` for a taken port."""
    from controller.dashboard.routes import pages  # noqa: PLC0415 - FastAPI is heavy: only if asked for
    from controller.web.admission import Admission  # noqa: PLC0415 - as above
    from controller.web.application import create_app  # noqa: PLC0415 - as above
    from controller.web.origins import Origins  # noqa: PLC0415 - as above
    from controller.web.parts import Parts  # noqa: PLC0415 - as above

    parts = Parts(
        library=served.library,
        shelf=served.shelf,
        steering=served.steering,
        releasing=served.releasing,
        board=served.board,
        clock=served.clock,
        admission=Admission(served.doorman),
        made_by=f"serinus {version('serinus')}",
    )
    origins = Origins(settings.public_url, settings.allowed_origins)
    app = create_app(parts, origins, count=served.count, pages=pages())
    bounds = Bounds(connections=_CONNECTIONS, idle_seconds=_IDLE_SECONDS)
    listener = HttpListener(app, Address(settings.host, settings.port, "api.port"), bounds)
    await listener.start()
    stack.push_async_callback(listener.close)
    stack.callback(served.board.close)  # before the listener: streams end by themselves
    log.info("api_listening", port=listener.port)
