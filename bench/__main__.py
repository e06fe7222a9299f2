"""`make bench`: every benchmark, one after the other."""

import asyncio
import sys

from bench import cluster, commit_to_route, decide, envoy_weight_change, fold, help_text, hundred, telling
from bench.machine import describe


def main() -> int:
    """Run all, or those named on the command line."""
    benches = {
        "decide": decide.main,
        "fold": fold.main,
        "help": help_text.main,
        "envoy": lambda: asyncio.run(envoy_weight_change.main()),
        "hundred": hundred.main,
        "telling": telling.main,
        "commit": commit_to_route.main,
        "cluster": cluster.main,
    }
    names = sys.argv[1:] or list(benches)
    print(describe())
    for name in names:
        benches[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
