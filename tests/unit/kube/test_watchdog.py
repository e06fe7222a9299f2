"""The thread that ends a process whose event loop is stuck."""

import threading
import time

from controller.adapters.kube.watchdog import Watchdog


def test_it_ends_the_process_while_the_loop_is_blocked() -> None:
    ended = threading.Event()
    due = time.monotonic() + 0.1
    with Watchdog(lambda: time.monotonic() > due, ended.set):
        assert ended.wait(5)


def test_it_does_nothing_while_all_is_well() -> None:
    asked = threading.Event()

    def overdue() -> bool:
        asked.set()
        return False

    ended = threading.Event()
    with Watchdog(overdue, ended.set):
        assert asked.wait(5)
    assert not ended.is_set()
