"""InferenceModelRewrites for tests, as the API server holds them."""

from typing import Any

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.rewrite_mark import mark_of
from controller.adapters.traffic.rewrite_patch import patch_for
from controller.adapters.traffic.rewrite_rule import Pair, find_pair
from controller.adapters.traffic.rewrite_split import read_split
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release, RoutedModel, Split
from tests import gateway_routes
from tests.json_patch import patched

MODEL = "food-review"
NAMESPACE = gateway_routes.NAMESPACE


def adapter(version: str) -> Release:
    return Release(version, backend=Backend(BackendKind.LORA_ADAPTER, f"{MODEL}-{version}"))


S, C = adapter("v1"), adapter("v2")
STABLE, CANARY = "food-review-v1", "food-review-v2"


def target(name: str, weight: int | None = None, **more: Any) -> Obj:
    return {"modelRewrite": name, **({} if weight is None else {"weight": weight}), **more}


def rule(*targets: Obj, models: tuple[str, ...] = (MODEL,)) -> Obj:
    matches = [{"model": {"type": "Exact", "value": model}} for model in models]
    return {"matches": matches, **({"targets": [*targets]} if targets else {})}


def rewrite(*rules: Obj, name: str = MODEL, pool: str = "base-pool", **metadata: Any) -> Obj:
    known = {"name": name, "namespace": NAMESPACE, "generation": 3, "resourceVersion": "7"}
    created = {"creationTimestamp": "2026-11-20T10:00:00Z"}
    return {
        "apiVersion": "llm-d.ai/v1alpha2",
        "kind": "InferenceModelRewrite",
        "metadata": {**known, **created, **metadata},
        "spec": {
            "poolRef": {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": pool},
            "rules": [*rules],
        },
    }


def routed(**changes: Any) -> RoutedModel:
    ours = {"model": MODEL, "route": RouteRef("inferenceModelRewrite", MODEL), "stable": S, "canary": C}
    return gateway_routes.routed(**(ours | changes))


def pair_of(obj: Obj, model: RoutedModel) -> Pair:
    found = find_pair(obj, model)
    assert isinstance(found, Pair), found
    return found


def given_split(obj: Obj, model: RoutedModel, split: Split) -> Obj:
    """The rewrite after the patch that makes it run the split."""
    after: Obj = patched(obj, patch_for(obj, pair_of(obj, model), model, split))
    return after


def held_split(obj: Obj, model: RoutedModel) -> Split | None:
    """What it runs; None where nobody can say."""
    held = read_split(pair_of(obj, model), model, mark_of(obj, model.model))
    return None if held.strange else held.split
