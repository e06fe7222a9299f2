"""The operator's settings of the buttons in Slack: where its calls arrive, and who is behind a Slack user."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from controller.features import Feature

_USER_ID = re.compile(r"[UW][A-Z0-9]{1,30}")


def _user_ids(users: Mapping[str, "SlackUserSettings"]) -> dict[str, "SlackUserSettings"]:
    """Ids in Slack's own letters: the names of environment variables arrive in small ones."""
    found = {name.upper(): user for name, user in users.items()}
    if wrong := [name for name in users if not _USER_ID.fullmatch(name.upper())]:
        error = f"{', '.join(sorted(wrong))[:200]!a} is no id of a Slack user: it is like U012AB3CD"
        raise ValueError(error)
    if len(found) < len(users):
        error = "a Slack user is named twice"
        raise ValueError(error)
    return found


def _speakable(name: str) -> str:
    if not name.isprintable() or not name.strip():
        error = "must be a name that can be printed"
        raise ValueError(error)
    return name


Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_speakable)]
"""Short enough for a ModelRollout's ``spec.request.by``, with the way that it came."""


class SlackUserSettings(BaseModel):
    """Who a Slack user is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    """How the log names the person; in a cluster the user whose rights are asked for."""
    groups: tuple[Name, ...] = Field(default=(), max_length=100)
    """In a cluster: the groups whose rights count, too."""


class SlackCallbackSettings(BaseModel):
    """Where Slack's calls arrive when somebody presses a button."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    """Address of the port; Slack comes to it through what you put before it, which speaks TLS."""
    port: int = Field(default=9179, ge=0, le=65535)
    """Slack calls its path ``/slack/interactions``."""
    signing_secret_file: Path
    """Holds the app's signing secret; two lines while it is rotated. Read at each call."""
    users: Annotated[dict[str, SlackUserSettings], AfterValidator(_user_ids)] = Field(default_factory=dict)
    """Who may steer, by the id of the Slack user. On one machine whoever stands here may."""

    def fit(self, kinds: Collection[str], features: Collection[Feature] | None) -> None:
        """Raises `ValueError` where there can be no buttons among these kinds of destinations, or no rights.

        ``features`` are a cluster's, None on one machine.
        """
        if "slack" not in kinds:
            error = "slack_callbacks need a destination of kind slack: only its messages have buttons"
            raise ValueError(error)
        if features is not None and Feature.SLACK_CALLBACKS not in features:
            error = f"slack_callbacks need the feature {Feature.SLACK_CALLBACKS}, which brings their rights"
            raise ValueError(error)
