"""The page about the phases is the table's, to the letter."""

from xml.etree import ElementTree as ET

from controller.domain.table import TABLE, Trigger
from controller.domain.vocabulary import Phase
from docs.generate import MEANINGS, PAGE, page, pictures

NAMESPACE = "http://www.w3.org/2000/svg"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m docs.generate"


def test_every_trigger_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Trigger)


def test_every_transition_has_its_row() -> None:
    rows = [
        [cell.strip() for cell in line.split("|")] for line in page().splitlines() if line.startswith("| ")
    ]
    written = {
        (row[1], source, target)
        for row in rows
        for source in row[4].split(", ")
        for target in row[5].split(", ")
    }
    for trigger, sources in TABLE.items():
        for source, targets in sources.items():
            for target in targets:
                assert (trigger.name, source.value, target.value) in written


def test_the_pictures_are_current_and_shown() -> None:
    for path, picture in pictures().items():
        assert path.read_text(encoding="utf-8") == picture, "run: python -m docs.generate"
        assert f"]({path.name})" in page()


def test_every_phase_is_drawn() -> None:
    drawn = "".join(pictures().values())
    assert all(f">{phase}</text>" in drawn for phase in Phase)


def test_a_picture_fetches_and_runs_nothing() -> None:
    for picture in pictures().values():
        ET.fromstring(picture)
        assert not any(
            word in picture.replace(NAMESPACE, "") for word in ("http", "script", "href", "@import")
        )
