"""The JSON Patch that makes a route run a split. Pure.

Single fields of the model's two refs, entries of a rule's list of backends, are written, one ref is added or
removed, and nothing else is touched: other rules, other backends and their order stay byte for byte. Each ref
that is touched is tested to bear the name that it had when it was read, and its rule too.

The canary's ref is a copy of stable's, filters included, with the mark of its `Layout`. At the end of a
promotion it takes the place of stable's; at the end of a rollback it is removed. A canary's ref that people
wrote has no mark: it is kept, with weight 0.
"""

from dataclasses import dataclass, field

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping
from controller.adapters.traffic.gateway_audience import Refs, operations, ours, wanted
from controller.adapters.traffic.gateway_mirror import mirror_patch, unmirrored_by_kind
from controller.adapters.traffic.gateway_rule import Pair, Ref, Rule, all_rules
from controller.adapters.traffic.gateway_weights import pair_sum, present_sum, units
from controller.adapters.traffic.layout import Layout, Wanted
from controller.domain.release import Release, RoutedModel, Split
from controller.domain.wording import percent
from controller.errors import InvariantError, TargetError


@dataclass(slots=True)
class _Edit:
    """Changes of one rule's refs, by the index that each had when it was read."""

    rule: Rule
    bodies: dict[int, Obj] = field(default_factory=dict)
    added: list[Obj] = field(default_factory=list)
    removed: set[int] = field(default_factory=set)

    def put(self, ref: Ref, body: Obj, weight: int) -> None:
        self.bodies[ref.index] = {**body, self.rule.layout.weight: weight}

    def add(self, body: Obj, weight: int) -> None:
        self.added.append({**body, self.rule.layout.weight: weight})

    def remove(self, *refs: Ref) -> None:
        self.removed.update(ref.index for ref in refs)

    def operations(self) -> list[Obj]:
        """Fields first, then what is added at the end, then what is removed, from the last on."""
        layout = self.rule.layout
        root = f"{self.rule.root}/{layout.refs}"
        writes: list[Obj] = []
        tests = [_test(f"{self.rule.root}/name", self.rule.name)] if self.rule.name else []
        for ref in self.rule.refs:
            path, named = f"{root}/{ref.index}", _at(ref.body, layout.name_at)
            test = _test(f"{root}/{ref.index}/{layout.name_at}", named)
            if ref.index in self.removed:
                tests.append(test)
            elif fields := _changes(path, ref, self.bodies.get(ref.index, ref.body), layout.weight):
                tests.append(test)
                writes += fields
        if self.added and layout.refs not in self.rule.body:
            writes.append({"op": "add", "path": root, "value": []})
        writes += [{"op": "add", "path": f"{root}/-", "value": body} for body in self.added]
        writes += [
            {"op": "remove", "path": f"{root}/{index}"} for index in sorted(self.removed, reverse=True)
        ]
        return [*tests, *writes] if writes else []


def route_patch(route: Obj, pair: Pair, routed: RoutedModel, split: Split) -> list[Obj]:
    """The operations on the model's own rule, and on the rules of its audience behind it.

    Raises `TargetError`, as `patch_for`.
    """
    present = ours(all_rules(route, pair.rule.layout), routed.model)
    asked = wanted(pair, routed, split, lambda: refs_of(pair, routed))
    by_chance = Split(split.stable) if split.testers_only else split
    return [*patch_for(pair, routed, by_chance), *operations(present, asked)]


def refs_of(pair: Pair, routed: RoutedModel) -> Refs:
    """What the rules of an audience send requests to: for the canary, what people wrote if they did.

    Raises `TargetError` where a version has no backend.
    """
    layout = pair.rule.layout
    missing = None if pair.stable else _ref_of(layout, routed.stable, routed.canary, pair.canary)
    stable = missing or pair.stable[0].body
    theirs = [ref.body for ref in pair.canary if not layout.is_marked(ref.body)]
    if theirs:
        return Refs(stable, theirs[0])
    canary = _ref_of(layout, routed.canary, routed.stable, pair.stable)
    return Refs(stable, layout.marked(canary, _version(routed.canary)))


def patch_for(pair: Pair, routed: RoutedModel, split: Split) -> list[Obj]:
    """The operations; empty when the rule is exactly so already.

    Raises `TargetError` when the rule's weights, or what is known of the backend, cannot express the split.
    """
    edit = _Edit(pair.rule)
    edit.remove(*pair.stable[1:], *pair.canary[1:])
    stable, canary = _versions(routed, split)
    whole = routed.weight_sum or present_sum(pair) or 1
    if stable and split.mirror_permille:
        _stable_alone(edit, pair, routed, whole)
    elif stable and canary:
        _share(edit, pair, routed, split.weight_permille)
    elif stable:
        _stable_alone(edit, pair, routed, whole)
    elif canary:
        _canary_alone(edit, pair, routed, whole, first=split.canary is not None)
    else:
        edit.remove(*pair.stable, *pair.canary)
    return [*edit.operations(), *_mirror(pair, routed, split.mirror_permille)]


