"""Policies with seconds where real ones have minutes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from deploy.local.stage import MODEL

Fields = Mapping[str, Any]

FAST: Fields = {
    "metrics": "envoy",
    "checks": {"errors": {"max": "3%"}},
    "interval": "1s",
    "bake": "1s",
    "ready_deadline": "2s",
}


def step(weight: str, hold: str, min_requests: int = 20) -> Fields:
    return {"weight": weight, "for": hold, "min_requests": min_requests}


ONE_STEP = (step("50%", "2s"),)
ENDLESS = (step("50%", "1h"),)
"""A step that only a person or a fault ends."""


def policy_text(model: str, steps: Sequence[Fields], **more: object) -> str:
    """A policy file: a route of the model's own to the engines that all share. JSON is YAML."""
    route = {"envoy": {"prefix": f"/v2/models/{model}", "rewrite": f"/v2/models/{MODEL}"}}
    return json.dumps({"model": model, "route": route, "steps": list(steps), **FAST, **more}, indent=1)
