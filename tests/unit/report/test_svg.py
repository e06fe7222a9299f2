"""Charts: well-formed whatever is drawn, every number finite and inside the picture, every text only text."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.report.svg import Band, Chart, Line, draw
from tests.unit.report.scenes import HOSTILE

WIDTH, HEIGHT = 800, 240
SVG = "{http://www.w3.org/2000/svg}"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
PLACES = {"x", "y", "x1", "x2", "y1", "y2"}


def a_chart(*lines: Line, **changes: object) -> Chart:
    fields: dict[str, object] = {
        "key": "k",
        "title": "title",
        "description": "description",
        "seconds": 60.0,
        "lines": lines,
        "bands": (),
        "amount": lambda value: f"{value:g}",
        "time": lambda seconds: f"{seconds:g}s",
    }
    return Chart(**{**fields, **changes})  # type: ignore[arg-type]


def parsed(chart: Chart) -> ET.Element:
    return ET.fromstring(draw(chart, WIDTH, HEIGHT))


def path_of(root: ET.Element, kind: str) -> str | None:
    found = [root.find(f"path[@class='{name} {kind}']") for name in ("line", "line dot")]
    return " ".join(path.attrib["d"] for path in found if path is not None) or None


def assert_inside(root: ET.Element) -> None:
    for element in root.iter():
        for name in PLACES & set(element.keys()):
            place = float(element.attrib[name])
            assert -0.1 <= place <= (WIDTH if "x" in name else HEIGHT) + 0.1, ET.tostring(element)
        if (path := element.get("d")) is not None:
            assert re.fullmatch(r"[MLHVh\d. -]*", path), path
            assert all(-0.1 <= float(number) <= WIDTH + 0.1 for number in NUMBER.findall(path)), path
        if element.tag == "rect":
            assert float(element.attrib["width"]) > 0
            assert float(element.attrib["height"]) > 0


ANY = st.floats(allow_nan=True, allow_infinity=True)
POINTS = st.lists(st.tuples(ANY, st.none() | ANY), max_size=40)


@given(POINTS, POINTS, st.floats(0, 1e9), ANY, st.booleans())
def test_whatever_is_drawn_is_finite_and_inside(
    one: list[tuple[float, float | None]],
    other: list[tuple[float, float | None]],
    seconds: float,
    mark: float,
    stepped: bool,
) -> None:
    lines = (Line("canary", "canary", one, stepped=stepped), Line("limit", "limit", other, guide=True))
    chart = a_chart(
        *lines, seconds=seconds, bands=[Band(mark, seconds, "phase0", "Baking")], mark=(mark, "decision")
    )
    assert_inside(parsed(chart))


@pytest.mark.parametrize(
    ("points", "path"),
    [
        ([], None),
        ([(1.0, None)], None),
        ([(30.0, 4.0)], "M368 26h0"),
        ([(0.0, 0.0), (60.0, 4.0)], "M52 190 L684 26"),
        ([(0.0, 0.0), (20.0, float("nan")), (60.0, 4.0)], "M52 190h0 M684 26h0"),
        (
            [(0.0, 4.0), (30.0, 4.0), (40.0, None), (50.0, 0.0), (60.0, 0.0)],
            "M52 26 L368 26 M578.7 190 L684 190",
        ),
    ],
)
def test_a_gap_is_never_bridged_and_a_single_value_is_a_dot(
    points: list[tuple[float, float | None]], path: str | None
) -> None:
    assert path_of(parsed(a_chart(Line("canary", "canary", points))), "canary") == path


def test_a_weight_is_a_step() -> None:
    line = Line("canary", "v2", [(0.0, 0.0), (30.0, 4.0), (60.0, 0.0)], stepped=True)
    assert path_of(parsed(a_chart(line)), "canary") == "M52 190 H368V26 H684V190"


def test_a_limit_far_above_does_not_press_the_lines_flat_and_is_named() -> None:
    canary = Line("canary", "canary", [(0.0, 0.004), (60.0, 0.005)])
    far = parsed(a_chart(canary, Line("limit", "limit", [(0.0, 0.1), (60.0, 0.1)], guide=True)))
    near = parsed(a_chart(canary, Line("limit", "limit", [(0.0, 0.008), (60.0, 0.008)], guide=True)))
    assert path_of(far, "limit") is None
    assert path_of(near, "limit") is not None
    assert "limit 0.1\u2191" in {text.text for text in far.iter("text")}
    assert "limit 0.008" in {text.text for text in near.iter("text")}


def test_it_is_an_image_with_a_name_and_a_description() -> None:
    root = parsed(a_chart())
    assert root.get("role") == "img"
    named, described = root.find("title"), root.find("desc")
    assert named is not None
    assert described is not None
    assert (named.text, named.get("id")) == ("title", root.get("aria-labelledby"))
    assert (described.text, described.get("id")) == ("description", root.get("aria-describedby"))


@pytest.mark.parametrize("text", [HOSTILE, "x" * 10_000, '" onload="alert(1)', "\ud800", "]]>"])
def test_texts_are_only_text(text: str) -> None:
    line = Line("canary", text, [(0.0, 1.0)])
    chart = a_chart(line, title=text, description=text, bands=[Band(0, 60, "phase0", text)], mark=(1.0, text))
    root = parsed(chart)
    assert_inside(root)
    assert {element.tag for element in root.iter()} <= {
        "svg",
        "title",
        "desc",
        "line",
        "path",
        "rect",
        "text",
    }
    assert not any(name.startswith("on") for element in root.iter() for name in element.attrib)
    assert "\u202e" not in "".join(root.itertext())


def test_a_moment_at_the_end_is_still_seen() -> None:
    root = parsed(a_chart(bands=[Band(60, 60, "verdict-fail")]))
    (band,) = root.iter("rect")
    assert (float(band.attrib["x"]), float(band.attrib["width"])) == (681, 3)
