"""Looks at the metric source: whether it answers, whether it scrapes anything, and what its clock says."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta

from controller.adapters.metrics.client import Answer, PrometheusAccess, PrometheusClient, QueryError
from controller.adapters.registry import prometheus_access
from controller.cli.doctor.findings import Finding, clock, failed, ok, some
from controller.domain.policy import Policy
from controller.errors import TargetError
from controller.prometheus_settings import no_server
from controller.settings import Settings

_UP = "count(up == 1)"
_TIME = "time()"


def prometheus(url: str, access: PrometheusAccess) -> list[Finding]:
    """Ask it two questions."""
    client = PrometheusClient(url, access)
    try:
        asked = datetime.now(UTC)
        time = client.custom_query(_TIME)
        answered = datetime.now(UTC)
        up = client.custom_query(_UP)
    except QueryError as error:
        fix = f"check its address, and that it runs: curl {url}/-/ready"
        return [failed("prometheus", url, error.message, fix)]
    return [_scrapes(url, up), *_clock(url, time, asked, answered)]


def of_settings(settings: Settings) -> list[Finding]:
    """Each server that the settings name, asked as the daemon asks it."""
    found: list[Finding] = []
    for each in (settings.prometheus, *settings.prometheus_servers.values()):
        try:
            access = prometheus_access(each)
        except TargetError as error:
            fix = "correct bearer_token_file, header_files or ca_file"
            found.append(failed("prometheus", each.url, str(error), fix))
        else:
            found += prometheus(each.url, access)
    return found


def missing(policies: Iterable[Policy], known: Collection[str]) -> list[Finding]:
    """The servers that policies name and the settings do not have."""
    wanted: dict[str, list[str]] = {}
    for policy in policies:
        if policy.prometheus and policy.prometheus not in known:
            wanted.setdefault(policy.prometheus, []).append(policy.model)
    fix = "add it to prometheus_servers, or correct the policies"
    return [
        failed("prometheus", name, f"{no_server(name)}, which is for {some(models)}", fix)
        for name, models in sorted(wanted.items())
    ]


def access_without_secrets() -> PrometheusAccess:
    """For an address that a person typed."""
    return PrometheusAccess(timeout=timedelta(seconds=5))


def _scrapes(url: str, up: Answer) -> Finding:
    match up.result:
        case [{"value": [_, str(count)]}]:
            return ok("prometheus", url, f"answers; {count} targets are up")
    return failed(
        "prometheus",
        url,
        "answers, but not one of its targets is up",
        "check its scrape configuration: the gateway's metrics have to be among its targets",
    )


def _clock(url: str, time: Answer, asked: datetime, answered: datetime) -> list[Finding]:
    match time.result:
        case [_, str(seconds)]:
            theirs = datetime.fromtimestamp(float(seconds), UTC)
            return [clock(url, theirs, asked, answered)]
    return []
