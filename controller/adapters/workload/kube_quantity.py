"""Amounts of cpu, memory and devices, as the API writes them. Pure.

**Source**: Kubernetes API, "Quantity" (resource.Quantity): a decimal number with a binary or decimal suffix,
or an exponent.
"""

import re
from decimal import Decimal

_QUANTITY = re.compile(
    r"([+-]?(?:[0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30}))([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?"
)
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_GIBI, _MEBI = 2**30, 2**20


def quantity(text: object) -> Decimal | None:
    """The amount in its base unit: cores, bytes, devices. None for what is no quantity."""
    if isinstance(text, int) and not isinstance(text, bool):
        return Decimal(text)
    found = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    amount, suffix = Decimal(found[1]), found[2] or ""
    if suffix in _BINARY:
        return amount * Decimal(1024 ** _BINARY[suffix])
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:] or 0)
    return amount.scaleb(exponent)


def shown(resource: str, amount: Decimal) -> str:
    """For people: ``500m`` or ``4`` for cpu, ``1.5Gi`` or ``300Mi`` for bytes, a number for devices."""
    if resource == "cpu" and amount != amount.to_integral_value():
        return f"{amount * 1000:.0f}m"
    if resource in ("memory", "ephemeral-storage") or resource.startswith("hugepages-"):
        gibi = amount / _GIBI
        return f"{_short(gibi)}Gi" if gibi >= 1 else f"{_short(amount / _MEBI)}Mi"
    return _short(amount)


def _short(amount: Decimal) -> str:
    return f"{amount:.1f}".removesuffix(".0")
