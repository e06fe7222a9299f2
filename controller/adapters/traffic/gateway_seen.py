"""What a route runs and what its gateways make of it, in the domain's words. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from controller.adapters.kube.fencing import EPOCH_ANNOTATION, latch_of
from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.gateway_audience import audience_in, ours, shown
from controller.adapters.traffic.gateway_mirror import mirrored_permille
from controller.adapters.traffic.gateway_patch import refs_of
from controller.adapters.traffic.gateway_rule import Pair, Rule, Trouble, all_rules, find_pair
from controller.adapters.traffic.gateway_split import Held, read_split
from controller.adapters.traffic.gateway_status import Verdict, foreign_writer
from controller.adapters.traffic.layout import Layout
from controller.domain.audience import Audience
from controller.domain.observation import RouteSeen
from controller.domain.policy import FULL_WEIGHT_PERMILLE
from controller.domain.release import RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.domain.wording import percent, treated
from controller.errors import TargetError

Series = Callable[[RoutedModel, Pair, Sequence[Rule], Split], tuple[tuple[str, str], ...]]
"""What a kind of route calls each version in the metrics, as in `RouteSeen`, in all of the rules."""


def route_seen(
    route: Obj,
    layout: Layout,
    routed: RoutedModel,
    manager: str,
    mark: str = EPOCH_ANNOTATION,
    *,
    verdict: Verdict,
    series: Series,
) -> RouteSeen:
    """The route as a pass sees it; Serinus writes as ``manager``, and its epoch into the annotation ``mark``.

    ``verdict`` is what those who run it say of it. The message says what stands there and who else wrote
    last: nobody reads it unless it is drift.
    """
    pair, latched = find_pair(route, routed, layout), latch_of(route, mark)
    if isinstance(pair, Trouble):
        # not "not found": the canary may have requests in a rule that was renamed
        message = f"{pair.message}{_culprit(route, manager, layout)}"
        return RouteSeen(
            Split(),
            accepted=False,
            problem=Reason.DRIFT_DETECTED,
            message=message,
            latched=latched,
        )
    held = held_in(route, pair, routed)
    problem, message, unmirrored = None, standing_words(route, pair, routed, manager), ""
    if held.strange:
        problem = Reason.DRIFT_DETECTED
    elif verdict.refused and held.split.mirror_permille:
        unmirrored = verdict.message
    elif verdict.refused:
        problem, message = Reason.ROUTE_REJECTED, verdict.message
    return RouteSeen(
        split=held.split,
        accepted=verdict.accepted and not held.strange,
        problem=problem,
        message=message,
        latched=latched,
        series=series(routed, pair, _added(route, pair, routed), held.split),
        unmirrored=unmirrored,
    )


def held_in(route: Obj, pair: Pair, routed: RoutedModel) -> Held:
    """What the model's own rule holds, and those that Serinus added to it."""
    held = read_split(pair, routed)
    present = _added(route, pair, routed)
    if held.strange or not present:
        return held
    try:
        refs = refs_of(pair, routed)
    except TargetError:  # a version has no backend by which its refs could be told
        edited = Audience(edited=True)
        return replace(held, split=replace(held.split, canary=routed.canary, audience=edited))
    return replace(held, split=audience_in(present, pair, routed, held.split, lambda: refs))


def standing_words(route: Obj, pair: Pair, routed: RoutedModel, manager: str) -> str:
    """What stands on the route, and who else wrote its rules last."""
    mirror = mirrored_permille(pair, routed)
    copies = f" and copies {percent(mirror)} of its requests" if mirror else ""
    added, culprit = shown(_added(route, pair, routed)), _culprit(route, manager, pair.rule.layout)
    return f"the route {routed.route.name} has {pair.shown}{copies}{added}{culprit}"


def _added(route: Obj, pair: Pair, routed: RoutedModel) -> tuple[Rule, ...]:
    """The rules that Serinus added for the model's audience."""
    return ours(all_rules(route, pair.rule.layout), routed.model)


def _culprit(route: Obj, manager: str, layout: Layout) -> str:
    writer = foreign_writer(route, manager, layout.field)
    return f" ({writer.shown})" if writer else ""


def agrees(held: Held, routed: RoutedModel, split: Split, expected: Split) -> bool:
    """Whether a write may be made: the route holds what it shall become, or what it was seen to be.

    Before a first deployment people may have routed the canary themselves, which reads as promoted.
    """
    theirs = expected == Split() and routed.stable is None and held.split == Split(stable=routed.canary)
    return theirs or held.split in (split, expected)


def normal(split: Split) -> Split:
    """A split of nobody has no weight."""
    return split if split.stable or split.canary else Split()


def described(split: Split) -> str:
    """For people: ``v7 5% beside v6``."""
    if split.canary is None:
        return f"only {split.stable.version}" if split.stable else "no backend of the model"
    if split.stable is None and split.weight_permille == FULL_WEIGHT_PERMILLE:
        return f"only {split.canary.version}"
    if split.mirror_permille:
        beside = f" beside {split.stable.version}" if split.stable else ""
        return f"{split.canary.version} copies of {percent(split.mirror_permille)}{beside}"
    beside = f" beside {split.stable.version}" if split.stable else ""
    return f"{split.canary.version} {percent(split.weight_permille)}{beside}{treated(split.audience)}"
