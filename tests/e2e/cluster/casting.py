"""Plays: scenarios of one model each that run side by side on one stage, and a test of each."""

from collections.abc import Callable

from tests.e2e.cluster.stage import ClusterStage

Play = Callable[[ClusterStage, str], None]
"""The stage and the model's name, which nobody else uses. Raises AssertionError."""
PLAYS: dict[str, Play] = {}


def play(function: Play) -> Play:
    """Enter a play under its function's name."""
    PLAYS[function.__name__] = function
    return function


def model_of(name: str) -> str:
    """The model of a play."""
    return name.replace("_", "-")
