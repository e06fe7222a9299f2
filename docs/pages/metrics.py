"""``docs/reference/metrics.md``, from the list of what is exported."""
# ruff: noqa: INP001 - a folder of documents, not a package

from collections.abc import Iterable, Iterator, Sequence

from controller.adapters.exported import OF_MODELS, OF_WORK, Exported, Label
from docs.pages.tables import ORIGIN, table

_WHERE = {
    "phase": "[phases](modelrollout.md#phases)",
    "reason": "[reasons](reasons.md)",
}
"""Where a list stands that is too long for a table's cell."""


def page() -> str:
    """The whole document."""
    return "\n".join(
        [
            "# Metrics of the daemon\n",
            ORIGIN,
            "At `/metrics` of the daemon's port. How to scrape them, and what is made of them: [observe",
            "Serinus](../how-to/observe.md). Names and labels are stable.\n",
            "The number of series grows with models and checks, never with versions or rollouts. There is no",
            "label for the namespace: a model's name is unique among the policies of a daemon.\n",
            "## Models\n",
            "Of each model's oldest rollout that is not over, else of the one that ended last. In a cluster",
            "the leader alone has them. What a rollout does not have, it shows not: before the first",
            "measurement there is no value, and a step's time only while it is Progressing.\n",
            *table(_HEAD, _rows(OF_MODELS.values())),
            "\n`serinus_check_value` and `serinus_check_threshold` are in the check's own unit: a ratio from",
            "0 to 1 for shares of requests, seconds for latencies, else what the policy's query gives.\n",
            "## The daemon\n",
            *table(_HEAD, _rows(OF_WORK.values())),
            "\n## Labels\n",
            *table(("label", "of", "values"), _labels([*OF_MODELS.values(), *OF_WORK.values()])),
            "",
        ]
    )


_HEAD = ("metric", "type", "unit", "labels", "meaning")


def _rows(metrics: Iterable[Exported]) -> Iterator[Sequence[str]]:
    for each in metrics:
        yield (
            f"`{each.name}`",
            each.kind,
            each.unit,
            ", ".join(f"`{name}`" for name in each.labels),
            each.text,
        )


def _labels(metrics: Iterable[Exported]) -> Iterator[Sequence[str]]:
    """Each meaning of each label once: ``result`` has two."""
    found: dict[tuple[str, str], tuple[Label, list[str]]] = {}
    for each in metrics:
        for name, label in each.labels.items():
            found.setdefault((name, label.text), (label, []))[1].append(each.name)
    for (name, text), (label, of) in found.items():
        values = _WHERE.get(name) or ", ".join(f"`{value}`" for value in label.values)
        whose = f"`{of[0]}`" if len(of) == 1 else f"{len(of)} metrics"
        yield f"`{name}`", whose, f"{text}: {values}" if values else text
