"""Where people find a rollout's page and its report. Pure."""

from collections.abc import Callable
from urllib.parse import quote, urlencode

from controller.domain.model import Rollout

Links = Callable[[Rollout], tuple[str, str]]
"""The address of a rollout's page and of its report; empty where there are none."""


def no_links(rollout: Rollout) -> tuple[str, str]:
    """For who serves no pages."""
    del rollout
    return "", ""


def links_at(base: str, *, namespaced: bool) -> Links:
    """At the public address of the API. ``namespaced`` where an id can be that of two rollouts."""

    def links(rollout: Rollout) -> tuple[str, str]:
        where = {"namespace": rollout.policy.namespace} if namespaced else {}
        name = quote(rollout.id, safe="")
        page = f"{base}/rollouts/{name}" + (f"?{urlencode(where)}" if where else "")
        report = f"{base}/api/v1/rollouts/{name}/report?{urlencode({'form': 'html', **where})}"
        return page, report

    return links
