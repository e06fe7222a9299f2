"""What a policy's checks need from the metric source: counters of the pack, and the policy's own.

A policy's own counter is a selection such as ``waits_bucket{model_version="$version",queue!="batch"}``. It is
read like a pack's: its placeholders say which labels tell versions apart, and so policies that write the same
are asked for together.

**Invariant**: of a selection nothing gets into a query but its metric and its matchers, each quoted anew.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import promql_parser

from controller.adapters.metrics.counters import Answers, Counter, Histogram, Requests
from controller.adapters.metrics.packs import Pack, Template
from controller.adapters.metrics.queries import escaped
from controller.domain.judge.mix import mix_checks
from controller.domain.model import Rollout
from controller.domain.policy import Check, CheckKind

_OF_VERSIONS = frozenset({Template.ADAPTER, Template.BACKEND, Template.VERSION})
_OWN_TEMPLATES = _OF_VERSIONS | {Template.MODEL}


@dataclass(frozen=True, slots=True)
class Sought:
    """One counter, and what it counts for.

    ``measure`` is what its counts are filed under. ``versions`` are the labels that tell whose a series is.
    Of a counter with several names each is sought by itself: ``renamed`` is the same for all of them, and
    ``place`` says which it is, the newest first.
    """

    measure: str
    counter: Counter
    versions: Mapping[str, Template]
    renamed: str = ""
    place: int = 0

    @property
    def identity(self) -> tuple[str, str]:
        """The same for everyone who seeks the same."""
        return self.measure, self.counter.identity


def pulse_of(pack: Pack) -> Sought:
    """What shows when a version was scraped."""
    return Sought("", pack.pulse, pack.versions)


def sought_by(pack: Pack, checks: Iterable[Check]) -> tuple[Sought, ...]:
    """The answers in any case, and what else the checks count. What cannot be counted is left out."""
    found = [Sought("", answers, pack.versions) for answers in pack.answers]
    for check in checks:
        if not check.kind.in_blocks:
            continue
        counters = pack.counters(check.kind, check.measure) if check.query is None else ()
        found += [Sought(check.counts, counter, pack.versions) for counter in counters]
        found += _own(check)
    named = (name for one in found for name in _by_each_name(one))
    return tuple({one.identity: one for one in named}.values())


def _by_each_name(one: Sought) -> Iterator[Sought]:
    """The counter under each of its names, so that each is a counter of one name."""
    counter = one.counter
    if not counter.formerly:
        yield one
        return
    for place, plain in enumerate(counter.by_name):
        yield replace(one, counter=plain, renamed=f"{one.measure} {counter.identity}", place=place)


def counted_of(rollout: Rollout) -> tuple[Check, ...]:
    """The checks that the metric source is asked for, and what must be counted to know that they compare."""
    asked = tuple(check for check in rollout.policy.checks if not check.of_probes)
    return (*asked, *mix_checks(rollout.policy)) if rollout.stable is not None else asked


def measurable(pack: Pack, check: Check) -> bool:
    """Whether the check's counts, or its query, can be asked for at all."""
    if check.kind is CheckKind.GAUGE:
        return check.query is not None or check.measure in pack.levels
    if check.kind is CheckKind.SCORE:
        return True  # nobody asks the metric source for it
    return bool(_own(check) if check.query is not None else pack.counters(check.kind, check.measure))


def _own(check: Check) -> list[Sought]:
    """The policy's own counters; none if they cannot be read safely."""
    if check.query is None:
        return []
    try:
        if check.kind.in_buckets:
            return [_selected(check.counts, check.query, Histogram)]
        whole = [_selected(check.counts, check.of, Requests)] if check.of is not None else []
        return [_selected(check.counts, check.query, Answers), *whole] if whole else []
    except ValueError:
        return []


def _selected(measure: str, text: str, kind: type[Counter]) -> Sought:
    """One selection. Raises `ValueError` if it is more than that, or tells no versions apart."""
    tree = promql_parser.parse(text)
    if not isinstance(tree, promql_parser.VectorSelector) or tree.offset or tree.at or not tree.name:
        raise ValueError("not a selection of one metric")
    if tree.matchers.or_matchers:
        raise ValueError("alternatives of matchers")
    where, unless = dict[str, str](), dict[str, str]()
    versions: dict[str, Template] = {}
    for matcher in tree.matchers.matchers:
        exact = matcher.op in (promql_parser.MatchOp.Equal, promql_parser.MatchOp.NotEqual)
        same = matcher.op in (promql_parser.MatchOp.Equal, promql_parser.MatchOp.Re)
        if matcher.name in ((where.keys() | versions.keys()) if same else unless):
            raise ValueError("two matchers of one label")
        if matcher.value in _OWN_TEMPLATES and exact and same:
            versions[matcher.name] = Template(matcher.value)
        else:
            (where if same else unless)[matcher.name] = escaped(matcher.value) if exact else matcher.value
    if not _OF_VERSIONS & set(versions.values()):
        raise ValueError("no placeholder that tells versions apart")
    own: dict[str, object] = {"metric": tree.name, "where": where, "unless": unless}
    return Sought(measure, kind.model_validate(own | ({"bad": True} if kind is Answers else {})), versions)
