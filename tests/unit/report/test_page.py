"""The page: whole, still, and no markup but ours, whatever stands in the record."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from controller.report import page as page_module
from controller.report.page import page
from tests.unit.report.scenes import Log, hostile, promoted, rolled_back

CSS = Path(page_module.__file__).with_name("templates") / "report.css"
VOID = {"meta", "br", "hr", "img", "input", "link"}
FETCHES = {"src", "href", "srcset", "action", "data", "poster", "style", "xlink:href"}


class Elements(HTMLParser):
    """All elements, attributes and texts; fails on what is opened and not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


@pytest.mark.parametrize(
    "log", [rolled_back(), promoted(), hostile(), Log()], ids=["back", "promoted", "hostile", "new"]
)
class TestWhole:
    def test_it_is_well_formed_and_names_nothing_twice(self, log: Log) -> None:
        found = Elements(page(log.report()))
        assert len(found.ids) == len(set(found.ids))

    def test_it_runs_nothing_and_fetches_nothing(self, log: Log) -> None:
        text = page(log.report())
        found = Elements(text)
        assert not found.tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "a"}
        assert not found.attributes & FETCHES
        assert not any(name.startswith("on") for name in found.attributes)
        assert "default-src 'none'" in text
        assert "url(" not in text
        assert "@import" not in text

    def test_its_style_is_the_one_that_its_own_policy_allows(self, log: Log) -> None:
        text = page(log.report())
        style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in text

    def test_it_is_ascii_without_control_characters(self, log: Log) -> None:
        text = page(log.report())
        assert text.isascii()
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
        assert "\u202e" not in Elements(text).text


def test_what_came_from_outside_is_shown_as_it_is() -> None:
    text = page(hostile().report())
    assert "<script" not in text
    assert "{{ 7 * 7 }}" in Elements(text).text, "no template runs in a text"
    assert "</svg><script>alert('1')</script>" in Elements(text).text
    assert "\\u202eevil" in Elements(text).text


def test_it_tells_what_a_reader_asks() -> None:
    text = Elements(page(rolled_back().report())).text
    for said in (
        "v2 of fraud: rolled back",
        "errors 2% is above its limit 1% over 1,234 requests",
        "evidence that the canary is worse: decisive, 243 to 1",
        "canary 12 of 1,234 requests bad, stable 0 of 5,678",
        "rollback started (decision)",
        "ab" * 32,
        "ann(1000): 1 log entry (created)",
        "rolled back +6s",
        "At the end: canary 2%, stable 0.1%, limit 1%, verdict FAIL.",
    ):
        assert said in " ".join(text.split()), said


def test_a_rollout_that_is_not_over_says_so() -> None:
    log = Log()
    log.add("created")
    assert "This rollout is not over" in page(log.report())
    assert "not over" not in page(promoted().report())


def variables(block: str) -> dict[str, str]:
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))


def contrast(one: str, other: str) -> float:
    """**Source**: WCAG 2.2, definition of contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_all_that_is_read_has_enough_contrast(scheme: int) -> None:
    blocks = re.findall(r":root \{(.*?)\}", CSS.read_text(), re.DOTALL)
    colours = variables(blocks[scheme])
    for name in ("ink", "soft", "canary", "stable", "limit", "decision", "pass", "fail"):
        assert contrast(colours[name], colours["paper"]) >= 4.5, name
    for name in ("phase0", "phase1", "panel"):
        assert contrast(colours["ink"], colours[name]) >= 4.5, name
    assert contrast(colours["unknown"], colours["paper"]) >= 3
