"""The composition root: the only package that names concrete classes; the daemon from start to stop."""

import asyncio
import sys

from controller import logs
from controller.app.daemon import Daemon
from controller.errors import TargetError
from controller.settings import Settings, load_settings


def run() -> int:
    """Run the daemon until it is told to stop; returns the process' exit code."""
    try:
        settings = load_settings()
        logs.configure(settings.log_format, settings.log_level)
        asyncio.run(_daemon(settings).run())
    except TargetError as error:
        sys.stderr.write(f"serinus: {error}\n")
        return 1
    return 0


def _daemon(settings: Settings) -> Daemon:
    if settings.kubernetes is None:
        from controller.app.machine import MachineDaemon  # noqa: PLC0415 - each has heavy libraries of its own

        return MachineDaemon(settings)
    from controller.app.cluster import ClusterDaemon  # noqa: PLC0415 - as above

    return ClusterDaemon(settings, settings.kubernetes)
