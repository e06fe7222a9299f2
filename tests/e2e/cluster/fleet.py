"""Many small rollouts at once, one after another on each model, to have something under way at all times."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.domain.vocabulary import Phase
from deploy.local.stream import Stream
from tests.e2e.cluster.policies import Fields
from tests.e2e.cluster.stage import ClusterStage
from tests.e2e.policies import step
from tests.e2e.proof import eventually

Obj = dict[str, Any]

STEPS: tuple[Fields, ...] = (step("20%", "1s", 3), step("50%", "1s", 3))
GOOD, BAD = "v2", "v3"
IMAGES: Mapping[str, str] = {"v1": "models/echo:v1", GOOD: "models/echo:v2", BAD: "models/faulty-echo:v3"}
_REQUESTS_EACH = 12.0
_LOOK_SECONDS = 0.5


@dataclass(slots=True)
class Fleet:
    """Models with a stable version, a good and a bad one; ``released`` names each rollout and its end."""

    stage: ClusterStage
    models: list[str]
    released: dict[str, Phase] = field(default_factory=dict)
    stream: Stream | None = None
    _serving: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """All versions of all models are there, v1 serves, and requests flow."""
        for model in self.models:
            self.stage.policy(model, STEPS, checks={"errors": {"max": "5%"}})
            for version, image in IMAGES.items():
                self.stage.serve(model, version, image)
        for model in self.models:
            self.stage.until_ready(f"{model}-{BAD}")
            self.stage.take_service(model, GOOD, BAD)
            self._serving[model] = "v1"
        self.stream = self.stage.traffic(*self.models, each=_REQUESTS_EACH)
        for model in self.models:
            eventually(lambda model=model: self.stage.in_force(model), f"{model} has its policy")  # type: ignore[misc]

    def release(self, model: str, version: str) -> str:
        """Begin a rollout; a bad version has to be rolled back, any other promoted."""
        name = f"{model}-{len(self.released)}"
        self.stage.release(model, version, name)
        self.released[name] = Phase.ROLLED_BACK if version == BAD else Phase.SUCCEEDED
        return name

    def next_release(self, model: str) -> str:
        """What does not serve now: a bad version each third time."""
        if len(self.released) % 3 == 2:
            return self.release(model, BAD)
        other = GOOD if self._serving[model] == "v1" else "v1"
        self._serving[model] = other
        return self.release(model, other)

    def until_all_over(self, within: float) -> None:
        """Every rollout ended as it had to."""
        for name, phase in self.released.items():
            found = self.stage.until_over(name, within)["status"]
            assert found["phase"] == phase, f"{name}: {self.stage.told(name)}"

    def keep_going(self, stop: threading.Event) -> None:
        """Release again on each model whenever its rollout is over, until told to stop."""
        current = {model: self.next_release(model) for model in self.models}
        while not stop.wait(_LOOK_SECONDS):
            for model, name in current.items():
                if self.stage.is_over(name):
                    current[model] = self.next_release(model)
