"""`make bench-quality`: worse and equal models, 50 seeds each, under golden requests and evaluations."""

import argparse
import sys
from collections.abc import Sequence

from bench.machine import describe, quantile
from bench.quality.models import Models, trained
from bench.quality.rollouts import CHECKS, Outcome, rolled_out
from controller.domain.vocabulary import Phase

CANARIES = ("equal", "slightly", "worse")


def main() -> int:
    """Train, roll out, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--only", choices=CHECKS, help="one kind of check")
    parser.add_argument("--canary", choices=CANARIES, help="one kind of model")
    asked = parser.parse_args()
    print(describe())
    found = [trained(seed) for seed in range(asked.seeds)]
    _accuracies(found)
    print(f"\n{'check':<12}{'model':<10}{'promoted':>9}{'stopped':>9}{'open':>6}{'minutes':>18}{'cases':>20}")
    for kind in [asked.only] if asked.only else CHECKS:
        for name in [asked.canary] if asked.canary else CANARIES:
            _row(kind, name, [rolled_out(kind, of, getattr(of, name), n) for n, of in enumerate(found)])
    return 0


def _accuracies(found: Sequence[Models]) -> None:
    print("share of right answers on 20,000 rows, and canary minus stable in points: median (least to most)")
    for name in ("stable", *CANARIES):
        values = [getattr(of, name).accuracy for of in found]
        beside = [100 * (getattr(of, name).accuracy - of.stable.accuracy) for of in found]
        shares = f"{quantile(values, 0.5):.1%} ({min(values):.1%} to {max(values):.1%})"
        away = f"{quantile(beside, 0.5):+.1f} ({min(beside):+.1f} to {max(beside):+.1f})"
        print(f"  {name:<10}{shares:<28}{away}", flush=True)


def _row(kind: str, name: str, outcomes: Sequence[Outcome]) -> None:
    promoted = sum(each.phase is Phase.SUCCEEDED for each in outcomes)
    stopped = sum(each.phase is Phase.ROLLED_BACK for each in outcomes)
    minutes, cases = [each.seconds / 60 for each in outcomes], [float(each.cases) for each in outcomes]
    print(
        f"{kind:<12}{name:<10}{promoted:>9}{stopped:>9}{len(outcomes) - promoted - stopped:>6}"
        f"{_spread(minutes):>18}{_spread(cases):>20}",
        flush=True,
    )


def _spread(values: Sequence[float]) -> str:
    """The median, and between what nine of ten lie."""
    return f"{quantile(values, 0.5):.0f} ({quantile(values, 0.05):.0f} to {quantile(values, 0.95):.0f})"


if __name__ == "__main__":
    sys.exit(main())
