"""Policies with seconds where real ones have minutes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from deploy.local.stage import MODEL

Fields = Mapping[str, Any]
Steps = Sequence[Fields] | Literal["auto"]

FAST: Fields = {
    "metrics": "envoy",
    "checks": {"errors": {"max": "3%"}},
    "interval": "1s",
    "bake": "1s",
    "ready_deadline": "2s",
    "judge": "threshold",
}
"""The classic rule, whose verdicts fall at foreseeable times."""


def step(weight: str, hold: str, min_requests: int = 20) -> Fields:
    return {"weight": weight, "for": hold, "min_requests": min_requests}


ONE_STEP = (step("50%", "2s"),)
ENDLESS = (step("50%", "1h"),)
"""A step that only a person or a fault ends."""
AUTO: Steps = "auto"


def policy_text(model: str, steps: Steps, **more: object) -> str:
    """A policy file: a route of the model's own to the engines that all share. JSON is YAML."""
    route = {"envoy": {"prefix": f"/v2/models/{model}", "rewrite": f"/v2/models/{MODEL}"}}
    return json.dumps({"model": model, "route": route, "steps": steps, **FAST, **more}, indent=1)
