"""InferenceModelRewrite: a model's rule beside another's, with an adapter in it that is nobody's business."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.model_rewrite import MODEL_REWRITE
from tests.contract.route_stages.cluster import ObjectStage
from tests.contract.route_stages.gateway_routes import shares_of
from tests.contract.route_stages.stage import RouteStage
from tests.kube_fake import FakeApi
from tests.model_rewrites import CANARY, STABLE, rewrite, routed, rule, target

VERSIONS = {STABLE: "v1", CANARY: "v2"}


class RewriteStage(ObjectStage):
    """An endpoint picker reads the rewrite, and says nothing."""

    def meddle(self) -> None:
        def change(obj: Obj) -> None:
            _rule(obj)["targets"] = [target(STABLE, 650), target(CANARY, 350)]

        self.edit(change)

    def theirs(self) -> object:
        obj = self.without_marks()
        annotations = obj["metadata"]["annotations"]
        ours = [name for name in annotations if name.startswith("canary.serinus.dev/")]
        for name in ours:
            del annotations[name]
        _rule(obj)["targets"] = [each for each in _targets(obj) if each["modelRewrite"] not in VERSIONS]
        return obj

    def shares(self) -> dict[str, int]:
        ours = [each for each in _targets(self.route) if each["modelRewrite"] in VERSIONS]
        return shares_of({VERSIONS[each["modelRewrite"]]: each for each in ours})


def _nobody(_api: FakeApi, _route: Obj) -> None:
    """Takes it and writes no status."""


@asynccontextmanager
async def stage(_: Path) -> AsyncIterator[RouteStage]:
    other = rule(target("chat-v4", 3), target("chat-v5", 1), models=("chat",))
    ours = rule(target(STABLE), models=("food-review", "food-review-latest"))
    yield RewriteStage(
        MODEL_REWRITE,
        routed(steps_permille=(1, 10, 250, 999)),
        rewrite(other, ours, annotations={"team": "reviews"}),
        accept=_nobody,
    )


def _rule(obj: Obj) -> Obj:
    found: Obj = obj["spec"]["rules"][1]
    return found


def _targets(obj: Obj) -> list[Obj]:
    found: list[Obj] = _rule(obj).get("targets", [])
    return found
