"""Files of several documents with anchors: read like a policy, and no easier to hurt with."""

import time

import pytest

from controller.policy.document import Limits, parse_manifests
from controller.policy.faults import PolicyFault, Source
from controller.policy.tree import Document, plain

LIMITS = Limits(size_bytes=1 << 20, nodes=5000, depth=32)
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [" + ",".join([f"*{old}"] * 9) + "]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


def parsed(text: str) -> tuple[Document, ...] | tuple[PolicyFault, ...]:
    return parse_manifests(Source("x.yaml", text, tuple(text.splitlines())), LIMITS)


def values(text: str) -> list[object]:
    return [plain(found.root) for found in parsed(text) if isinstance(found, Document)]


def faults(text: str) -> list[str]:
    return [str(found) for found in parsed(text) if isinstance(found, PolicyFault)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("---\n# nothing\n---\n---\na: 1\n...\n---\n[b]\n", [{"a": 1}, ["b"]]),
        (
            "a: &x {b: &y 1, c: *y}\nd: *x\ne: &z [*x, *y]\nf: *z\n",
            [
                {
                    "a": {"b": 1, "c": 1},
                    "d": {"b": 1, "c": 1},
                    "e": [{"b": 1, "c": 1}, 1],
                    "f": [{"b": 1, "c": 1}, 1],
                }
            ],
        ),
        ("a: &x 1\nb: &x 2\nc: *x\n", [{"a": 1, "b": 2, "c": 2}]),
        ("&k key: &v value\nother: *k\n", [{"key": "value", "other": "key"}]),
        ("&all {a: 1}", [{"a": 1}]),
    ],
)
def test_documents_and_aliases_are_read(text: str, expected: list[object]) -> None:
    assert faults(text) == []
    assert values(text) == expected


def test_what_an_alias_stands_for_keeps_its_place() -> None:
    (document,) = parsed("a: &x\n  b: 1\nc: *x\n")
    assert isinstance(document, Document)
    assert document.key_mark(("c", "b")).line == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "more than 5000 values"),
        ("a: *b\n", "anchors and aliases (*b)"),
        ("a: &x [*x]", "anchors and aliases (*x)"),
        ("a: &x 1\n---\nb: *x\n", "anchors and aliases (*x)"),
        ("- &a [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]\n- [[[[[[[[[[[[[[[[[[*a]]]]]]]]]]]]]]]]]]", "nested deeper"),
        ("---\n".join(["a: 1\n"] * 3000), "more than 5000 values"),
        ("a: 1\n---\nb: [\n", "ends in the middle"),
        ("a: 1\n---\nb: !!python/none x\n", "tags (!)"),
        ("a: &m {x: 1}\nb: {<<: *m}\n", "merge keys"),
        ("%YAML 1.1\n---\na: 1\n", "directive"),
    ],
)
def test_what_could_hurt_is_refused_at_its_place(text: str, words: str) -> None:
    began = time.monotonic()
    found = faults(text)
    assert any(words in fault for fault in found), found
    assert time.monotonic() - began < 5, "and at once"
