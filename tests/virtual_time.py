"""An event loop whose clock jumps: hours of waiting take milliseconds, and go the same way each time.

    def test_it_waits() -> None:
        async def scenario() -> None:
            await asyncio.sleep(3600)
        virtual_time.run(scenario())

Only for code that waits by the loop: sleeps, time-outs, events. Sockets and threads have no place here.
"""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Instead of waiting it moves the clock; when nothing is left to wait for, it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found and timeout is None:
            raise RuntimeError("every task waits for something that will never happen")
        if not found and timeout is not None:
            self.now += max(timeout, 0.0)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; ``time`` begins at 0."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """Run the scenario to its end. Raises what an abandoned task raised, too."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        problems: list[Mapping[str, Any]] = []
        runner.get_loop().set_exception_handler(lambda _, context: problems.append(context))
        result = runner.run(scenario)
        assert not problems, problems
        return result
