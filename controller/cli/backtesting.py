"""The command that tries a policy on traffic that there was: backtest. It needs no daemon."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.session import ExitCode, Format, Output, session_of

if TYPE_CHECKING:
    from datetime import timedelta

    from controller.adapters.metrics.client import PrometheusAccess
    from controller.domain.backtest.regressions import Regression
    from controller.domain.policy import Policy

_MOST_ROLLOUTS = 10_000


def backtest(  # noqa: PLR0913, PLR0917 - each is an option
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="POLICY", help="The policy's file.")],
    since: Annotated[
        str, typer.Option(metavar="DURATION", help="How far back the traffic is replayed.")
    ] = "7d",
    inject: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHECK=CHANGE",
            show_default=False,
            help="Also try a canary that is worse by so much: errors=+1pp, errors=x3, latency=x1.5, "
            "latency=+50ms. Can be given more than once.",
        ),
    ] = None,
    stable: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Whose traffic; else the busiest version's.")
    ] = None,
    endpoint: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST:PORT", show_default=False, help="Its copies, where metrics tell versions by them."
        ),
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The gateway's own name of it, where metrics tell versions by that."
        ),
    ] = None,
    rollouts: Annotated[
        int, typer.Option(min=1, max=_MOST_ROLLOUTS, help="How many rollouts of each canary.")
    ] = 100,
    seed: Annotated[int, typer.Option(help="The same seed gives the same answer on the same traffic.")] = 1,
    prometheus: Annotated[
        str | None, typer.Option(metavar="URL", help="Prometheus; else that of the daemon's settings.")
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(envvar="SERINUS_SETTINGS", metavar="FILE", help="The daemon's settings, where it runs."),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Try a policy on the traffic that there was.

    Prometheus' history of one version is dealt out to it and to a canary that is just as good, and the policy
    decides: how often is it rolled back for nothing, how long does a promotion take? With --inject, also how
    long a worse canary goes unnoticed, and how many bad requests it answers. Changes nothing.
    """
    from controller.adapters.metrics.packs import built_in_packs  # noqa: PLC0415 - lazy
    from controller.adapters.metrics.past import PastReader  # noqa: PLC0415 - lazy
    from controller.cli.backtest.report import report_of, table  # noqa: PLC0415 - lazy
    from controller.cli.backtest.running import Wanted, progress, read, try_out  # noqa: PLC0415 - lazy
    from controller.cli.output import emit  # noqa: PLC0415 - lazy
    from controller.control.errors import InvalidRequest  # noqa: PLC0415 - lazy

    session = session_of(context)
    span, policy = _span(since), _policy(file)
    regressions = _regressions(inject or [], policy)
    url, access = _prometheus(prometheus, settings, policy)
    pack = built_in_packs().get(policy.metrics)
    if pack is None:
        message = "metrics: auto is recognised from a copy that runs, and the past has none"
        raise InvalidRequest(message, "write the pack's name into the policy: metrics: vllm")
    reader = PastReader(url, pack, policy, access)
    session.closing.callback(reader.close)
    with progress(plain=session.plain) as bar:
        past = read(reader, Wanted(span, stable, tuple(endpoint or ()), series), bar)
        scenarios = try_out(policy, past, [None, *regressions], rollouts, seed, bar)
    report = report_of(policy, past, seed, scenarios)
    names = [each.regression or "none" for each in report.scenarios]
    emit(session, output, report, names=names, table=lambda wide: table(report, wide=wide))


def _span(text: str) -> "timedelta":
    from controller.policy.quantities import QuantityError, parse_duration  # noqa: PLC0415 - lazy

    try:
        return parse_duration(text)
    except QuantityError as error:
        raise typer.BadParameter(f"--since: {error}; {error.suggestion}") from None


def _policy(file: Path) -> "Policy":
    """The file's policy. Ends the command with 2 if it is not valid, or nothing of it can be replayed."""
    from controller.adapters.registry import catalogue  # noqa: PLC0415 - lazy
    from controller.cli.output import complain, write  # noqa: PLC0415 - lazy
    from controller.domain.policy import Policy  # noqa: PLC0415 - lazy
    from controller.policy.loader import load_policy  # noqa: PLC0415 - lazy
    from controller.policy.render import Format as FaultFormat  # noqa: PLC0415 - lazy
    from controller.policy.render import render  # noqa: PLC0415 - lazy

    found = load_policy(file, catalogue())
    if not isinstance(found, Policy):
        write(render(found, FaultFormat.TEXT) + "\n")
        raise typer.Exit(ExitCode.INVALID)
    if not any(check.replayed for check in found.checks):
        complain("the policy has no check that counts requests: there is nothing to replay")
        raise typer.Exit(ExitCode.INVALID)
    return found


def _regressions(texts: list[str], policy: "Policy") -> "list[Regression]":
    from controller.cli.backtest.injecting import InjectionError, parse_injection  # noqa: PLC0415 - lazy

    try:
        return [parse_injection(text, policy.checks) for text in texts]
    except InjectionError as error:
        raise typer.BadParameter(f"--inject: {error}") from None


def _prometheus(
    url: str | None, file: Path | None, policy: "Policy"
) -> "tuple[str, PrometheusAccess | None]":
    """Where to ask, and how. Raises `TargetError` where the settings are not valid, or lack the server."""
    from controller.adapters.registry import prometheus_access, prometheus_of  # noqa: PLC0415 - lazy
    from controller.cli.examining import known_settings  # noqa: PLC0415 - lazy

    if url is not None:
        return url, None
    settings = known_settings(file)
    if settings is None:
        raise typer.BadParameter(
            "there are no settings of a daemon here: name Prometheus with --prometheus URL"
        )
    source = prometheus_of(settings, policy.prometheus)
    return source.url, prometheus_access(source)
