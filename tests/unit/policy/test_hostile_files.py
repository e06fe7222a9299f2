"""Files that are made to hurt: each is refused at a position, before it costs anything."""

import os
import tracemalloc
from pathlib import Path

import pytest

from controller.domain.policy import Policy
from controller.policy.catalogue import Catalogue
from controller.policy.document import parse_document
from controller.policy.faults import PolicyFault
from controller.policy.loader import POLICY_LIMITS, Faults, load_policy, parse_policy
from controller.policy.source import UnreadableError, decode, read_within
from controller.policy.tree import Document, plain

ENOUGH_MEMORY_BYTES = 16 * 1024 * 1024


def no_golden(name: str) -> bytes:
    raise AssertionError(f"{name} was read")


def refused(text: str | bytes, catalogue: Catalogue) -> Faults:
    raw = text.encode() if isinstance(text, str) else text
    tracemalloc.start()
    try:
        faults = parse_policy(raw, "x.yaml", catalogue, no_golden)
        assert tracemalloc.get_traced_memory()[1] < ENOUGH_MEMORY_BYTES
    finally:
        tracemalloc.stop()
    assert isinstance(faults, tuple)
    assert faults
    return faults


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [" + ",".join([f"*{old}"] * 9) + "]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "anchors and aliases"),
        ("[" * 5000, "nested deeper than 32 levels"),
        ("- " * 5000, "nested deeper than 32 levels"),
        ("? " * 5000, "a key must be a word"),
        ("{a: " * 5000, "nested deeper than 32 levels"),
        ("\n".join(" " * n + "a:" for n in range(500)), "nested deeper than 32 levels"),
        ("\n".join(f"k{n}: 1" for n in range(20_000)), "more than 2000 values"),
        ("[" + "a," * 100_000, "more than 2000 values"),
        ("a: b\n" * 52_000, "more than 2000 values"),
        ("---\n" * 50_000, "a second document"),
        ("a: " + "9" * 5000, "is too large a number"),
        ("a: 1e999", "is too large a number"),
        ("a: 9223372036854775808", "is too large a number"),
        ("a: !!python/object:os.system x", "tags (!) are not allowed"),
        ("a: !<tag:yaml.org,2002:int> 1", "tags (!) are not allowed"),
        ("<<: {a: 1}", "merge keys"),
        ("? {a: 1}\n: 2", "a key must be a word"),
        ('"\\UFFFFFFFF": 1', "is not YAML"),
        ("%TAG ! tag:x,2000:\n---\na: 1", "a % directive"),
        ("x" * 256 * 1024 + ": 1", "larger than 256 KiB"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else None,
)
def test_a_hostile_text_is_refused_with_its_reason(text: str, words: str, catalogue: Catalogue) -> None:
    faults = refused(text, catalogue)
    assert any(words in fault.message for fault in faults)
    assert all(fault.line >= 1 and fault.column >= 1 for fault in faults)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("model: x\n".encode("utf-16"), "not UTF-8 but UTF-16"),
        ("model: x\n".encode("utf-16-le"), "not UTF-8 but UTF-16"),
        ("model: x\n".encode("utf-32"), "not UTF-8 but UTF-16"),
        (b"model: x\nname: \xff\n", "byte 0xff is not UTF-8"),
        (b"model: a\0b\n", "a NUL byte is not text"),
        (b"model: a\x1b[2Jb\n", "the control character U+001B"),
    ],
)
def test_bytes_that_are_no_text_are_refused(raw: bytes, words: str, catalogue: Catalogue) -> None:
    assert words in refused(raw, catalogue)[0].message


def test_the_position_of_a_bad_byte_counts_lines_and_characters(catalogue: Catalogue) -> None:
    fault = refused("# füür\nab\0".encode(), catalogue)[0]
    assert (fault.line, fault.column) == (2, 3)


def test_a_10_megabyte_file_is_not_read_to_its_end(tmp_path: Path, catalogue: Catalogue) -> None:
    with (tmp_path / "big.yaml").open("wb") as file:
        file.truncate(10 * 1024 * 1024)
    assert len(read_within(tmp_path, "big.yaml", 1000)) == 1001
    faults = load_policy(tmp_path / "big.yaml", catalogue)
    assert isinstance(faults, tuple)
    assert "larger than 256 KiB" in faults[0].message


def test_a_file_with_a_thousand_faults_tells_the_first_hundred(catalogue: Catalogue) -> None:
    faults = refused("\n".join(f"key_{n}: 1" for n in range(900)), catalogue)
    assert len(faults) == 100


def test_a_byte_order_mark_changes_no_column(policy_text: str, catalogue: Catalogue) -> None:
    with_mark = parse_policy(b"\xef\xbb\xbf" + policy_text.encode(), "x.yaml", catalogue, no_golden)
    assert isinstance(with_mark, Policy)


def test_duplicate_keys_are_told_with_both_positions(policy_text: str, catalogue: Catalogue) -> None:
    fault = refused(policy_text + "metrics: mlserver\n", catalogue)[0]
    assert str(fault) == "x.yaml:7:1: metrics: given twice, first at line 3, column 1"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: no", {"a": "no"}),
        ("a: 1:30", {"a": "1:30"}),
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("a: 0o17", {"a": "0o17"}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: .nan", {"a": ".nan"}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: '1'", {"a": "1"}),
        ("1: true", {"1": True}),
        ("a: ~", {"a": None}),
        ('{"a":\t"\\ud83d\\ude00 \\/"}', {"a": "😀 /"}),
    ],
)
def test_scalars_are_those_of_json(text: str, value: object) -> None:
    source = decode(text.encode(), "x.json", 1000)
    assert not isinstance(source, PolicyFault)
    document = parse_document(source, POLICY_LIMITS)
    assert isinstance(document, Document)
    assert plain(document.root) == value


def test_nothing_is_read_outside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "link.yaml").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    for name in ("../secret", str(tmp_path / "secret"), "link.yaml", "up/secret", "a\0b"):
        with pytest.raises(UnreadableError):
            read_within(folder, name, 100)


def test_links_that_stay_inside_are_followed(tmp_path: Path) -> None:
    (tmp_path / "..2026_11").mkdir()
    (tmp_path / "..2026_11" / "x.yaml").write_text("model: x")
    (tmp_path / "..data").symlink_to("..2026_11")
    (tmp_path / "x.yaml").symlink_to("..data/x.yaml")
    assert read_within(tmp_path, "x.yaml", 100) == b"model: x"


def test_pipes_folders_and_loops_are_refused_and_do_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    for name in ("pipe.yaml", "folder.yaml", "loop.yaml", "missing.yaml"):
        with pytest.raises(UnreadableError):
            read_within(tmp_path, name, 100)
