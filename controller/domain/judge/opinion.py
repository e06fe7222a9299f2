"""What each check brings to the verdict, whatever its evidence is."""

from dataclasses import dataclass
from typing import Protocol

from controller.domain.judge.base import CheckResult, Terms
from controller.domain.policy import Check

SHOWN_CONFIDENCE = 0.95
"""Of intervals that people are shown."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What a check is held for: ``accused`` stops the weight, ``guilty`` ends the rollout."""

    accused: bool
    guilty: bool


class Opinion(Protocol):
    """One check's part of the whole."""

    @property
    def check(self) -> Check:
        """Whose it is."""
        ...

    @property
    def evidence(self) -> float:
        """Its part of the evidence against the canary, from 1."""
        ...

    @property
    def own(self) -> float:
        """The evidence as it were if the check stood alone: enough for suspicion, not for a verdict."""
        ...

    def result(self, suspicion: Suspicion, terms: Terms) -> CheckResult:
        """The check's row."""
        ...
