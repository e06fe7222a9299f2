"""`make bench-fleet` and `make bench-soak`: how Serinus bears thousands of models.

The daemon has core 0, and everything else the other cores. All figures are printed; none is asserted.
"""

import argparse
import asyncio
import os
from pathlib import Path

from bench.fleet import page
from bench.fleet.cluster import SIZES as CLUSTER_SIZES
from bench.fleet.cluster import cluster
from bench.fleet.figures import table
from bench.fleet.growth import SIZES, growth
from bench.fleet.neighbours import neighbours
from bench.fleet.outage import outage
from bench.fleet.soak import soak
from bench.fleet.world import DAEMON_CORE, Size
from bench.machine import describe

PARTS = ("growth", "neighbours", "outage", "cluster")


def main() -> None:
    """Print the figures of all parts, or of those that were asked for."""
    parser = argparse.ArgumentParser(
        prog="bench.fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", choices=(*PARTS, "soak"), default=list(PARTS), metavar="PART")
    parser.add_argument("--only", nargs="+", metavar="MODELS/ROLLING", help="growth: these sizes")
    parser.add_argument("--seconds", type=float, default=90, help="measured of each")
    parser.add_argument("--settle", type=float, default=45, help="before that")
    parser.add_argument("--repetitions", type=int, default=5, help="neighbours: bad versions of each kind")
    parser.add_argument("--minutes", type=float, default=30, help="soak: after five of warming up")
    parser.add_argument(
        "--first", choices=("seeded", "real"), default="seeded", help="growth: first versions"
    )
    parser.add_argument("--sampled", type=Path, help="growth: a folder for what a sampler in the daemon saw")
    parser.add_argument("--write", action="store_true", help="also into docs/explanation/fleet.md")
    options = parser.parse_args()
    others = set(range(os.cpu_count() or 1)) - {DAEMON_CORE}
    os.sched_setaffinity(0, others or {DAEMON_CORE})
    print(describe())
    for part in options.parts:
        text = _part(part, options)
        print(text, flush=True)
        if options.write:
            page.put(part, f"{describe()}\n\n{text}")


def _part(part: str, options: argparse.Namespace) -> str:
    sizes = [Size(*map(int, each.split("/"))) for each in options.only or ()]
    match part:
        case "growth":
            found = asyncio.run(growth(sizes or SIZES, options))
            if options.write:
                page.draw(found)
            return table(found)
        case "neighbours":
            return f"```text\n{asyncio.run(neighbours(options.repetitions, options.settle))}\n```"
        case "outage":
            return f"```text\n{asyncio.run(outage(options.seconds))}\n```"
        case "cluster":
            return cluster(sizes or CLUSTER_SIZES, options.seconds, options.settle)
        case _:
            return f"```text\n{asyncio.run(soak(options.minutes))}\n```"


if __name__ == "__main__":
    main()
