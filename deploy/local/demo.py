"""`make demo`: a good version is promoted and three bad ones are stopped, on real parts.

Exits 0 only if every act ended as said. In a terminal it shows each rollout live; piped, plain lines.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from controller.cli.tables import status_detail
from controller.control.errors import ControlError
from controller.control.interface import Order
from controller.control.views import EntryView, StatusView
from controller.domain.vocabulary import Phase, Reason
from deploy.local.stack import StackError
from deploy.local.stage import MODEL, REQUESTS_PER_SECOND, Engine, Stage, since
from deploy.local.stream import Traffic

POLL_SECONDS = 0.25
LONGEST_ACT_SECONDS = 100


@dataclass(frozen=True, slots=True)
class Act:
    """One release, and how its rollout has to end."""

    title: str
    version: str
    phase: Phase
    reason: Reason


ACTS = (
    Act("Prologue: v1 is the first version", "v1", Phase.SUCCEEDED, Reason.PROMOTED),
    Act("Act 1: v2 is better", "v2", Phase.SUCCEEDED, Reason.PROMOTED),
    Act("Act 2: v3 fails on some requests", "v3", Phase.ROLLED_BACK, Reason.CHECK_FAILED),
    Act("Act 3: v4 is slow", "v4", Phase.ROLLED_BACK, Reason.CHECK_FAILED),
    Act("Act 4: v5 answers golden requests wrongly", "v5", Phase.NOT_DEPLOYED, Reason.GOLDEN_REQUEST_FAILED),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an act ended, and after how long."""

    act: Act
    status: StatusView
    seconds: float

    @property
    def as_said(self) -> bool:
        """Whether the rollout ended in the way that the act announces."""
        return self.status.phase is self.act.phase and self.status.reason is self.act.reason


class Theatre:
    """Plays the acts and shows them."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self._stage = stage
        self._console = console
        self._client = stage.client()

    def play(self, act: Act) -> Outcome:
        """Deploy the act's version and follow it until it ends, or the act's time is over."""
        self._console.print(f"\n[bold]{act.title}[/bold]")
        endpoint = self._stage.endpoint(act.version)
        self._console.print(f"  $ serinus deploy {MODEL} {act.version} --endpoint {endpoint}", style="dim")
        began = time.monotonic()
        rollout = self._client.deploy(Order(MODEL, act.version, [endpoint])).rollout
        assert rollout is not None
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            status = self._follow(rollout, began, live)
        return Outcome(act, status, time.monotonic() - began)

    def _follow(self, rollout: str, began: float, live: Live) -> StatusView:
        told = 0
        while True:
            status = self._client.status(rollout)
            for entry in self._client.entries(rollout, told).items:
                told = entry.seq
                if entry.notable:
                    self._console.print(line(entry, time.monotonic() - began))
            if self._console.is_terminal:
                live.update(status_detail(status, datetime.now(UTC), wide=False), refresh=True)
            if status.terminal or time.monotonic() - began > LONGEST_ACT_SECONDS:
                return status
            time.sleep(POLL_SECONDS)


def line(entry: EntryView, seconds: float) -> str:
    """One notable entry of the decision log."""
    return f"  {since(seconds):>5}  {entry.phase:<12} {entry.weight:>5g}%  {entry.message}"


def summary(traffic: Traffic, outcomes: list[Outcome]) -> Group:
    """What happened: each version, how it ended, how many users met it, and why."""
    table = Table(title="What happened", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("version", "ended", "as said"):
        table.add_column(heading, no_wrap=True)
    for heading in ("time", "requests served", "errors"):
        table.add_column(heading, no_wrap=True, justify="right")
    for outcome in outcomes:
        served, bad = traffic.served(f"{MODEL}@{outcome.act.version}")
        table.add_row(
            outcome.act.version,
            str(outcome.status.phase),
            "yes" if outcome.as_said else f"NO, expected {outcome.act.phase}",
            since(outcome.seconds),
            f"{served:,}",
            f"{bad:,}",
        )
    return Group(table, *(f"  {o.act.version}: {o.status.message}" for o in outcomes))


def play_all(folder: Path, engine: Engine, console: Console) -> bool:
    """The whole demo; returns whether everything ended as said."""
    began = time.monotonic()
    console.print(f"Starting Envoy, Prometheus, five engines ({engine}) and the daemon, in {folder}")
    with Stage(folder, engine) as stage:
        theatre = Theatre(stage, console)
        outcomes = [theatre.play(ACTS[0])]
        console.print(f"  {REQUESTS_PER_SECOND} real requests a second go through the gateway from now on")
        stream = stage.stream()
        outcomes += [theatre.play(act) for act in ACTS[1:]]
        traffic = stream.stop()
        console.print()
        console.print(summary(traffic, outcomes))
    seconds = since(time.monotonic() - began)
    console.print(f"{traffic.sent:,} requests, {traffic.failed:,} of them failed, in {seconds}")
    return all(outcome.as_said for outcome in outcomes)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Exit code 0 if all acts ended as said, 1 if not, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--engine", choices=("onnx", "mlserver"), default="onnx")
    engine: Engine = parser.parse_args().engine
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="serinus-demo-"))
    try:
        ok = play_all(folder, engine, console)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        console.print("\nStopped; everything that the demo started has been ended.")
        return 130
    except (ControlError, StackError) as error:
        console.print(f"The demo could not go on: {error}\nLogs: {folder}", style="red")
        return 1
    if not ok:
        console.print(f"Not every act ended as said; logs: {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    console.print("All acts ended as said.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
