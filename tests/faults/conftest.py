"""What pytest finds by name."""

from tests.e2e.fixtures import harness, whole_harness

__all__ = ["harness", "whole_harness"]
