"""What pytest finds by name."""

from tests.e2e.fixtures import figures, harness, pytest_terminal_summary, whole_harness

__all__ = ["figures", "harness", "pytest_terminal_summary", "whole_harness"]