def _mirror(pair: Pair, routed: RoutedModel, permille: int) -> list[Obj]:
    if not permille:
        return mirror_patch(pair, routed, {}, 0)
    layout = pair.rule.layout
    if refused := unmirrored_by_kind(layout, routed):
        raise TargetError(refused)
    return mirror_patch(pair, routed, _ref_of(layout, routed.canary, routed.stable, pair.stable), permille)


def _versions(routed: RoutedModel, split: Split) -> tuple[bool, bool]:
    """Which of the rollout's versions the split names: its stable, its canary."""
    named = [release.version for release in (split.stable, split.canary) if release is not None]
    stable = routed.stable is not None and routed.stable.version in named
    canary = routed.canary is not None and routed.canary.version in named
    if stable + canary != len(named):
        raise InvariantError(f"{routed.model}: a split of {', '.join(named)} is not this rollout's")
    return stable, canary


def _share(edit: _Edit, pair: Pair, routed: RoutedModel, weight_permille: int) -> None:
    total = pair_sum(pair, routed.weight_sum)
    part = units(weight_permille, total)
    if weight_permille and not part:
        raise TargetError(
            f"the weights of the model add up to {total} beside other backends: "
            f"{percent(weight_permille)} of that is less than 1; multiply all weights of the rule"
        )
    layout = pair.rule.layout
    if pair.stable:
        edit.put(pair.stable[0], pair.stable[0].body, total - part)
    else:
        edit.add(_ref_of(layout, routed.stable, routed.canary, pair.canary), total - part)
    if pair.canary:
        edit.put(pair.canary[0], pair.canary[0].body, part)
    else:
        body = _ref_of(layout, routed.canary, routed.stable, pair.stable)
        edit.add(layout.marked(body, _version(routed.canary)), part)


def _stable_alone(edit: _Edit, pair: Pair, routed: RoutedModel, whole: int) -> None:
    canary = pair.canary[0] if pair.canary else None
    if not pair.stable:
        body = _ref_of(pair.rule.layout, routed.stable, routed.canary, pair.canary)
        if canary is None:
            edit.add(body, whole)
        else:
            edit.put(canary, body, whole)
        return
    edit.put(pair.stable[0], pair.stable[0].body, whole)
    if canary is not None and pair.rule.layout.may_remove(canary.body):
        edit.remove(canary)
    elif canary is not None:
        edit.put(canary, canary.body, 0)


def _canary_alone(edit: _Edit, pair: Pair, routed: RoutedModel, whole: int, *, first: bool) -> None:
    """``first``: of a first deployment, which wears the mark until its bake is over."""
    layout = pair.rule.layout
    canary = pair.canary[0] if pair.canary else None
    ref = _ref_of(layout, routed.canary, routed.stable, pair.stable) if canary is None else canary.body
    body = layout.marked(ref, _version(routed.canary)) if first else layout.unmarked(ref)
    place = canary
    if pair.stable and (canary is None or layout.may_remove(canary.body)):
        place = pair.stable[0]
        body = layout.promoted(body, place.body) if layout.promoted else body
    if place is None:
        edit.add(body, whole)
        return
    edit.put(place, body, whole)
    edit.remove(*(ref for ref in (*pair.stable, *pair.canary) if ref is not place))


def _ref_of(layout: Layout, release: Release | None, other: Release | None, like: tuple[Ref, ...]) -> Obj:
    """A ref of the version's backend: like the other version's, or new where that has none."""
    backend = release.backend if release is not None else None
    if release is None or backend is None:
        raise TargetError(f"{release.version if release else 'the version'} has no backend yet")
    known = like[0].backend if like else None
    port = backend.port or (known.port if known and known.kind is backend.kind else None)
    body = like[0].body if like else {}
    return layout.entry(Wanted(body, _version(other), release.version, backend, port))


def _version(release: Release | None) -> str:
    return release.version if release is not None else ""


def _changes(path: str, ref: Ref, new: Obj, weight: str) -> list[Obj]:
    """One operation for each field that differs; a weight that is absent is what it stands for."""
    found: list[Obj] = []
    old = ref.body
    known = {weight: ref.weight} | old
    for name in sorted(old.keys() | new.keys()):
        pointer = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
        if name not in new:
            found.append({"op": "remove", "path": pointer})
        elif name not in known or known[name] != new[name]:
            found.append({"op": "replace" if name in old else "add", "path": pointer, "value": new[name]})
    return found


def _at(body: Obj, pointer: str) -> object:
    found: object = body
    for name in pointer.split("/"):
        found = mapping(found).get(name)
    return found


def _test(path: str, value: object) -> Obj:
    return {"op": "test", "path": path, "value": value}
