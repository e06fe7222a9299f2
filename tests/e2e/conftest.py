"""What pytest finds by name."""

from tests.browser.fixtures import browser
from tests.e2e.fixtures import harness, whole_harness

__all__ = ["browser", "harness", "whole_harness"]
