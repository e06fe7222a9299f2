"""JSON Patch as the API server applies it: all operations, or none. **Source**: RFC 6902 and RFC 6901."""

import copy
from collections.abc import Sequence
from typing import Any


class NotApplicableError(Exception):
    """An operation does not fit the document, or a ``test`` failed."""


def patched(document: Any, operations: Sequence[dict[str, Any]]) -> Any:
    """A copy of the document with the operations applied. Raises `NotApplicableError`."""
    result = copy.deepcopy(document)
    for operation in operations:
        result = _applied(result, operation)
    return result


def _applied(document: Any, operation: dict[str, Any]) -> Any:
    try:
        kind, path = operation["op"], _keys(operation["path"])
        match kind:
            case "test":
                _test(_found(document, path), operation["value"])
            case "add":
                return _add(document, path, copy.deepcopy(operation["value"]))
            case "remove":
                _remove(document, path)
            case "replace":
                _found(document, path)
                if not path:
                    return copy.deepcopy(operation["value"])
                _put(_found(document, path[:-1]), path[-1], copy.deepcopy(operation["value"]))
            case "move":
                moved = _found(document, _keys(operation["from"]))
                _remove(document, _keys(operation["from"]))
                return _add(document, path, moved)
            case "copy":
                return _add(document, path, copy.deepcopy(_found(document, _keys(operation["from"]))))
            case _:
                raise NotApplicableError(f"no such operation: {kind}")
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise NotApplicableError(f"{operation} does not apply") from error
    return document


def _keys(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise NotApplicableError(f"not a JSON pointer: {pointer}")
    return [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]


def _index(key: str) -> int:
    if not key.isdecimal() or (len(key) > 1 and key.startswith("0")):
        raise NotApplicableError(f"not an index: {key}")
    return int(key)


def _found(document: Any, path: Sequence[str]) -> Any:
    for key in path:
        document = document[_index(key)] if isinstance(document, list) else document[key]
    return document


def _test(found: Any, value: Any) -> None:
    # In Python True == 1; in JSON it is not.
    if found != value or isinstance(found, bool) is not isinstance(value, bool):
        raise NotApplicableError(f"{found!r} is not {value!r}")


def _add(document: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    parent = _found(document, path[:-1])
    if isinstance(parent, list):
        at = len(parent) if path[-1] == "-" else _index(path[-1])
        if at > len(parent):
            raise NotApplicableError(f"beyond the end: {at}")
        parent.insert(at, value)
    else:
        _put(parent, path[-1], value)
    return document


def _put(parent: Any, key: str, value: Any) -> None:
    if isinstance(parent, list):
        parent[_index(key)] = value
    elif isinstance(parent, dict):
        parent[key] = value
    else:
        raise NotApplicableError(f"nothing can be put into {parent!r}")


def _remove(document: Any, path: Sequence[str]) -> None:
    parent = _found(document, path[:-1])
    if isinstance(parent, list):
        del parent[_index(path[-1])]
    else:
        del parent[path[-1]]
