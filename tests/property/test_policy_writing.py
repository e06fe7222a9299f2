"""Whatever is written into a policy file is read back as it was."""

from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.policy.document import Limits, parse_document
from controller.policy.source import decode
from controller.policy.tree import Document, Location, plain
from controller.policy.writing import HEADER, policy_text

LIMITS = Limits(size_bytes=1 << 20, nodes=5000, depth=64)
ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"), max_size=30)
WORDS = st.sampled_from(
    [
        "no",
        "1e3",
        "-1",
        "0x1f",
        "~",
        "null",
        "a: b",
        "- a",
        "# a",
        "a #b",
        "5%",
        "1m",
        "y",
        "{}",
        "'",
        '"',
        "a\nb",
        "|-",
    ]
)
TEXTS = ANY_TEXT | WORDS
NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(-1e15, 1e15) | st.booleans()
VALUES = st.recursive(
    TEXTS | NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=15,
)
POLICIES = st.dictionaries(st.sampled_from(["model", "checks", "steps", "route", "a"]), VALUES, min_size=1)


def read_back(text: str) -> Any:
    source = decode(text.encode(), "x.yaml", LIMITS.size_bytes)
    assert not isinstance(source, Exception), source
    document = parse_document(source, LIMITS)
    assert isinstance(document, Document), document
    assert document.faults == ()
    return plain(document.root)


@settings(max_examples=300, deadline=None)
@given(
    POLICIES, st.lists(ANY_TEXT, max_size=2), st.dictionaries(st.integers(0, 3), st.lists(TEXTS, max_size=2))
)
@example({"checks": {"a": {"query": "sum(x)\n/\nsum(y)", "max": 1}}}, [], {})
@example({"steps": [{"a": {"b": ["x\ny"]}, "c": 1}, []]}, ["\u2028 a: b"], {0: ["x"]})
@example({"a": "\x7f\x85 \u2028"}, [], {})
@example({"a": " x\n y"}, [], {})
def test_a_written_policy_is_read_back(
    policy: dict[str, Any], heading: list[str], comments: dict[int, list[str]]
) -> None:
    places: list[Location] = [*((key,) for key in policy), ("steps", 0)]
    at = {places[index]: lines for index, lines in comments.items() if index < len(places)}
    text = policy_text(policy, heading, at)
    assert text.startswith(f"{HEADER}\n")
    assert read_back(text) == policy


@settings(deadline=None)
@given(st.decimals(-(10**12), 10**12, allow_nan=False, places=12))
def test_a_number_keeps_its_value(number: Decimal) -> None:
    assert Decimal(str(read_back(policy_text({"a": number}))["a"])) == Decimal(str(float(number)))


def test_short_things_stay_on_their_line_and_checks_have_one_each() -> None:
    text = policy_text(
        {
            "model": "m",
            "route": {"httpRoute": {"name": "m", "stable": "m-1"}},
            "steps": ["1%", "5%"],
            "checks": {"errors": {"max": "1%"}},
            "notify": [],
        },
        ["From somewhere."],
        {("steps",): ["slowly"]},
    )
    assert text.splitlines()[1:] == [
        "# From somewhere.",
        "model: m",
        "route: {httpRoute: {name: m, stable: m-1}}",
        "# slowly",
        "steps: [1%, 5%]",
        "checks:",
        "  errors: {max: 1%}",
        "notify: []",
    ]
