"""Names that a policy gives to things: models, namespaces, destinations."""

import re
from typing import Annotated, Any

from pydantic import WithJsonSchema

from controller.policy.fields import parsed_by
from controller.policy.quantities import QuantityError, shown

_MODEL = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
LONGEST_NAME = 63
"""In characters, of either."""


def is_model(text: str) -> bool:
    """Whether it can be a model's name."""
    return _MODEL.fullmatch(text) is not None


def is_label(text: str) -> bool:
    """Whether it can be the name of a namespace, a destination or a gate."""
    return _LABEL.fullmatch(text) is not None


def _name(pattern: re.Pattern[str], letters: str) -> Any:
    def parse(value: object) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise QuantityError(
                f"{value} is a number, not a name", f'write "{value}", in quotes, if it is one'
            )
        kebab = re.sub(r"[^a-z0-9.]+", "-", value.lower()).strip("-.") if isinstance(value, str) else ""
        suggestion = f"; did you mean {kebab}?" if kebab and pattern.fullmatch(kebab) else ""
        raise QuantityError(
            f"{shown(value)} is not a name", f"use at most 63 {letters}, without - at an end{suggestion}"
        )

    return parsed_by(parse)


def _named_schema(pattern: re.Pattern[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern.pattern}$"})


Model = Annotated[str, _name(_MODEL, "lower-case letters, digits, dots and -"), _named_schema(_MODEL)]
Label = Annotated[str, _name(_LABEL, "lower-case letters, digits and -"), _named_schema(_LABEL)]
