"""One HTTP exchange with an API server: the whole of what `KubeClient` needs from a network.

`controller.adapters.kube.connection` implements it on the library; tests implement it in memory.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What to ask. ``path`` is quoted; ``query`` is not. ``body`` is JSON, None for none."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """An answer whose body is still on its way: ``chunks`` can be read once."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Transport(Protocol):
    """Carries requests. It sets no time limit and reads nothing ahead: the caller does."""

    def send(self, request: ApiRequest) -> AbstractAsyncContextManager[ApiAnswer]:
        """Send one request; leaving the context ends the exchange, read or not.

        Sending and reading the chunks raise `TransientError` when the connection fails and `TargetError` when
        the credentials cannot be had. Every HTTP status is an answer.
        """
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
