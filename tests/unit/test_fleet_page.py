"""The settings that the page on many models shows are such as the daemon takes."""

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta

from ruamel.yaml import YAML

from controller.fleet_settings import FleetSettings
from controller.settings import Settings
from deploy.local.stack import REPOSITORY

PAGE = REPOSITORY / "docs" / "how-to" / "fleet.md"


def blocks(language: str) -> Iterator[str]:
    text = PAGE.read_text(encoding="utf-8")
    return (
        found["code"]
        for found in re.finditer(rf"^```{language}\n(?P<code>.*?)^```$", text, re.MULTILINE | re.DOTALL)
    )


def test_the_settings_file_is_valid_as_a_whole() -> None:
    fleet = FleetSettings.model_validate(tomllib.loads("".join(blocks("toml")))["fleet"])
    assert (fleet.max_rollouts, fleet.max_rollouts_per_namespace, fleet.max_rollouts_per_gateway) == (
        20,
        5,
        10,
    )
    assert fleet.gpus == 32
    [freeze], [window] = fleet.freezes, fleet.windows
    assert (freeze.name, freeze.duration, freeze.time_zone) == (
        "weekend",
        timedelta(hours=62),
        "Europe/Berlin",
    )
    assert window.concerns("any", "fraud-detector")
    assert not window.concerns("any", "search-ranker")


def test_the_values_of_the_chart_are_settings() -> None:
    [given] = [
        found["settings"] for code in blocks("yaml") if "settings" in (found := YAML(typ="safe").load(code))
    ]
    assert {name.split("__")[0] for name in given} == {"SERINUS_FLEET"}
    fields = {name.removeprefix("SERINUS_FLEET__").lower(): json.loads(text) for name, text in given.items()}
    fleet = FleetSettings.model_validate(fields)
    assert "fleet" in Settings.model_fields
    assert fleet.max_rollouts == 20
    assert fleet.freezes[0].duration == timedelta(hours=62)
