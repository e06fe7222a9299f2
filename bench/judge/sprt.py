"""The best that any rule could do: a sequential probability ratio test that knows both rates of errors.

It decides at a scrape of the canary, over the scrapes of a run that another rule made: the same weights, the
same requests. It only has to say that the canary is bad, so it has one boundary: 1/alpha.

**Source**: Wald, "Sequential Tests of Statistical Hypotheses" (1945); one boundary: Robbins (1970).
"""

from math import inf, log, log1p

from bench.judge.lane import SCRAPE_SECONDS, Lane

ALPHA = 0.01


def requests_to_detection(lane: Lane, good: float, bad: float, limit_seconds: float) -> int | None:
    """How many requests the canary had answered when the test knew that its share of errors is ``bad``.

    If the run was over before, it goes on at its last weight; None if even ``limit_seconds`` do not suffice.
    """
    of_bad = log(bad / good)
    of_good = log1p(-bad) - log1p(-good) if bad < 1 else -inf
    seen, until = 0, lane.now
    while until <= lane.chance.start + limit_seconds:
        scrapes = min(len(copy.samples) for copy in lane.canary)
        for number in range(seen, scrapes):
            samples = [copy.samples[number] for copy in lane.canary]
            failed, fine = sum(one.bad for one in samples), sum(one.good for one in samples)
            if failed * of_bad + (fine * of_good if fine else 0.0) >= log(1 / ALPHA):
                return failed + fine
        seen, until = scrapes, until + SCRAPE_SECONDS
        lane.advance(until)
    return None
