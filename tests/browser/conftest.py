"""What pytest finds by name."""

from tests.browser.fixtures import browser

__all__ = ["browser"]
