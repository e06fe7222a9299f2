"""Whatever else stands in KServe's objects: what is written is read back, and only ours ever changes."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.kube.resources import Obj
from controller.adapters.traffic.dialect import Standing
from controller.adapters.traffic.kserve import INFERENCE_SERVICE
from controller.adapters.traffic.kserve_serverless import Serverless
from controller.adapters.traffic.kserve_service import Service
from controller.adapters.traffic.kserve_split import Held
from controller.adapters.traffic.kserve_standard import Standard
from controller.adapters.traffic.llm_group import full, weight_for
from controller.adapters.traffic.llm_service import LLM_INFERENCE_SERVICE
from controller.domain.policy import RouteRef
from controller.domain.release import Backend, BackendKind, Release, RoutedModel, Split
from tests.json_patch import patched
from tests.kserve_world import NAMESPACE, NEW, OLD, Knative, a_member, a_service

S, C = (Release(v, backend=Backend(BackendKind.STORAGE_URI, uri)) for v, uri in (("v6", OLD), ("v7", NEW)))
PERCENTS = st.lists(st.integers(1, 99), min_size=1, max_size=5, unique=True).map(
    lambda found: tuple(10 * each for each in sorted(found))
)
PERMILLES = st.lists(st.integers(1, 999), min_size=1, max_size=6, unique=True).map(
    lambda found: tuple(sorted(found))
)
URIS = st.sampled_from([OLD, NEW, "gs://models/fraud/9", "", 7, None])
PERCENTAGES = st.one_of(st.none(), st.integers(-5, 120), st.booleans(), st.just("10"))
LABELS = st.dictionaries(st.sampled_from(["team", "tier"]), st.just("a"), max_size=2)


def model(steps: tuple[int, ...]) -> RoutedModel:
    route = RouteRef("inferenceService", "fraud")
    return RoutedModel("fraud", route, NAMESPACE, stable=S, canary=C, steps_permille=steps)


@st.composite
def walks(draw: st.DrawFn) -> tuple[RoutedModel, list[Split]]:
    """Splits that follow each other as a rollout asks for them: any weight, and back."""
    steps = draw(PERCENTS)
    splits = [Split(S), Split(S, C, 1000), *(Split(S, C, step) for step in steps)]
    return model(steps), draw(st.lists(st.sampled_from(splits), min_size=1, max_size=6))


@given(walks(), st.sampled_from(["Serverless", "Standard"]), LABELS)
def test_every_split_is_read_back_and_writing_it_again_writes_nothing(
    walk: tuple[RoutedModel, list[Split]], mode: str, labels: dict[str, str]
) -> None:
    routed, splits = walk
    service = a_service(mode=mode)
    service["spec"]["predictor"]["labels"] = labels
    now = Split(S)
    for split in [*splits, Split(S, C, 1000), Split(C)]:
        service = patched(service, INFERENCE_SERVICE.change(service, routed, split, now))
        assert INFERENCE_SERVICE.change(service, routed, split, now) == []
        way = Serverless() if mode == "Serverless" else Standard()
        assert way.held(Service(service), routed) == Held(split)
        predictor = service["spec"]["predictor"]
        assert {name: predictor["labels"][name] for name in labels} == labels
        assert predictor["model"]["resources"] == {"limits": {"cpu": "1"}}
        now = split
    assert service["metadata"] == a_service(mode=mode)["metadata"]
    assert service["spec"]["predictor"]["model"]["storageUri"] == NEW


@given(walks(), st.data())
def test_knative_serves_nobody_what_was_not_asked_for(
    walk: tuple[RoutedModel, list[Split]], data: Any
) -> None:
    """Whenever KServe looks: the canary has what was asked for last when it did, and nothing before that."""
    routed, splits = walk
    knative, service = Knative(), a_service()
    service["status"] = knative.look(service)
    now = looked = Split(S)
    for split in splits:
        service = patched(service, INFERENCE_SERVICE.change(service, routed, split, now))
        if data.draw(st.booleans()):
            service["status"], looked = knative.look(service), split
        assert _canary_percent(service, knative) == looked.weight_permille // 10
        now = split


def _canary_percent(service: Obj, knative: Knative) -> int:
    files = {each["metadata"]["name"]: knative.files(each) for each in knative.revisions}
    targets = service["status"]["components"]["predictor"]["traffic"]
    return sum(each["percent"] for each in targets if files[each["revisionName"]] == NEW)


@st.composite
def strange_services(draw: st.DrawFn) -> Obj:
    """What anybody may have written."""
    service = a_service(mode=draw(st.sampled_from(["Serverless", "Standard", "ModelMesh", "Knative"])))
    service["spec"]["predictor"]["model"]["storageUri"] = draw(URIS)
    percent = draw(PERCENTAGES)
    if percent is not None:
        service["spec"]["predictor"]["canaryTrafficPercent"] = percent
    entries = st.fixed_dictionaries(
        {},
        optional={
            "trafficPercent": PERCENTAGES,
            "predictor": st.one_of(
                st.none(),
                st.fixed_dictionaries(
                    {
                        "name": st.sampled_from(["v7", "v9", 3]),
                        "model": st.fixed_dictionaries({"storageUri": URIS}),
                    }
                ),
            ),
        },
    )
    service["spec"]["canary"] = draw(st.one_of(st.none(), st.lists(entries, max_size=3)))
    service["status"] = draw(
        st.sampled_from(
            [{}, None, {"components": 3}, {"deploymentMode": "Serverless", "components": {"predictor": []}}]
        )
    )
    return service


@given(strange_services(), PERCENTS)
def test_whatever_stands_there_is_read_without_an_error(service: Obj, steps: tuple[int, ...]) -> None:
    routed, before = model(steps), deepcopy(service)
    found = Standing(service, tuple(None for _ in INFERENCE_SERVICE.companions(service, routed)))
    seen = INFERENCE_SERVICE.seen(found, routed, "mark")
    INFERENCE_SERVICE.survey(found, routed, S)
    INFERENCE_SERVICE.accepted(found)
    assert service == before
    if seen.accepted:
        assert seen.problem is None


@given(PERMILLES)
def test_a_member_s_weight_is_its_share_to_a_twentieth_of_a_percent(steps: tuple[int, ...]) -> None:
    whole = full(steps)
    weights = [weight_for(step, whole) for step in steps]
    assert weights == sorted(set(weights)), "no two steps the same"
    for step, weight in zip(steps, weights, strict=True):
        assert 1 <= weight <= 1_000_000
        assert abs(weight / (weight + whole) - step / 1000) <= 0.0005


@given(PERMILLES, st.lists(st.integers(0, 8), min_size=1, max_size=6), st.integers(1, 50))
def test_a_group_s_splits_are_read_back_and_it_never_serves_nobody(
    steps: tuple[int, ...], walk: list[int], weight: int
) -> None:
    stable, canary = (
        Release(v, backend=Backend(BackendKind.LLM_INFERENCE_SERVICE, f"chat-{v}")) for v in ("v6", "v7")
    )
    route = RouteRef("llmInferenceService", "chat")
    routed = RoutedModel("chat", route, NAMESPACE, stable=stable, canary=canary, steps_permille=steps)
    choices = [Split(stable), Split(stable, canary, 1000), *(Split(stable, canary, step) for step in steps)]
    objs = {"chat-v6": a_member("chat-v6", weight), "chat-v7": a_member("chat-v7", 0)}
    for each in objs.values():
        each["metadata"]["annotations"] = {"team": "a"}
    now = Split(stable)
    for split in [
        *(choices[each % len(choices)] for each in walk),
        Split(stable, canary, 1000),
        Split(canary),
    ]:
        names = LLM_INFERENCE_SERVICE.written(routed, split)
        LLM_INFERENCE_SERVICE.expect([objs[name] for name in names], routed, split, now)
        for name in names:
            objs[name] = patched(objs[name], LLM_INFERENCE_SERVICE.change(objs[name], routed, split, now))
            weights = [each["spec"]["router"]["route"]["weight"] for each in objs.values()]
            assert any(weights)
        LLM_INFERENCE_SERVICE.expect(list(objs.values()), routed, split, split)
        for name in names:
            assert LLM_INFERENCE_SERVICE.change(objs[name], routed, split, now) == []
        now = split
    assert [each["metadata"]["annotations"] for each in objs.values()] == [{"team": "a"}, {"team": "a"}]
