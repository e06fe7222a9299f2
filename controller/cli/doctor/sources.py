"""Looks at the metric source: whether it answers, whether it scrapes anything, and what its clock says."""

from datetime import UTC, datetime, timedelta

from controller.adapters.metrics.client import Answer, PrometheusAccess, PrometheusClient, QueryError
from controller.cli.doctor.findings import Finding, clock, failed, ok

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
