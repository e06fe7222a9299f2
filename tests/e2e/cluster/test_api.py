"""The HTTP API in a cluster: tokens that the real API server reviews, rights that the real RBAC gives."""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from controller.domain.vocabulary import Phase
from controller.features import Feature
from tests.api_caller import Caller
from tests.e2e.cluster.daemon import CALM_LEASE, Replica
from tests.e2e.cluster.policies import ENDLESS
from tests.e2e.cluster.robots import API_SETTINGS, caller, robot, token_of
from tests.e2e.cluster.stage import ClusterStage
from tests.e2e.proof import eventually
from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

MODEL = "asked"
EVERY_WORD = ("list", "create", "pause", "resume", "abort", "promote", "retry", "approve", "deny")


@pytest.fixture(scope="module")
def stage(apiserver: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterStage]:
    """Two replicas, and robots that may do everything, read, pause, and nothing."""
    folder = tmp_path_factory.mktemp("api")
    settings = {**CALM_LEASE, **API_SETTINGS}
    with ClusterStage(apiserver, folder, "api", (Feature.API,), settings, 2) as stage:
        for name, verbs in (
            ("operator", EVERY_WORD),
            ("second", EVERY_WORD),
            ("viewer", ("list",)),
            ("nobody", ()),
        ):
            robot(stage, name, verbs)
        yield stage


@pytest.fixture
def replicas(stage: ClusterStage) -> list[Replica]:
    """Whoever follows, then whoever leads."""
    eventually(lambda: any(replica.log("leading") for replica in stage.replicas), "one leads")
    eventually(lambda: all(replica.log("api_listening") for replica in stage.replicas), "both listen")
    return sorted(stage.replicas, key=lambda replica: bool(replica.log("leading")))


def test_only_tokens_that_were_made_for_us_count(stage: ClusterStage, replicas: list[Replica]) -> None:
    for replica in replicas:
        port = replica.log("api_listening")[-1]["port"]
        for token in (
            None,
            "nonsense-nonsense",
            stage.server.token("admin"),
            stage.server.token("ann"),
            token_of(stage, "operator"),
            token_of(stage, "operator", "vault"),
            token_of(stage, "operator", "serinus")[:-3] + "AAA",
        ):
            status, problem = Caller(port, token).get("/me")
            assert (status, problem["type"]) == (401, "urn:serinus:problem:unauthenticated")
        status, found = caller(stage, replica, "operator", "vault", "serinus").get("/me")
        assert (status, found["name"]) == (200, "system:serviceaccount:api:operator")


def test_who_may_deploys_follows_and_steers_at_either_replica_and_who_may_not_does_not(
    stage: ClusterStage, replicas: list[Replica], figures: Callable[[str], None]
) -> None:
    stage.policy(MODEL, ENDLESS)
    stage.in_service(MODEL)
    stage.candidate(MODEL, "v2", "models/tumor:v2")
    eventually(lambda: stage.in_force(MODEL), "the policy is in force")
    follower, leader = replicas
    operator, viewer, nobody = (caller(stage, follower, name) for name in ("operator", "viewer", "nobody"))
    with_traffic = stage.traffic(MODEL)
    with viewer.follow(model=MODEL) as stream:
        assert viewer.deploy(MODEL, "v2")[0] == 403
        status, outcome = operator.deploy(MODEL, "v2")
        assert status == 201, outcome
        name = outcome["rollout"]
        stage.until_counting(name, 50)
        for who, expected in ((viewer, 403), (nobody, 403)):
            assert who.act(name, "abort")[0] == expected
        assert nobody.get("/models")[0] == 403
        assert nobody.get("/rollouts/none") == nobody.get(f"/rollouts/{name}")
        assert "request" not in stage.rollout(name)["spec"]

        began = time.monotonic()
        status, outcome = operator.act(name, "pause", "request-0001", reason="the on-call asks")
        assert (status, outcome["phase"]) == (200, "Paused"), outcome
        eventually(lambda: any(data.get("phase") == "Paused" for _, data, _ in stream.events), "told")
        told = next(at for _, data, at in stream.events if data.get("phase") == "Paused") - began
        figures(f"a pause said at the follower was told there {told * 1000:.0f} ms later")
        assert told < 5
        again = caller(stage, leader, "operator").act(name, "pause", "request-0001")
        assert again[0] == 200, "repeated at the other replica it is the same word"
        assert operator.act(name, "resume")[0] == 200
        assert operator.act(name, "abort")[0] == 200
        stage.until_over(name)
        eventually(lambda: stream.events[-1][1].get("phase") == "Aborted", "its end is told")
    with_traffic.stop()
    robot_name = "system:serviceaccount:api:operator"
    requests = stage.rollout(name)["status"]["requests"]
    assert [(each["action"], each["by"], each["outcome"]) for each in requests] == [
        ("pause", robot_name, "Followed"),
        ("resume", robot_name, "Followed"),
        ("abort", robot_name, "Followed"),
    ]
    record = viewer.get(f"/rollouts/{name}")[1]
    assert record["status"]["created_by"] == robot_name
    entries = viewer.get(f"/rollouts/{name}/entries", limit="1000")[1]["items"]
    spoken = [each["event"] for each in entries if each["actor"] == robot_name]
    assert spoken == ["created", "rollout_paused", "rollout_resumed", "rollout_aborted"]
    assert viewer.get(f"/rollouts/{name}/report", form="md")[0] == 200
    assert operator.act(name, "retry")[0] == 200
    stage.until(name, lambda status: status.get("attempt") == 2, "tried again")
    assert operator.act(name, "abort")[0] == 409, "the first attempt is over, and the second is another"
    assert operator.act(f"{name}.2", "abort")[0] == 200
    assert stage.until_over(name)["status"]["phase"] == Phase.ABORTED


def test_one_person_counts_once_whichever_way_they_come(stage: ClusterStage, replicas: list[Replica]) -> None:
    model = "consented"
    stage.policy(model, ENDLESS, approval={"before": ["start"], "people": 2})
    stage.in_service(model)
    stage.candidate(model, "v2", "models/tumor:v2")
    name = stage.release(model, "v2")
    stage.until(name, lambda status: status.get("reason") == "WaitingForApproval", "waiting")
    operator, second = (caller(stage, replicas[0], each) for each in ("operator", "second"))
    operator_name = "system:serviceaccount:api:operator"
    stage.ask(name, "approve", by=operator_name)
    eventually(
        lambda: operator.get(f"/rollouts/{name}")[1]["status"]["approval"]["approved_by"] == [operator_name],
        "one has approved",
    )
    status, problem = operator.act(name, "approve")
    assert status == 409, problem
    assert second.act(name, "approve")[0] == 200
    stage.until_weight(name, 20)
    assert operator.act(name, "abort")[0] == 200
    stage.until_over(name)


def test_no_token_is_in_any_log_or_object(stage: ClusterStage) -> None:
    token = token_of(stage, "operator", "serinus")
    shown = [json.dumps(replica.log()) for replica in stage.replicas]
    shown.append(stage.kubectl("get", "modelrollouts,events", "-o", "json"))
    assert not [text for text in shown if token[:40] in text]
