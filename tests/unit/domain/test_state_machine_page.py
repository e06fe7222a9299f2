"""The page about the phases is the table's, to the letter."""

from controller.domain.table import TABLE, Trigger
from controller.domain.vocabulary import Phase
from docs.generate import MEANINGS, PAGE, page


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


def test_every_phase_is_drawn() -> None:
    assert all(f" {phase}" in page().split("## Every transition")[0] for phase in Phase)
