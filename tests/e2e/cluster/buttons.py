"""Buttons of Slack in the tests' cluster: the daemon's settings for them, and presses at one replica."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from controller.adapters.notify.slack_buttons import ButtonValue
from controller.domain.vocabulary import Phase
from tests.e2e.cluster.daemon import Replica
from tests.e2e.cluster.rights import OPERATOR
from tests.e2e.cluster.stage import ClusterStage
from tests.e2e.policies import step
from tests.slack_caller import call, interaction, signed

SECRET = "M4RKER0of0a0secret"
ANN, BEN, CY = "U0ANN", "U0BEN", "U0CY"
USERS = {
    ANN: {"name": OPERATOR},
    BEN: {"name": "ben"},
    CY: {"name": "cy@example.com", "groups": ["watch-of-the-night"]},
}


def button_settings(folder: Path, slack_url: str = "http://127.0.0.1:1/") -> Mapping[str, str]:
    """A destination ``team``, and the port for its buttons: a free one, which the daemon logs."""
    (folder / "token").write_text(f"xoxb-{SECRET}")
    (folder / "signing").write_text(SECRET)
    settings = {
        "DESTINATIONS__TEAM__KIND": "slack",
        "DESTINATIONS__TEAM__CHANNEL": "#ml-releases",
        "DESTINATIONS__TEAM__TOKEN_FILE": str(folder / "token"),
        "DESTINATIONS__TEAM__URL": slack_url,
        "DESTINATIONS__TEAM__PLAIN_HTTP": "true",
        "SLACK_CALLBACKS__PORT": "0",
        "SLACK_CALLBACKS__SIGNING_SECRET_FILE": str(folder / "signing"),
        "SLACK_CALLBACKS__USERS": json.dumps(USERS),
    }
    return {f"SERINUS_{name}": value for name, value in settings.items()}


def pressed(obj: dict[str, Any], word: str, user: str) -> bytes:
    """The body of a press of the button that the message of a ModelRollout's first attempt has."""
    metadata = obj["metadata"]
    value = ButtonValue(
        rollout=metadata["name"],
        namespace=metadata["namespace"],
        created_at=datetime.fromisoformat(metadata["creationTimestamp"]),
        destination="team",
    )
    return interaction(f"serinus_{word}", value.model_dump_json(), user)


def deliver(replica: Replica, body: bytes) -> int:
    """Slack's call to one replica; the status."""
    port = replica.log("slack_callbacks_listening")[-1]["port"]
    status, _ = call(port, body, signed(body, SECRET))
    return status


def pressed_in_slack(stage: ClusterStage, model: str) -> None:
    """An operator pauses by a button, and whether an operator may is asked for."""
    stage.policy(model, (step("50%", "1h", 5),))
    stage.in_service(model)
    stage.candidate(model, "v2", "models/tumor:v2")
    running = stage.until_weight(stage.release(model, "v2"), 50)
    assert deliver(stage.replicas[0], pressed(running, "pause", ANN)) == 200
    stage.until_phase(running["metadata"]["name"], Phase.PAUSED)
