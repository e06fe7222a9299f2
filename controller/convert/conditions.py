"""Argo's conditions on a measurement, where they are one comparison with a number.

**Source**: Argo Rollouts, analysis: ``successCondition`` and ``failureCondition``, in expr-lang.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

_RESULT = r"(?:result(?:\[0\])?|asFloat\(result(?:\[0\])?\))"
_NUMBER = r"([-+]?[0-9]{1,12}(?:\.[0-9]{1,12})?)"
_AFTER = re.compile(rf"{_RESULT}(<=|>=|<|>){_NUMBER}")
_BEFORE = re.compile(rf"{_NUMBER}(<=|>=|<|>){_RESULT}")
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_OPPOSITE = {"<": ">=", ">": "<=", "<=": ">", ">=": "<"}
_NO_DATA = re.compile(r"len\(result\)==0|result==nil|is(?:NaN|Nil|Inf)\(result(?:\[0\])?\)")
_DATA = re.compile(
    r"len\(result\)(?:>0|>=1|!=0|==1)|result!=nil|(?:!|not)is(?:NaN|Nil|Inf)\(result(?:\[0\])?\)"
)


@dataclass(frozen=True, slots=True)
class Limit:
    """A measurement is good while it compares so with the number. ``guarded`` where no data was a case."""

    operator: str
    number: Decimal
    guarded: bool = False

    @property
    def strict(self) -> bool:
        """Whether the number itself fails."""
        return "=" not in self.operator

    @property
    def upper(self) -> bool:
        """Whether large numbers fail."""
        return self.operator.startswith("<")


def success_limit(text: str) -> Limit | None:
    """What a condition of success demands; None where it is more than one comparison with a number."""
    return _limit(text, "||", _NO_DATA)


def failure_limit(text: str) -> Limit | None:
    """What a condition of failure leaves good; None as for `success_limit`."""
    found = _limit(text, "&&", _DATA)
    return None if found is None else Limit(_OPPOSITE[found.operator], found.number, found.guarded)


def _limit(text: str, joint: str, guard: re.Pattern[str]) -> Limit | None:
    parts = [_bare(part) for part in _bare(text).split(joint)]
    compared = [part for part in parts if not guard.fullmatch(part)]
    if len(compared) != 1:
        return None
    guarded = len(parts) > 1
    if match := _AFTER.fullmatch(compared[0]):
        return Limit(match[1], Decimal(match[2]), guarded)
    if match := _BEFORE.fullmatch(compared[0]):
        return Limit(_TURNED[match[2]], Decimal(match[1]), guarded)
    return None


def _bare(text: str) -> str:
    """Without blanks, and without brackets around the whole."""
    bare = re.sub(r"\s+", "", text)
    while bare.startswith("(") and bare.endswith(")") and _balanced(bare[1:-1]):
        bare = bare[1:-1]
    return bare


def _balanced(text: str) -> bool:
    depth = 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return False
    return depth == 0
