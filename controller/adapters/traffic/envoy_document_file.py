"""One document on disk: read when it changed, written by exchange, last good version remembered.

A file that is missing or corrupt is a fact (`DocumentFile.problem`), not an error: Envoy goes on with what
it read before, and so does the next write.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from controller.adapters.traffic.envoy_config import Json
from controller.adapters.traffic.envoy_documents import Changes, CorruptFileError
from controller.adapters.traffic.envoy_files import ExchangedFile


class Document(Protocol):
    """What `Routes` and `Clusters` have in common."""

    @property
    def version(self) -> str:
        """The version that Envoy reports once it runs the document."""
        ...

    @property
    def entries(self) -> Mapping[str, Json]:
        """The entries by key."""
        ...

    def changed(self, changes: Changes, version: str) -> Self:
        """The document with some entries replaced or removed."""
        ...

    def rendered(self) -> bytes:
        """The file's content."""
        ...

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read the file. Raises `CorruptFileError`."""
        ...


D = TypeVar("D", bound=Document)


class DocumentFile(Generic[D]):
    """A document and its file. Writing raises `OSError` when the medium fails.

    ``problem`` says why the last `load` gave an older document, "" if it did not; ``lost`` that the file is
    missing or corrupt, rather than unreadable for now.
    """

    def __init__(self, path: Path, empty: D) -> None:
        self._file = ExchangedFile(path)
        self._document = empty
        self._signature: tuple[int, ...] = ()
        self.problem = ""
        self.lost = False

    def open(self) -> D:
        """Create the file if it is missing, and read it; if it is corrupt, start from the content before."""
        self._file.prepare(self._document.rendered())
        document = self.load()
        if self.lost:
            document = self._document = self.previous() or document
        return document

    def load(self) -> D:
        """The document as it is on disk now, or the last good one."""
        self.problem, self.lost = "", False
        try:
            signature = self._file.signature()
            if signature != self._signature:
                self._document = type(self._document).parse(self._file.read())
                self._signature = signature
        except FileNotFoundError:
            self.problem, self.lost = f"{self._file.path.name} is missing", True
        except CorruptFileError as error:
            self.problem, self.lost = f"{self._file.path.name} is corrupt: {error}", True
        except OSError as error:
            self.problem = f"{self._file.path.name} cannot be read: {error.strerror}"
        return self._document

    def previous(self) -> D | None:
        """The document before the last write, if the spare still holds it."""
        try:
            return type(self._document).parse(self._file.read_previous())
        except (OSError, CorruptFileError):
            return None

    def save(self, document: D, headroom: int = 0) -> None:
        """Make ``document`` live, with room for ``headroom`` bytes more later."""
        content = document.rendered()
        self._file.prepare(content)
        self._file.replace(content, headroom)
        self._document = document
        self._signature = self._file.signature()
        self.problem, self.lost = "", False

    def restore(self, version: str) -> bool:
        """Make the document before the last write live again, if it has this version."""
        previous = self.previous()
        if previous is None or previous.version != version:
            return False
        self._file.restore()
        return True
