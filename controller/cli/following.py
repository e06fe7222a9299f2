"""Shows a rollout's status, now or once it has ended."""

from datetime import UTC, datetime, timedelta

from controller.cli import phrases, tables
from controller.cli.output import emit, say
from controller.cli.polling import Pace, answers, wait_for_end
from controller.cli.session import ExitCode, Format, Session
from controller.control.views import StatusView


def show_status(session: Session, output: Format, status: StatusView) -> None:
    """Print it on standard output."""
    emit(
        session,
        output,
        status,
        names=[session.name_of(status)],
        table=lambda wide: tables.status_detail(status, datetime.now(UTC), wide=wide),
    )


def wait_and_show(session: Session, rollout: str, output: Format, timeout: timedelta | None) -> ExitCode:
    """Tell progress on standard error, then the end on standard output; returns what the end means."""
    client = session.client(timeout)
    seconds = timeout.total_seconds() if timeout else None
    polled = answers(lambda: client.status(rollout), Pace(), seconds)
    status, code = wait_for_end(polled, lambda each: say(phrases.line_of(each)))
    show_status(session, output, status)
    if code is ExitCode.TIMEOUT:
        say(f"error: {rollout} is still {status.phase} after the --timeout")
    if code is not ExitCode.OK:
        say(session.as_called(f"try:   serinus why {rollout}"))
    return code
