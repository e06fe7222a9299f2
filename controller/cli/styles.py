"""The colours of phases and verdicts: a help for the eye, which never says what the text does not."""

from collections.abc import Mapping
from types import MappingProxyType

from controller.domain.vocabulary import Phase, Verdict

VERDICT_STYLES: Mapping[Verdict, str] = MappingProxyType(
    {
        Verdict.PASS: "green",
        Verdict.FAIL: "bold red",
        Verdict.UNKNOWN: "yellow",
        Verdict.SKIPPED: "dim",
    }
)
PHASE_STYLES: Mapping[Phase, str] = MappingProxyType(
    {
        Phase.SUCCEEDED: "green",
        Phase.ROLLING_BACK: "bold red",
        Phase.ROLLED_BACK: "red",
        Phase.NOT_DEPLOYED: "red",
        Phase.PAUSED: "yellow",
        Phase.FROZEN: "bold yellow",
        Phase.HALTED: "bold red",
        Phase.SUPERSEDED: "dim",
        Phase.ABORTED: "dim",
    }
)
"""All others go on, and are cyan."""
