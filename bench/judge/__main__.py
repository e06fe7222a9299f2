"""`make bench-judge`: our judges and the peers' rules on simulated requests, in tables.

The tables go to standard output and depend on the options alone; how long it took goes to standard error.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.judge.battery import Crew, crew, judges
from bench.judge.scenarios import LOOKS, PEEKS, RUNS, SCENARIOS, PeekScenario, RunScenario
from bench.judge.tables import (
    EACH_HEAD,
    ORACLE_HEAD,
    PEEK_HEAD,
    RUN_HEAD,
    each_rows,
    head,
    line,
    oracle_rows,
    peek_rows,
    run_rows,
)
from bench.machine import describe

ROUNDS = 300
SEED = 20261125
_FEWER = 12
"""Of looks at what nothing is asked of, which take most of the time, only this part is run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the scenarios that were asked for."""
    asked = _parser().parse_args(arguments)
    wanted = [name for name in SCENARIOS if not asked.only or any(part in name for part in asked.only)]
    if not wanted:
        print(f"no scenario has one of these in its name: {', '.join(asked.only)}", file=sys.stderr)
        return 2
    print(f"{describe()}. Seed {asked.seed}, {asked.repetitions} repetitions of each scenario.")
    print("Intervals are Wilson's; pairs are median / 95th percentile over all repetitions.")
    with crew(asked.processes) as hands:
        _peeks(hands, [one for one in PEEKS if one.name in wanted], asked)
        _runs(hands, [one for one in RUNS if one.name in wanted], asked)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench-judge", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=ROUNDS, help="of each scenario")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="scenarios with this in the name"
    )
    parser.add_argument("--each", action="store_true", help="also print every run, and why it ended")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=None, help="by default one for each core")
    return parser


def _peeks(hands: Crew, scenarios: Sequence[PeekScenario], asked: argparse.Namespace) -> None:
    if scenarios:
        print(head(f"A version as good as stable, looked at {LOOKS:,} times", PEEK_HEAD))
    for scenario in scenarios:
        repetitions = asked.repetitions if scenario.goal else max(asked.repetitions // _FEWER, 1)
        with _timed(scenario.name, repetitions):
            results = hands.peeks(scenario, asked.seed, repetitions)
        _print(peek_rows(scenario, results))


def _runs(hands: Crew, scenarios: Sequence[RunScenario], asked: argparse.Namespace) -> None:
    oracle: list[Sequence[str]] = []
    each: list[Sequence[str]] = []
    if scenarios:
        print(head("Rollouts: every rule on the same requests", RUN_HEAD))
    for scenario in scenarios:
        with _timed(scenario.name, asked.repetitions):
            results = hands.runs(scenario, asked.seed, asked.repetitions)
        _print(run_rows(scenario, results, judges()[0]))
        oracle += oracle_rows(scenario, results)
        each += each_rows(scenario, results)
    if oracle:
        print(head("Mean candidate requests to detection, beside a test that knows both rates", ORACLE_HEAD))
        _print(oracle)
    if each and asked.each:
        print(head("Each run", EACH_HEAD))
        _print(each)


def _print(rows: Sequence[Sequence[str]]) -> None:
    print("\n".join(map(line, rows)), flush=True)


@contextmanager
def _timed(name: str, repetitions: int) -> Iterator[None]:
    began = time.perf_counter()
    yield
    took = time.perf_counter() - began
    print(f"{name}: {took:.1f} s, {took / repetitions:.2f} s each", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
