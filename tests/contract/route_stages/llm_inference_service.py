"""LLMInferenceService: two members of a routing group, beside one that is nobody's business."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from controller.adapters.kube.resources import LLM_INFERENCE_SERVICES, Obj
from controller.adapters.traffic.llm_service import LLM_INFERENCE_SERVICE
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release, RoutedModel
from tests.contract.route_stages.cluster import ObjectStage
from tests.contract.route_stages.stage import RouteStage
from tests.kserve_world import NAMESPACE, a_member, group_status
from tests.kube_fake import FakeApi

VERSIONS = {"chat-v6": "v6", "chat-v7": "v7"}
S, C = (
    Release(version, backend=Backend(BackendKind.LLM_INFERENCE_SERVICE, name))
    for name, version in VERSIONS.items()
)


class GroupStage(ObjectStage):
    """KServe looks at all members when the test says so."""

    @property
    def members(self) -> list[Obj]:
        return members_of(self.api)

    def meddle(self) -> None:
        def change(member: Obj) -> None:
            _weigh(member, 4321)

        self.api.modify(LLM_INFERENCE_SERVICES, NAMESPACE, "chat-v7", change, "kubectl-edit")

    def theirs(self) -> object:
        return [_plain(each) for each in self.members]

    def everything(self) -> object:
        return self.members

    def shares(self) -> dict[str, int]:
        weights = {
            VERSIONS[each["metadata"]["name"]]: each["spec"]["router"]["route"].get("weight", 0)
            for each in self.members
            if each["metadata"]["name"] in VERSIONS
        }
        total = sum(weights.values())
        return {version: round(1000 * each / total) for version, each in weights.items() if each}


@asynccontextmanager
async def stage(_: Path) -> AsyncIterator[RouteStage]:
    def accept(api: FakeApi, _: Obj) -> None:
        members = members_of(api)
        for each in members:
            status = group_status(each, members)
            name = each["metadata"]["name"]
            api.modify(LLM_INFERENCE_SERVICES, NAMESPACE, name, _says(status), "kserve")

    model = RoutedModel(
        "chat",
        RouteRef("llmInferenceService", "chat"),
        NAMESPACE,
        stable=S,
        canary=C,
        steps_permille=(1, 250, 990),
    )
    beside = (
        (LLM_INFERENCE_SERVICES, a_member("chat-v6", 9)),
        (LLM_INFERENCE_SERVICES, a_member("chat-v1", 0)),
    )
    yield GroupStage(LLM_INFERENCE_SERVICE, model, a_member("chat-v7"), accept=accept, beside=beside)


def members_of(api: FakeApi) -> list[Obj]:
    return list(api.objects.all(LLM_INFERENCE_SERVICES, NAMESPACE))


def _says(status: Obj) -> Any:
    return lambda obj: obj.update(status=status)


def _weigh(member: Obj, weight: int) -> None:
    member["spec"]["router"]["route"]["weight"] = weight


def _plain(member: Obj) -> Obj:
    annotations = member["metadata"].get("annotations", {})
    kept = {key: value for key, value in annotations.items() if not key.startswith("serinus.dev/")}
    route = {name: value for name, value in member["spec"]["router"]["route"].items() if name != "weight"}
    return {
        "name": member["metadata"]["name"],
        "annotations": kept,
        "model": member["spec"]["model"],
        "route": route,
    }
