"""The JSON Patch that makes a rule of an InferenceModelRewrite run a split. Pure.

The rule's targets are written as one list, for a target of weight 0 is not allowed and so comes and goes; the
fence's test of the resourceVersion keeps what is not ours in it as it was read. The canary's target follows
stable's, is removed at the end of a rollback, and takes stable's place at the end of a promotion.
"""

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.gateway_weights import units
from controller.adapters.traffic.rewrite_mark import Mark, marking
from controller.adapters.traffic.rewrite_rule import Pair
from controller.domain.release import BackendKind, Release, RoutedModel, Split
from controller.domain.wording import percent
from controller.errors import InvariantError, TargetError


def patch_for(rewrite: Obj, pair: Pair, routed: RoutedModel, split: Split) -> list[Obj]:
    """The operations; empty when the rule is exactly so already.

    Raises `TargetError` when the rule's weights, or what is known of the adapter, cannot express the split.
    """
    stable, canary = _weights(pair, routed, split)
    ours = _targets(pair, routed, stable, canary)
    wanted, found = _placed(pair, ours), [target.body for target in pair.rule.targets]
    mark = None if split.canary is None else Mark(_adapter(routed.canary), _name(routed.stable))
    writes = marking(rewrite, routed.model, mark)
    if wanted != found:
        path = f"/spec/rules/{pair.rule.index}"
        writes.append({"op": "test", "path": f"{path}/matches", "value": pair.rule.body.get("matches")})
        if wanted:
            writes.append({"op": "add", "path": f"{path}/targets", "value": wanted})
        else:
            writes.append({"op": "remove", "path": f"{path}/targets"})
    return writes


def _weights(pair: Pair, routed: RoutedModel, split: Split) -> tuple[int, int]:
    """What stable and the canary get; 0 is: no target."""
    named = [release.version for release in (split.stable, split.canary) if release is not None]
    stable = routed.stable is not None and routed.stable.version in named
    canary = routed.canary is not None and routed.canary.version in named
    if stable + canary != len(named):
        raise InvariantError(f"{routed.model}: a split of {', '.join(named)} is not this rollout's")
    if not (stable and canary):
        alone = routed.weight_sum or pair.present_sum or 1
        return (alone if stable else 0), (alone if canary else 0)
    total = pair.whole(routed.weight_sum)
    part = units(split.weight_permille, total)
    if split.weight_permille and not part:
        raise TargetError(
            f"the weights of the model add up to {total} beside other targets: "
            f"{percent(split.weight_permille)} of that is less than 1; multiply all weights of the rule"
        )
    return total - part, part


def _targets(pair: Pair, routed: RoutedModel, stable: int, canary: int) -> list[Obj]:
    known = [(routed.stable, pair.stable, stable), (routed.canary, pair.canary, canary)]
    return [
        {**(targets[0].body if targets else {"modelRewrite": _adapter(release)}), "weight": weight}
        for release, targets, weight in known
        if weight
    ]


def _placed(pair: Pair, ours: list[Obj]) -> list[Obj]:
    """Ours where the first of the pair stood, at the end where none did; a lone target needs no weight."""
    placed: list[Obj] = []
    left = ours
    for target in pair.rule.targets:
        if target in pair.others:
            placed.append(target.body)
        else:
            placed += left
            left = []
    placed += left
    bare = [target.body for target in pair.rule.targets if "weight" not in target.body]
    lone = len(placed) == len(bare) == 1 and placed[0]["modelRewrite"] == bare[0].get("modelRewrite")
    return bare if lone else placed


def _adapter(release: Release | None) -> str:
    backend = release.backend if release is not None else None
    if release is None or backend is None or backend.kind is not BackendKind.LORA_ADAPTER:
        named = release.version if release is not None else "the version"
        raise TargetError(f"{named} names no adapter: deploy it with --backend lora/NAME")
    return backend.name


def _name(release: Release | None) -> str:
    return _adapter(release) if release is not None else ""
