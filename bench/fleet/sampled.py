"""The daemon with a sampler in it, to see where its processor time goes: ``bench.fleet.sampled FILE``.

Every hundredth of a second of processor time, by ITIMER_PROF, the stacks of the threads at work are counted.
The kernel charges a sample to the whole process; when the main thread waits in its selector, it is given to
the threads that do not wait. Written to FILE when the daemon ends: most frequent functions and stacks.
"""

import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType

from controller.app import run

_EVERY_SECONDS = 0.01
_WAITS = frozenset({"run", "select", "wait", "_worker", "epoll", "get", "acquire", "_wait_for_tstate_lock"})
"""Where a thread that does nothing is seen; watchfiles' is in Rust, below a `run`."""
_DEEPEST = 40


class Sampler:
    """Counts functions by how often they were at work, themselves and with what they called."""

    def __init__(self) -> None:
        self.samples = 0
        self.own: Counter[str] = Counter()
        self.total: Counter[str] = Counter()
        self.stacks: Counter[str] = Counter()
        self._main = threading.get_ident()
        signal.signal(signal.SIGPROF, self._sample)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_SECONDS, _EVERY_SECONDS)

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        self.samples += 1
        if frame is not None and frame.f_code.co_name != "select":
            self._count(frame, "main")
            return
        names = {each.ident: each.name for each in threading.enumerate()}
        for ident, top in sys._current_frames().items():
            if ident != self._main and top.f_code.co_name not in _WAITS:
                self._count(top, names.get(ident, "?").rstrip("0123456789_"))
                return
        self.own["(waiting)"] += 1

    def _count(self, top: FrameType, thread: str) -> None:
        names: list[str] = []
        frame: FrameType | None = top
        while frame is not None and len(names) < _DEEPEST:
            code = frame.f_code
            names.append(f"{_short(code.co_filename)}:{code.co_qualname}")
            frame = frame.f_back
        self.own[f"{thread} {names[0]}"] += 1
        for name in set(names):
            self.total[f"{thread} {name}"] += 1
        ours = [name for name in names if name.startswith("controller/")][:6]
        self.stacks[f"{thread} " + " < ".join(ours)] += 1

    def written(self) -> str:
        """The counts, as shares of all samples."""
        lines = [f"{self.samples} samples, one each {_EVERY_SECONDS:g} s of processor time"]
        for title, counts in (("itself", self.own), ("with callees", self.total), ("stacks", self.stacks)):
            lines.append(f"\n{title}")
            lines += [f"{count / self.samples:7.1%}  {name}" for name, count in counts.most_common(60)]
        return "\n".join(lines) + "\n"


def _short(name: str) -> str:
    for mark in ("/site-packages/", "/lib/python3"):
        if mark in name:
            return name.rpartition(mark)[2]
    return name[max(name.rfind("controller/"), 0) :]


def main() -> int:
    """Run the daemon; write what was counted when it is told to stop."""
    file, sampler = Path(sys.argv[1]), Sampler()
    try:
        return run()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        file.write_text(sampler.written())


if __name__ == "__main__":
    sys.exit(main())
