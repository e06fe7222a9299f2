"""What people are told about a conversion: each note with the place in the file that it is about."""

from dataclasses import dataclass
from enum import StrEnum

from controller.convert.place import Place
from controller.policy.tree import Location


class Kind(StrEnum):
    """What a note tells."""

    LOST = "not carried over"
    CHANGED = "changed"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that the policy does not say as its source did.

    ``message`` is what it is, ``advice`` what to do, if anything. ``at`` is the place in the policy where the
    note is to stand as a comment, if it is to.
    """

    kind: Kind
    place: Place
    message: str
    advice: str = ""
    at: Location | None = None

    @property
    def where(self) -> str:
        """``file:line:column: path`` of the source."""
        mark, field = self.place.mark, self.place.field
        position = f"{self.place.document.source.path}:{mark.line}:{mark.column}"
        return f"{position}: {field}" if field else position

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}: {self.message}" + (f"; {self.advice}" if self.advice else "")


class Refused(Exception):
    """Nothing of the source can become a policy: ends the conversion, and does not leave this package."""

    def __init__(self, note: Note) -> None:
        super().__init__(str(note))
        self.note = note


def refusal(place: Place, message: str, advice: str) -> Refused:
    """The exception to raise."""
    return Refused(Note(Kind.LOST, place, message, advice))


class Notes:
    """Collects the notes of one conversion."""

    def __init__(self) -> None:
        self._notes: list[Note] = []

    def lost(self, place: Place, message: str, advice: str = "") -> None:
        """Something has no counterpart."""
        self._notes.append(Note(Kind.LOST, place, message, advice))

    def changed(self, place: Place, message: str, advice: str = "", at: Location | None = None) -> None:
        """Something means a little else now."""
        self._notes.append(Note(Kind.CHANGED, place, message, advice, at))

    def assumed(self, place: Place, message: str, advice: str = "", at: Location | None = None) -> None:
        """The source does not say it, and the policy has to."""
        self._notes.append(Note(Kind.ASSUMED, place, message, advice, at))

    def told(self) -> tuple[Note, ...]:
        """All of them, each once, in the order of the files."""
        files = list(dict.fromkeys(note.place.document.source.path for note in self._notes))

        def order(note: Note) -> tuple[int, int, int]:
            mark = note.place.mark
            return files.index(note.place.document.source.path), mark.line, mark.column

        return tuple(sorted({(str(note), note.at): note for note in self._notes}.values(), key=order))
