"""What the daemon was told, as its Deployment says; whatever else stands in it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from controller.adapters.kube.identity import Key
from controller.cli.doctor.findings import Outcome
from controller.cli.doctor.looking import account_of
from controller.cli.doctor.setup import acts_somewhere, runs, setup_in, setup_without
from controller.control.errors import InvalidRequest
from controller.features import Feature

BASE = Path(__file__).parents[4] / "deploy" / "kubernetes" / "base"


def shipped(**env: str) -> dict[str, Any]:
    """Our own manifest, with other values in its environment."""
    found: dict[str, Any] = YAML(typ="safe").load((BASE / "deployment.yaml").read_text())
    found["metadata"]["namespace"] = "serinus"
    (container,) = found["spec"]["template"]["spec"]["containers"]
    known = {each["name"]: each for each in container["env"]}
    known |= {name: {"name": name, "value": value} for name, value in env.items()}
    container["env"] = list(known.values())
    return found


def test_our_own_manifest_is_understood() -> None:
    setup = setup_in(
        shipped(
            SERINUS_KUBERNETES__NAMESPACES='["ml", "vision"]',
            SERINUS_KUBERNETES__FEATURES='["workloads", "no-such-thing"]',
        )
    )
    assert setup.namespaces == ("ml", "vision")
    assert setup.features == {Feature.WORKLOADS}
    assert setup.lease == Key("serinus", "serinus")
    assert setup.account == "system:serviceaccount:serinus:serinus"
    assert setup.prometheus.startswith("http://")
    assert setup.policies == ("serinus-policies",)
    assert setup.allows("ml")
    assert not setup.allows("other")
    assert setup.does(Feature.WORKLOADS)
    assert not setup.does(Feature.GRPC_ROUTES)


def test_each_shard_has_a_lease() -> None:
    setup = setup_in(shipped(SERINUS_KUBERNETES__SHARD="2/3"))
    assert setup.leases == [Key("serinus", f"serinus-{index}-of-3") for index in (1, 2, 3)]
    for unsharded in ("", "1/1", "nonsense"):
        assert setup_in(shipped(SERINUS_KUBERNETES__SHARD=unsharded)).leases == [Key("serinus", "serinus")]


def test_the_names_of_further_prometheus_servers_are_understood() -> None:
    assert setup_in(shipped()).servers == frozenset()
    named = {
        "SERINUS_PROMETHEUS_SERVERS__EU-WEST__URL": "http://a",
        "SERINUS_PROMETHEUS_SERVERS__US__URL": "http://b",
    }
    assert setup_in(shipped(**named)).servers == frozenset({"eu-west", "us"})
    assert setup_in(shipped(SERINUS_SETTINGS="/etc/serinus.toml")).servers is None
    assert setup_without("ml").servers is None


def test_references_to_variables_before_are_replaced() -> None:
    container = {
        "env": [
            {"name": "MORE", "value": ',"workloads"'},
            {"name": "SERINUS_KUBERNETES__FEATURES", "value": '["core"$(MORE)]'},
            {"name": "SERINUS_PROMETHEUS__URL", "value": "http://$(HOST)"},
            {"name": "HOST", "value": "too-late"},
        ]
    }
    setup = setup_in({"spec": {"template": {"spec": {"containers": [container]}}}})
    assert setup.features == {Feature.CORE, Feature.WORKLOADS}
    assert setup.prometheus == "http://$(HOST)"


def test_what_it_takes_from_elsewhere_is_supposed_to_be_the_default() -> None:
    setup = setup_in({"metadata": {"name": "x", "namespace": "here"}})
    assert setup.lease == Key("here", "serinus")
    assert setup.account == "system:serviceaccount:here:default"
    assert setup.namespaces == ()


def test_everywhere_is_everywhere() -> None:
    assert setup_in(shipped(SERINUS_KUBERNETES__NAMESPACES='["*"]')).allows("anywhere")
    assert setup_without("ml").allows("anywhere"), "nobody knows"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["spec", "template", "containers", "env", "name", "value", "volumes", "configMap"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_nothing_that_stands_in_a_deployment_is_an_error(anything: Any) -> None:
    for obj in ({"spec": anything}, {"spec": {"template": {"spec": anything}}}):
        setup_in(obj)
        runs(obj)


def test_a_daemon_that_may_act_nowhere_is_a_fault() -> None:
    nowhere = acts_somewhere(setup_in(shipped(SERINUS_KUBERNETES__NAMESPACES="[]")), "serinus/serinus")
    assert nowhere is not None
    assert "SERINUS_KUBERNETES__NAMESPACES" in nowhere.fix
    assert acts_somewhere(setup_without("ml"), "") is None


@pytest.mark.parametrize(
    ("replicas", "ready", "outcome", "fix"),
    [
        (2, 2, Outcome.OK, ""),
        (2, 1, Outcome.OK, ""),
        (2, 0, Outcome.FAILED, "logs"),
        (0, 0, Outcome.FAILED, "scale"),
    ],
)
def test_one_ready_copy_is_enough(replicas: int, ready: int, outcome: Outcome, fix: str) -> None:
    deployment = shipped()
    deployment["spec"]["replicas"] = replicas
    deployment["status"] = {"readyReplicas": ready}
    found = runs(deployment)
    assert found.outcome is outcome
    assert fix in found.fix


def test_service_accounts_are_typed_in_the_ways_that_kubectl_has() -> None:
    for typed in ("ml/robot", "ml:robot", "system:serviceaccount:ml:robot"):
        assert account_of(typed) == "system:serviceaccount:ml:robot"
    for typed in ("robot", "ml/", "a/b/c", "ml/robot\n"):
        with pytest.raises(InvalidRequest):
            account_of(typed)
