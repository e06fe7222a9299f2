"""Who is at the daemon's door, and what they may: asked for by whatever lets people in from outside.

**Invariant**: where a question cannot be answered nobody is let in and nothing is allowed. What is remembered
of an answer is the asker's to bound; who answers remembers nothing.
"""

from typing import Protocol

from controller.control.steering import Person

READ = "list"
"""The right to read the rollouts of a namespace: RBAC's verb on ModelRollouts."""
DEPLOY = "create"
"""The right to begin a rollout. The words of people are rights by themselves: ``promote``, ``abort`` ..."""

MACHINE = ""
"""The one place of a daemon that is in no cluster."""


class Doorman(Protocol):
    """Knows people by their tokens. Both raise `TransientError`, and `TargetError` for lack of a right."""

    async def person(self, token: str) -> Person | None:
        """Who bears the token; None when it is nobody's, or was not made for us."""
        ...

    async def may(self, person: Person, verb: str, namespace: str, name: str = "") -> bool:
        """Whether the person may do this there; to one object where there is a ``name``."""
        ...
