"""Finds a model's rule on an InferenceModelRewrite, and its two adapters among the rule's targets. Pure.

A rule is found by the model that requests ask for. Of several that match, an endpoint picker takes the first.
A rule without matches is for all models that no other rule is for, and never one model's own.

**Source**: llm-d-router 0.9, apix/v1alpha2 (weights: all or none; a lone target needs none) and
pkg/epp/requestcontrol: where no target has a weight each gets the same, where some have, the others nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from controller.adapters.kube.resources import Obj
from controller.adapters.kube.untrusted import mapping, sequence, text
from controller.adapters.traffic.gateway_rule import Trouble
from controller.domain.release import Backend, BackendKind, Release, RoutedModel
from controller.domain.vocabulary import Reason

_FULL_SUM = 1000
MOST_WEIGHT = 1_000_000
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Target:
    """One model name that requests are rewritten to; ``weight`` is None when it is not a weight."""

    name: str
    weight: int | None
    body: Obj

    @property
    def backend(self) -> Backend:
        """What it names."""
        return Backend(BackendKind.LORA_ADAPTER, self.name)


@dataclass(frozen=True, slots=True)
class Rule:
    """The model's rule. ``uneven`` says that some targets have weights and others none."""

    index: int
    targets: tuple[Target, ...]
    body: Obj
    uneven: bool = False

    def of(self, release: Release | None) -> tuple[Target, ...]:
        """The targets that name a version's adapter: one, unless somebody wrote it twice."""
        backend = release.backend if release is not None else None
        if backend is None or backend.kind is not BackendKind.LORA_ADAPTER:
            return ()
        return tuple(target for target in self.targets if target.name == backend.name)


@dataclass(frozen=True, slots=True)
class Pair:
    """The model's two adapters in its rule, each with one target or none unless somebody erred; the rest."""

    rule: Rule
    stable: tuple[Target, ...]
    canary: tuple[Target, ...]
    others: tuple[Target, ...]

    @property
    def alone(self) -> bool:
        """Whether no other target of the rule gets requests, so that the pair's sum means nothing."""
        return not self.others

    @property
    def present_sum(self) -> int:
        """What the pair's weights add up to now."""
        return sum(target.weight or 0 for target in (*self.stable, *self.canary))

    def whole(self, weight_sum: int | None) -> int:
        """What they must add up to while both are there."""
        if self.alone:
            return _FULL_SUM
        return weight_sum if weight_sum is not None else self.present_sum

    @property
    def shown(self) -> str:
        """What stands there, in words for people."""
        ours = [target for target in self.rule.targets if target not in self.others]
        found = ", ".join(f"{target.name} {target.weight}" for target in ours)
        rest = f"the weights {found}" if ours else "none of the model's adapters"
        return f"{rest} beside {len(self.others)} more" if self.others else rest


def requested(routed: RoutedModel) -> str:
    """The model that requests ask for: the policy's own name unless it says another."""
    return routed.route.rule or routed.model


def models_of(rule: Obj) -> tuple[str, ...]:
    """The models that a rule is for; none for one that is for all others."""
    matches = map(mapping, sequence(rule.get("matches")))
    found = (text(mapping(match.get("model")).get("value")) for match in matches)
    return tuple(name for name in found if name)


def rules_for(rewrite: Obj, model: str) -> tuple[Rule, ...]:
    """The rules that match a model, in the object's order."""
    rules = map(mapping, sequence(mapping(rewrite.get("spec")).get("rules")))
    return tuple(_rule(index, rule) for index, rule in enumerate(rules) if model in models_of(rule))


def find_rule(rewrite: Obj, routed: RoutedModel) -> Rule | Trouble:
    """The model's rule: the first that matches it."""
    model = requested(routed)
    found = rules_for(rewrite, model)
    if found:
        return found[0]
    rules = map(mapping, sequence(mapping(rewrite.get("spec")).get("rules")))
    names = list(dict.fromkeys(name for rule in rules for name in models_of(rule)))
    known = ", ".join(names[:_MOST_NAMED]) + (" and more" if len(names) > _MOST_NAMED else "")
    name, kind = routed.route.name, routed.route.kind
    message = (
        f"the rewrite {name} has no rule for the model {model}; "
        f"its rules are for: {known or 'no model by name'}; "
        f"add one, or write route: {{{kind}: {{name: {name}, model: MODEL}}}} in the policy"
    )
    return Trouble(Reason.ROUTE_NOT_FOUND, message)


def find_pair(rewrite: Obj, routed: RoutedModel) -> Pair | Trouble:
    """The rule with the versions of the rollout in it."""
    rule = find_rule(rewrite, routed)
    return rule if isinstance(rule, Trouble) else pair_in(rule, routed)


def pair_in(rule: Rule, routed: RoutedModel) -> Pair:
    """Who is who in a rule."""
    stable = rule.of(routed.stable)
    canary = tuple(target for target in rule.of(routed.canary) if target not in stable)
    others = tuple(target for target in rule.targets if target not in stable and target not in canary)
    return Pair(rule, stable, canary, others)


def _rule(index: int, body: Obj) -> Rule:
    bodies = [mapping(target) for target in sequence(body.get("targets"))]
    without = [each for each in bodies if "weight" not in each]
    return Rule(index, tuple(map(_target, bodies)), body, uneven=0 < len(without) < len(bodies))


def _target(body: Obj) -> Target:
    weight = body.get("weight", 1)
    known = type(weight) is int and 1 <= weight <= MOST_WEIGHT
    return Target(text(body.get("modelRewrite")), weight if known else None, body)


def shares(targets: Sequence[Target]) -> str:
    """For people: the targets with their weights."""
    return ", ".join(f"{target.name} {target.weight}" for target in targets) or "no target"
