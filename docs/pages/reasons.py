"""``docs/reference/reasons.md``: what each reason means, and what to do."""
# ruff: noqa: INP001 - a folder of documents, not a package

from controller.control.cluster_explanations import IN_A_CLUSTER
from controller.control.explanations import EXPLANATIONS
from controller.domain.vocabulary import Reason
from docs.pages.tables import ORIGIN, table

_HEAD = f"""\
# Reasons

{ORIGIN}
Why a rollout, or one check of it, stands where it stands. The same word stands in `serinus status`, the
status and the conditions of a ModelRollout, Events, logs, metrics and notifications. `serinus why MODEL` says
it with the numbers.
"""


def page() -> str:
    """The whole document."""
    anywhere = [reason for reason in Reason if reason not in IN_A_CLUSTER]
    cluster = [reason for reason in Reason if reason in IN_A_CLUSTER]
    return "\n".join(
        [
            _HEAD,
            "## Everywhere\n",
            *_rows(anywhere),
            "\n## In a cluster only\n",
            *_rows(cluster),
            "",
        ]
    )


def _rows(reasons: list[Reason]) -> list[str]:
    explained = ((reason, EXPLANATIONS[reason]) for reason in reasons)
    rows = ((f"`{reason}`", each.meaning, each.remedy_for("MODEL")) for reason, each in explained)
    return list(table(("reason", "meaning", "what to do"), rows))
