"""The JSON Patch of the API server in memory. **Source**: the examples of RFC 6902, appendix A."""

from typing import Any

import pytest

from tests.json_patch import NotApplicableError, patched


@pytest.mark.parametrize(
    ("document", "operation", "expected"),
    [
        ({"foo": "bar"}, {"op": "add", "path": "/baz", "value": "qux"}, {"foo": "bar", "baz": "qux"}),
        ({"foo": ["a", "b"]}, {"op": "add", "path": "/foo/1", "value": "x"}, {"foo": ["a", "x", "b"]}),
        ({"foo": ["a"]}, {"op": "add", "path": "/foo/-", "value": ["x"]}, {"foo": ["a", ["x"]]}),
        ({"foo": 1}, {"op": "add", "path": "", "value": {"a": 1}}, {"a": 1}),
        ({"a": 1, "b": 2}, {"op": "remove", "path": "/b"}, {"a": 1}),
        ({"foo": ["a", "b", "c"]}, {"op": "remove", "path": "/foo/1"}, {"foo": ["a", "c"]}),
        ({"a": 1}, {"op": "replace", "path": "/a", "value": None}, {"a": None}),
        ({"a": {"b": 1}, "c": {}}, {"op": "move", "from": "/a/b", "path": "/c/d"}, {"a": {}, "c": {"d": 1}}),
        ({"a": [1, 2, 3]}, {"op": "move", "from": "/a/0", "path": "/a/2"}, {"a": [2, 3, 1]}),
        ({"a": {"b": []}}, {"op": "copy", "from": "/a", "path": "/c"}, {"a": {"b": []}, "c": {"b": []}}),
        ({"/": 9, "~1": 10}, {"op": "test", "path": "/~01", "value": 10}, {"/": 9, "~1": 10}),
        ({"a/b": 1}, {"op": "replace", "path": "/a~1b", "value": 2}, {"a/b": 2}),
    ],
)
def test_what_applies(document: Any, operation: dict[str, Any], expected: Any) -> None:
    assert patched(document, [operation]) == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/no/where", "value": 1},
        {"op": "add", "path": "/list/3", "value": 1},
        {"op": "add", "path": "/list/01", "value": 1},
        {"op": "add", "path": "/text/x", "value": 1},
        {"op": "add", "path": "list", "value": 1},
        {"op": "add", "path": "/x"},
        {"op": "remove", "path": "/nothing"},
        {"op": "remove", "path": "/list/-"},
        {"op": "replace", "path": "/nothing", "value": 1},
        {"op": "test", "path": "/number", "value": "1"},
        {"op": "test", "path": "/number", "value": True},
        {"op": "test", "path": "/nothing", "value": None},
        {"op": "copy", "from": "/nothing", "path": "/x"},
        {"op": "unheard-of", "path": "/text", "value": 1},
    ],
)
def test_what_does_not(operation: dict[str, Any]) -> None:
    document = {"list": [1, 2], "text": "t", "number": 1}
    with pytest.raises(NotApplicableError):
        patched(document, [{"op": "add", "path": "/done", "value": 1}, operation])
    assert document == {"list": [1, 2], "text": "t", "number": 1}
