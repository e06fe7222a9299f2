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
from pathlib import Path
from types import FrameType

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table

from controller.control.errors import ControlError
from controller.domain.vocabulary import Phase, Reason
from deploy.local.compare import compare, comparison
from deploy.local.reports import write_reports
from deploy.local.stack import StackError
from deploy.local.stage import LONGEST_SECONDS, REQUESTS_PER_SECOND, Engine, Stage, since
from deploy.local.stream import Traffic
from deploy.local.theatre import Act, Outcome, Theatre

_COMPARE = "play acts 2 and 3 under both judges, so many times"
_PROMOTED = (Phase.SUCCEEDED, Reason.PROMOTED)
_ROLLED_BACK = (Phase.ROLLED_BACK, Reason.CHECK_FAILED)
_NOT_DEPLOYED = (Phase.NOT_DEPLOYED, Reason.GOLDEN_REQUEST_FAILED)
PROLOGUE = Act("Prologue: v1 is the first version", "v1", *_PROMOTED, "v1")
BETTER = Act("Act 1: v2 is better", "v2", *_PROMOTED, "v2")
FAILING = Act("Act 2: v3 fails on some requests", "v3", *_ROLLED_BACK, "v3")
SLOW = Act("Act 3: v4 is slow", "v4", *_ROLLED_BACK, "v4")
WRONG = Act("Act 4: v5 answers golden requests wrongly", "v5", *_NOT_DEPLOYED, "v5")
SECONDS_PER_ROUND = 150
"""More than a round of the comparison takes: four acts that end as said."""


def summary(traffic: Traffic, outcomes: list[Outcome]) -> Group:
    """What happened: each version, how it ended, how many users met it, and why."""
    table = Table(title="What happened", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("version", "ended", "as said"):
        table.add_column(heading, no_wrap=True)
    for heading in ("time", "requests served", "errors"):
        table.add_column(heading, no_wrap=True, justify="right")
    for outcome in outcomes:
        served, bad = traffic.served(outcome.backend)
        table.add_row(
            outcome.act.version,
            str(outcome.status.phase),
            "yes" if outcome.as_said else f"NO, expected {outcome.act.phase}",
            since(outcome.seconds),
            f"{served:,}",
            f"{bad:,}",
        )
    return Group(table, *(f"  {o.act.version}: {o.status.message}" for o in outcomes))


def play_all(folder: Path, engine: Engine, console: Console, rounds: int) -> bool:
    """The whole demo, or with ``rounds`` the comparison; returns whether everything ended as said."""
    began = time.monotonic()
    console.print(f"Starting Envoy, Prometheus, five engines ({engine}) and the daemon, in {folder}")
    with Stage(folder, engine) as stage:
        theatre = Theatre(stage, console)
        outcomes = [theatre.play(PROLOGUE)]
        console.print(f"  {REQUESTS_PER_SECOND} real requests a second go through the gateway from now on")
        stream = stage.stream(seconds=LONGEST_SECONDS + rounds * SECONDS_PER_ROUND)
        outcomes.append(theatre.play(BETTER))
        compared = list(compare(stage, theatre, FAILING, SLOW, rounds))
        outcomes += [outcome for each in compared for outcome in (each.failing, each.slow)]
        if not rounds:
            outcomes += [theatre.play(act) for act in (FAILING, SLOW, WRONG)]
        traffic = stream.stop()
        console.print()
        console.print(summary(traffic, outcomes))
        if compared:
            console.print(comparison(compared, traffic))
        else:
            console.print("Reports, to open in a browser:")
            for path in write_reports(stage.client(), outcomes[1:]):
                console.print(f"  {path}", soft_wrap=True)
    seconds = since(time.monotonic() - began)
    console.print(f"{traffic.sent:,} requests, {traffic.failed:,} of them failed, in {seconds}")
    return all(outcome.as_said for outcome in outcomes)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Exit code 0 if all acts ended as said, 1 if not, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--engine", choices=("onnx", "mlserver"), default="onnx")
    parser.add_argument("--compare", type=int, choices=range(11), default=0, metavar="ROUNDS", help=_COMPARE)
    arguments = parser.parse_args()
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="serinus-demo-"))
    try:
        ok = play_all(folder, arguments.engine, console, arguments.compare)
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
