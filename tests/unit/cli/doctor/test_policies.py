"""The policies of ConfigMaps are read as the daemon reads the folder that they are mounted as."""

from typing import Any

from controller.cli.doctor.findings import Outcome
from controller.cli.doctor.policies import of_config_maps
from tests.unit.cli.test_commands import POLICY


def config_map(**files: Any) -> dict[str, Any]:
    return {"data": {name.replace("_", "."): content for name, content in files.items()}}


def test_each_key_is_a_file() -> None:
    rules = of_config_maps([config_map(fraud_yaml=POLICY, README_md="no policy")], "serinus", ["policies"])
    assert [policy.model for policy in rules.policies] == ["fraud"]
    assert [(each.subject, each.outcome) for each in rules.findings] == [
        ("configmap serinus/policies", Outcome.OK)
    ]


def test_a_fault_is_named_by_its_key_and_not_by_our_folder() -> None:
    broken = POLICY.replace("metrics:", "metrisc:")
    rules = of_config_maps([config_map(fraud_yaml=broken)], "serinus", ["policies"])
    assert rules.policies == ()
    (found,) = rules.findings
    assert found.subject == "configmap serinus/policies/fraud.yaml"
    assert found.message.startswith("line 3: metrisc: ")
    assert "/tmp" not in found.message + found.fix


def test_two_claims_on_one_model_are_a_fault() -> None:
    rules = of_config_maps([config_map(a_yaml=POLICY), config_map(b_yaml=POLICY)], "serinus", ["a", "b"])
    assert [each.outcome for each in rules.findings] == [Outcome.FAILED] * 2


def test_no_file_says_how_to_add_one() -> None:
    (found,) = of_config_maps([], "serinus", ["policies"]).findings
    assert found.fix == "kubectl create configmap policies -n serinus --from-file FOLDER"


def test_keys_that_are_no_file_names_are_left_out() -> None:
    hostile = {"data": {"../fraud.yaml": POLICY, "x/y.yaml": POLICY, "fraud.yaml": None, "..": "x", ".": "x"}}
    assert of_config_maps([hostile, {"data": None}], "serinus", ["policies"]).policies == ()
