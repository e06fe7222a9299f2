"""A place in a parsed file, whether or not anything stands there: what is read, and what notes point at."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from controller.policy.faults import Mark, field_name
from controller.policy.quantities import shown
from controller.policy.tree import Document, ListNode, Location, MappingNode, Node, ScalarNode, plain

_LARGEST = Decimal(10**12)
_YES = ("true", "yes", "on", "y")
"""As YAML 1.1 has them, which clusters read."""


@dataclass(frozen=True, slots=True)
class Place:
    """A location in a document."""

    document: Document
    location: Location = ()

    def at(self, *parts: str | int) -> "Place":
        """A place below."""
        return Place(self.document, (*self.location, *parts))

    @property
    def node(self) -> Node | None:
        """What stands there."""
        return self.document.find(self.location)

    @property
    def mark(self) -> Mark:
        """Where it is in the text: the key, if it has one."""
        return self.document.key_mark(self.location)

    @property
    def field(self) -> str:
        """The dotted path from the document's root."""
        return field_name(self.location)

    @property
    def given(self) -> bool:
        """Whether it says anything: false, null, 0 and what is empty are the same as nothing."""
        match self.node:
            case None:
                return False
            case ScalarNode(value=value):
                return bool(value)
            case ListNode(items=items):
                return bool(items)
            case MappingNode(values=values):
                return bool(values)

    @property
    def there(self) -> bool:
        """Whether something stands there, be it empty."""
        return self.node is not None

    def names(self) -> list[str]:
        """The keys of a mapping, in the order of the file; none of anything else."""
        return list(self.node.values) if isinstance(self.node, MappingNode) else []

    def items(self) -> "list[Place]":
        """The entries of a list; none of anything else."""
        count = len(self.node.items) if isinstance(self.node, ListNode) else 0
        return [self.at(index) for index in range(count)]

    def text(self) -> str:
        """A scalar as a text; empty for anything else, and for null."""
        value = self.node.value if isinstance(self.node, ScalarNode) else None
        if value is None:
            return ""
        return str(value).lower() if isinstance(value, bool) else str(value)

    @property
    def quoted(self) -> str:
        """Whatever stands there, as it is quoted to people."""
        return shown(None if self.node is None else plain(self.node))

    def number(self) -> Decimal | None:
        """A number, also one in quotes, if it is finite and no larger than 10^12."""
        try:
            number = Decimal(self.text())
        except InvalidOperation:
            return None
        return number if number.is_finite() and abs(number) <= _LARGEST else None

    def whole(self) -> int | None:
        """A whole number, also one in quotes."""
        number = self.number()
        return int(number) if number is not None and number == number.to_integral_value() else None

    def truth(self) -> bool:
        """Whether it is true; absent is false."""
        return self.text().lower() in _YES
