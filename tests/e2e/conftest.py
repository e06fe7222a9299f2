"""What pytest finds by name."""

from tests.browser.fixtures import browser
from tests.e2e.fixtures import figures, harness, pytest_terminal_summary, whole_harness

__all__ = ["browser", "figures", "harness", "pytest_terminal_summary", "whole_harness"]
