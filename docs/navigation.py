"""The site's navigation, from the pages that there are. Loaded by MkDocs (``hooks`` of ``mkdocs.yml``).

Pages that are named below come first, in that order; the others of a folder follow by name. A name without a
page is passed over, so that a page can come and go without a change here.
"""
# ruff: noqa: INP001 - a folder of documents, not a package

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
START = "README.md"
FIRST: Mapping[str, Sequence[str]] = {
    "Tutorial": ("tutorial.md",),
    "How to": (
        "how-to/first-model.md",
        "how-to/install-in-a-cluster.md",
        "how-to/scale-out.md",
        "how-to/deploy-a-new-version.md",
        "how-to/drain-a-version.md",
        "how-to/watch-a-rollout.md",
        "how-to/gateways.md",
        "how-to/quality.md",
        "how-to/llm.md",
        "how-to/lora.md",
        "how-to/kserve.md",
        "how-to/low-traffic.md",
        "how-to/backtest.md",
        "how-to/testers-and-sticky-users.md",
        "how-to/shadow-traffic.md",
        "how-to/approvals.md",
        "how-to/gates.md",
        "how-to/fleet.md",
        "how-to/notifications.md",
        "how-to/gitops.md",
        "how-to/share-a-report.md",
        "how-to/observe.md",
        "how-to/prometheus.md",
        "how-to/api.md",
        "how-to/write-a-metrics-pack.md",
        "how-to/convert.md",
    ),
    "Reference": (
        "reference/policy-file.md",
        "reference/policy-fields.md",
        "reference/routes.md",
        "reference/packs.md",
        "reference/example-policies.md",
        "reference/command-line.md",
        "reference/settings.md",
        "reference/reasons.md",
        "state-machine.md",
        "reference/modelrollout.md",
        "reference/permissions.md",
        "reference/metrics.md",
    ),
    "Explanation": (
        "explanation/how-the-judge-decides.md",
        "explanation/quality.md",
        "explanation/guarantees.md",
        "explanation/threat-model.md",
        "explanation/compared.md",
        "explanation/judges-compared.md",
    ),
    "Runbooks": (),
    "Decisions": (),
}
"""The parts of the site; each takes its pages and the rest of its folder."""


def on_config(config: MutableMapping[str, Any]) -> None:
    """Called by MkDocs before it looks for pages."""
    config["nav"] = navigation()


def navigation() -> list[Any]:
    """The parts with the paths of their pages; titles are those of the pages themselves."""
    parts = [{title: list(_pages(title, first))} for title, first in FIRST.items()]
    return [{"Start": START}, *(part for part in parts if any(part.values()))]


def _pages(title: str, first: Sequence[str]) -> Iterator[str]:
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.md")}
    yield from (page for page in first if page in there)
    folder = title.lower().replace(" ", "-") + "/"
    yield from sorted(page for page in there if page.startswith(folder) and page not in first)
