"""Policies with seconds where real ones have minutes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from deploy.local.stage import write_golden
from tests.e2e.policies import step
from tests.kube.manifests import ENGINE_PATH
from tests.kube.simulator.cluster import MODELS

Fields = Mapping[str, Any]

TWO_STEPS = (step("20%", "1s", 5), step("50%", "1s", 5))
ONE_STEP = (step("50%", "1h", 5),)
"""Stays at it."""
ENDLESS = (step("20%", "1s", 5), step("50%", "1h", 5))
"""Stays at the second step until somebody or something ends it."""
FAST: Fields = {
    "metrics": "envoy-gateway",
    "checks": {"errors": {"max": "3%"}},
    "interval": "1s",
    "bake": "1s",
    "ready_deadline": "20s",
    "judge": "threshold",
}


def policy_text(namespace: str, model: str, steps: Sequence[Fields], **more: object) -> str:
    """A policy file. JSON is YAML."""
    fields = {"model": model, "namespace": namespace, "route": {"httpRoute": model}, "steps": list(steps)}
    return json.dumps({**fields, **FAST, **more}, indent=1)


def golden_file(folder: Path) -> str:
    """Write the golden requests of the demo's model into the policies' folder; the file's name."""
    file = folder / "tumor.golden.yaml"
    if not file.exists():
        write_golden(MODELS / "golden.json", file)
        yaml = YAML()
        content = yaml.load(file.read_text())
        content["path"] = f"{ENGINE_PATH}/infer"
        with file.open("w") as opened:
            yaml.dump(content, opened)
    return file.name
