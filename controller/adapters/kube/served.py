"""Which of a kind's two groups the API server knows, for a kind that moved from one to another.

Where it knows both, the newer counts: so do the programs that act on the objects. What was found stands for
a minute, so an operator who installs the newer definition need not restart anything; the caches, which list
anew every minute, then hold the objects of the newer group.

**Source**: Kubernetes API concepts, "Discovery API"; llm-d-router 0.9, which looks for the groups of
InferenceModelRewrite in the same order, but once, at its own start.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from controller.adapters.kube.resources import Resource
from controller.errors import TransientError

Knows = Callable[[Resource], Awaitable[bool]]
"""Asks the server whether it knows a kind. Raises the errors of a client."""


class Served:
    """Remembers for the time of ``stands`` what was found, on a monotonic clock."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, stands: timedelta = timedelta(seconds=60)
    ) -> None:
        self._clock = clock
        self._stands = stands.total_seconds()
        self._found: dict[Resource, tuple[Resource, float]] = {}

    async def choose(self, resource: Resource, knows: Knows) -> Resource:
        """The kind under the name to use; under its newer one where the server knows neither.

        Raises `TransientError` when the server does not answer and was never asked before.
        """
        if resource.formerly is None:
            return resource
        found = self._found.get(resource)
        if found is not None and self._clock() - found[1] < self._stands:
            return found[0]
        try:
            newer = await knows(resource) or not await knows(resource.formerly)
        except TransientError:
            if found is None:
                raise
            return found[0]
        chosen = resource if newer else resource.formerly
        self._found[resource] = chosen, self._clock()
        return chosen
