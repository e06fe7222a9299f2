"""What pytest finds by name in every folder, and how the tests are dealt out to several processes.

Most of the time tests wait: for Envoy, for Prometheus, for a lease to run out. `make test JOBS=4` has several
processes. Tests that share one stack of real parts stay together in one of them; every other file goes
wherever there is time. The stacks come first, for theirs are the longest ways.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tests.kube.fixtures import apiserver, namespace

__all__ = ["apiserver", "figures", "namespace"]

settings.register_profile("serinus", deadline=None)  # a busy machine is no reason to fail
settings.load_profile("serinus")

_TESTS = Path(__file__).parent
_STACKS = ("e2e/cluster", "e2e", "faults", "integration", "browser")
"""Folders by the time that their tests take. The first three share a stack each."""
_SHARING = 3


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests belong together, and begin with those that take longest."""
    for item in items:
        folder = _folder(item)
        shares = folder in _STACKS[:_SHARING]
        item.add_marker(pytest.mark.xdist_group(folder if shares else str(item.path.relative_to(_TESTS))))
    items.sort(key=lambda item: _STACKS.index(_folder(item)) if _folder(item) in _STACKS else len(_STACKS))


def _folder(item: pytest.Item) -> str:
    return item.path.parent.relative_to(_TESTS).as_posix()


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Takes a line that is printed when all tests have run: seeds, times, counts."""
    return lambda line: record_property("figure", line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the lines."""
    lines = [
        f"{report.nodeid.rpartition('::')[2].partition('@')[0]}: {value}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == "figure"
    ]
    if lines:
        terminalreporter.section("figures")
    for line in lines:
        terminalreporter.write_line(line)
