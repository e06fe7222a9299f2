"""The images that can be pulled in the simulated cluster, and what their containers do."""

from dataclasses import dataclass
from enum import StrEnum

TUMOR_VERSIONS = ("v1", "v2", "v3", "v4", "v5")
ECHO = "echo"
"""Answers every request with 200; for backends that are not the test's subject."""
FAULTY_ECHO = "faulty-echo"
"""The same, but for each second request, which gets 500."""


class Container(StrEnum):
    """How the container of an image fares."""

    RUNS = "runs"
    CRASHES = "crashes"
    CANNOT_BE_PULLED = "cannot be pulled"


@dataclass(frozen=True, slots=True)
class Image:
    """``engine`` names the process that serves its copies: all copies of an image share one."""

    container: Container
    engine: str | None = None


def image(name: str) -> Image:
    """What is behind an image's name, whatever its registry: ``models/tumor:v2``, ``models/echo:v1``.

    ``models/tumor:v1`` to ``v5`` are the demo's models (good, better, failing, slow, wrong). All versions of
    ``models/echo`` are one tiny server, and those of ``models/faulty-echo`` another. ``models/crash`` is a
    container that ends at once. There are no others.
    """
    repository, _, tag = name.rpartition("/")[2].partition(":")
    if repository == "tumor" and tag in TUMOR_VERSIONS:
        return Image(Container.RUNS, tag)
    if repository in (ECHO, FAULTY_ECHO):
        return Image(Container.RUNS, repository)
    if repository == "crash":
        return Image(Container.CRASHES)
    return Image(Container.CANNOT_BE_PULLED)
