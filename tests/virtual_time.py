"""Event loops whose clock jumps: hours of waiting take milliseconds, and go the same way each time.

    def test_it_waits() -> None:
        async def scenario() -> None:
            await asyncio.sleep(3600)
        virtual_time.run(scenario())

`run` is for code that waits by the loop only: sleeps, time-outs, events. `run_with_sockets` is for code that
speaks to a server on the same loop, and works in threads: the clock stands still while anything is under way.
"""

import asyncio
import selectors
import socket
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_SETTLED_SECONDS = 0.002
"""What was sent over loopback has long arrived by then."""
_STUCK_SECONDS = 30.0

Found = list[tuple[selectors.SelectorKey, int]]


class _Selector(selectors.SelectSelector):
    """Instead of waiting it moves the clock; when nothing is left to wait for, it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Found:
        found = super().select(0)
        if not found and timeout is None:
            raise RuntimeError("every task waits for something that will never happen")
        if not found and timeout is not None:
            self.now += max(timeout, 0.0)
        return found


class _PatientSelector(_Selector):
    """Moves the clock only while no thread works for the loop and no socket has anything to say."""

    def __init__(self) -> None:
        super().__init__()
        self.working = 0

    def select(self, timeout: float | None = None) -> Found:
        if timeout is not None and timeout <= 0:
            return selectors.SelectSelector.select(self, 0)
        endless = self.working > 0 or timeout is None
        found = selectors.SelectSelector.select(self, _STUCK_SECONDS if endless else _SETTLED_SECONDS)
        if not found and endless:
            raise RuntimeError("a thread does not come to its end, or every task waits for nothing")
        if not found and timeout is not None:
            self.now += timeout
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; ``time`` begins at 0."""

    def __init__(self, selector: _Selector | None = None) -> None:
        self._virtual = selector or _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


class SocketLoop(VirtualLoop):
    """One that knows of the threads that work for it. The other ends of its sockets must be on it as well.

    ``connected`` is when it was asked to connect, and where to.
    """

    def __init__(self) -> None:
        self._patient = _PatientSelector()
        self.connected: list[tuple[float, Any]] = []
        super().__init__(self._patient)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        self.connected.append((self.time(), address))
        await super().sock_connect(sock, address)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        def over(_: "asyncio.Future[T]") -> None:
            self._patient.working -= 1

        self._patient.working += 1
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        future.add_done_callback(over)
        return future


def run(scenario: Coroutine[Any, Any, T], loop: Callable[[], VirtualLoop] = VirtualLoop) -> T:
    """Run the scenario to its end. Raises what an abandoned task raised, too."""
    with asyncio.Runner(loop_factory=loop) as runner:
        problems: list[Mapping[str, Any]] = []
        runner.get_loop().set_exception_handler(lambda _, context: problems.append(context))
        result = runner.run(scenario)
        assert not problems, problems
        return result


def run_with_sockets(scenario: Coroutine[Any, Any, T]) -> T:
    """The same on a `SocketLoop`."""
    return run(scenario, SocketLoop)
