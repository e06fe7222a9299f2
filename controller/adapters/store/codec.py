"""Records as JSON, the one form in which they are kept.

**Invariant**: what was encoded decodes to an equal value, to the microsecond and the last bit of a float.
Infinities and NaN, which JSON lacks, are the words "Infinity", "-Infinity" and "NaN": a record that cannot
be written would stop a rollback, so none is refused for a number.

A field with a default may be added, and is ignored by a reader that does not know it. Every other change
to a stored type raises ``SCHEMA_VERSION``.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from controller.domain.model import Entry, Rollout
from controller.errors import InvariantError, StoreUnavailable

SCHEMA_VERSION = 1

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Envelope(Generic[T]):
    """What is stored: the record, and the rules that it was written by."""

    schema_version: int
    record: T


_ROLLOUT = TypeAdapter(_Envelope[Rollout])
_ENTRY = TypeAdapter(_Envelope[Entry])


def encode_rollout(rollout: Rollout) -> bytes:
    """Raises `InvariantError` when a text in the record is not valid Unicode."""
    return _encode(rollout)


def decode_rollout(stored: bytes) -> Rollout:
    """Raises `StoreUnavailable` when the record was torn, or written by a newer Serinus."""
    return _decode(_ROLLOUT, stored)


def encode_entry(entry: Entry) -> bytes:
    """Raises `InvariantError` when a text in the entry is not valid Unicode."""
    return _encode(entry)


def decode_entry(stored: bytes) -> Entry:
    """Raises `StoreUnavailable` when the entry was torn, or written by a newer Serinus."""
    return _decode(_ENTRY, stored)


def _encode(record: Rollout | Entry) -> bytes:
    try:
        # Not the adapters' dump_json: inside a union it writes NaN as null, whatever its configuration.
        return to_json(_Envelope(SCHEMA_VERSION, record), inf_nan_mode="strings")
    except PydanticSerializationError as error:
        raise InvariantError(f"The record holds text that cannot be stored: {error}") from error


def _decode(adapter: TypeAdapter[_Envelope[T]], stored: bytes) -> T:
    try:
        envelope = adapter.validate_json(stored)
    except ValidationError as error:
        raise StoreUnavailable(_newer(_schema_version(stored)) or _torn(error)) from error
    if newer := _newer(envelope.schema_version):
        raise StoreUnavailable(newer)
    return envelope.record


def _newer(version: int) -> str | None:
    if version <= SCHEMA_VERSION:
        return None
    return (
        f"A stored record has schema {version}; this Serinus reads up to {SCHEMA_VERSION}. "
        "Run the newer version that wrote it."
    )


def _torn(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "its start"
    return f"A stored record cannot be read at {where}: {first['msg']}. Restore the state file from a backup."


def _schema_version(stored: bytes) -> int:
    """The version that a record claims whose body is not understood; 0 when even that cannot be read."""
    try:
        envelope = from_json(stored)
    except ValueError:
        return 0
    version = envelope.get("schema_version") if isinstance(envelope, dict) else None
    return version if isinstance(version, int) else 0
