"""The command that looks for what is wrong: doctor."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.session import ExitCode, Format, Output, Session, session_of
from controller.cli.way import ClusterOptions, Way

if TYPE_CHECKING:
    from controller.cli.doctor.findings import Finding
    from controller.cli.doctor.looking import Wishes
    from controller.settings import Settings

_OURS = frozenset({"SERINUS_SOCKET", "SERINUS_SETTINGS"})
"""Variables that are the command line's own, and say nothing of a daemon."""


def doctor(
    context: typer.Context,
    prometheus: Annotated[
        str | None, typer.Option(metavar="URL", help="Prometheus, as it can be reached from here.")
    ] = None,
    policies: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The policies; else those that the daemon mounts.")
    ] = None,
    daemon: Annotated[
        str | None, typer.Option(metavar="NAMESPACE", help="In a cluster: where the daemon runs.")
    ] = None,
    account: Annotated[
        str | None,
        typer.Option("--as", metavar="NAMESPACE/NAME", help="In a cluster: whose rights to check."),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(envvar="SERINUS_SETTINGS", metavar="FILE", help="The daemon's settings, where it runs."),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Look for what keeps rollouts from working, and say how to mend it.

    Exits with 1 if there is anything. Changes nothing.
    """
    from controller.cli.doctor.findings import Report  # noqa: PLC0415 - lazy
    from controller.cli.doctor.looking import Wishes, account_of  # noqa: PLC0415 - lazy
    from controller.cli.doctor.table import report as table  # noqa: PLC0415 - lazy
    from controller.cli.output import emit  # noqa: PLC0415 - lazy

    session = session_of(context)
    user = account_of(account) if account else ""
    wishes = Wishes(daemon=daemon, account=user, prometheus=prometheus, policies=policies)
    report = Report(items=tuple(_examined(session, settings, wishes)))
    emit(
        session,
        output,
        report,
        names=[f"{item.check}/{item.subject}" for item in report.failures],
        table=lambda _: table(report, session.as_called),
    )
    raise typer.Exit(ExitCode.ERROR if report.failures else ExitCode.OK)


def _examined(session: Session, file: Path | None, wishes: "Wishes") -> "list[Finding]":
    """In a cluster or on this machine, as the line and the daemon's settings say."""
    from controller.cli.doctor.findings import failed, ok  # noqa: PLC0415 - lazy
    from controller.errors import TargetError  # noqa: PLC0415 - lazy

    try:
        settings = known_settings(file)
    except TargetError as error:
        fix = "correct the settings; the docstrings of controller/settings.py say what each means"
        return [failed("settings", str(file or "environment"), str(error), fix)]
    known = [] if settings is None else [ok("settings", str(file or "environment"), "valid")]
    line = session.line
    if settings is not None and settings.kubernetes is not None:
        return known + _of_cluster_settings(session, settings, wishes)
    if (settings is None or line.cluster.words or line.plugin) and session.way is Way.CLUSTER:
        return _of_cluster(session, line.cluster, wishes)
    return known + _of_machine(session, settings)


def known_settings(file: Path | None) -> "Settings | None":
    """The daemon's, where this environment has them. Raises `TargetError` when they are not valid."""
    if file is not None:
        os.environ["SERINUS_SETTINGS"] = str(file)
    elif not any(name.startswith("SERINUS_") and name not in _OURS for name in os.environ):
        return None
    from controller.settings import load_settings  # noqa: PLC0415 - lazy

    return load_settings()


def _of_cluster_settings(session: Session, settings: "Settings", wishes: "Wishes") -> "list[Finding]":
    from dataclasses import replace  # noqa: PLC0415 - lazy

    from controller.cli.doctor.setup import setup_of  # noqa: PLC0415 - lazy
    from controller.cli.doctor.sources import of_settings  # noqa: PLC0415 - lazy

    cluster = settings.kubernetes
    assert cluster is not None, "asked only then"
    options = session.line.cluster
    if not options.words:
        options = ClusterOptions(cluster.kubeconfig, cluster.context)
    wishes = replace(
        wishes,
        sources=lambda: of_settings(settings),
        policies=wishes.policies or settings.policies_dir,
        told=setup_of(cluster, settings),
    )
    return _of_cluster(session, options, wishes)


def _of_cluster(session: Session, options: ClusterOptions, wishes: "Wishes") -> "list[Finding]":
    from controller.cli.cluster.access import connect  # noqa: PLC0415 - lazy
    from controller.cli.doctor.cluster import ClusterDoctor  # noqa: PLC0415 - lazy
    from controller.control.client import ANSWER_TIMEOUT  # noqa: PLC0415 - lazy

    access = session.closing.enter_context(connect(options, ANSWER_TIMEOUT))
    doctor = ClusterDoctor(access.client, access.transport, wishes)
    return access.runner.run(doctor.examine())


def _of_machine(session: Session, settings: "Settings | None") -> "list[Finding]":
    from controller.cli.doctor.machine import examine  # noqa: PLC0415 - lazy
    from controller.control.client import ControlClient, default_socket  # noqa: PLC0415 - lazy

    named = settings.socket if settings is not None else default_socket()
    socket = session.line.socket or named
    return examine(ControlClient(socket), str(socket), settings)
