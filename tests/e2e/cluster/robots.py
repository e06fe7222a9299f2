"""Programs that use the HTTP API in the tests' cluster: service accounts with tokens for Serinus."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.api_caller import Caller
from tests.e2e.cluster.daemon import Replica
from tests.e2e.cluster.stage import ClusterStage
from tests.e2e.proof import eventually

AUDIENCE = "serinus"
RBAC = "rbac.authorization.k8s.io"
API_SETTINGS: Mapping[str, str] = {"SERINUS_API__PORT": "0", "SERINUS_API__AUDIENCE": AUDIENCE}


def robot(stage: ClusterStage, name: str, verbs: Iterable[str]) -> str:
    """Make a service account in the models' namespace that may do this to ModelRollouts; its name to RBAC."""
    namespace = stage.namespace
    account = {"name": name, "namespace": namespace}
    role: dict[str, Any] = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "Role",
        "metadata": account,
        "rules": [{"apiGroups": ["serinus.dev"], "resources": ["modelrollouts"], "verbs": sorted(verbs)}],
    }
    bound = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": account,
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", **account}],
    }
    stage.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    if role["rules"][0]["verbs"]:
        stage.apply(role, bound)
    return f"system:serviceaccount:{namespace}:{name}"


def token_of(stage: ClusterStage, name: str, *audiences: str) -> str:
    """A token of the robot; for the API server if for nobody else."""
    return stage.server.admin.service_account_token(stage.namespace, name, *audiences)


def caller(stage: ClusterStage, replica: Replica, name: str, *audiences: str) -> Caller:
    """The robot at one replica."""
    port = replica.log("api_listening")[-1]["port"]
    return Caller(port, token_of(stage, name, *(audiences or (AUDIENCE,))))


def deployed_by_a_robot(stage: ClusterStage, model: str) -> None:
    """A robot deploys through the API, and aborts what it deployed."""
    robot(stage, "deployer", ["list", "create", "abort"])
    stage.policy(model, ({"weight": "50%", "for": "1h", "min_requests": 5},))
    stage.in_service(model)
    stage.candidate(model, "v2", "models/tumor:v2")
    eventually(lambda: stage.in_force(model), f"the policy of {model} is in force")
    deployer = caller(stage, stage.replicas[0], "deployer")
    status, outcome = deployer.deploy(model, "v2")
    assert status == 201, outcome
    stage.until_weight(outcome["rollout"], 50)
    status, outcome = deployer.act(outcome["rollout"], "abort")
    assert status == 200, outcome
    stage.until_over(outcome["rollout"])
