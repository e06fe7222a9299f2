"""The operator's settings: read once, frozen, from a TOML file and the environment.

The environment wins over the file: ``SERINUS_HTTP_PORT=9400``, ``SERINUS_PROMETHEUS__URL=...``. Unknown names
are refused in both. Secrets never stand in either: a setting names the file that holds one. Addresses and
secrets live here and not in policies, which people write who may not choose where the daemon connects to.
"""

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from controller.api_settings import ApiSettings
from controller.control.client import default_socket
from controller.errors import TargetError
from controller.fleet_settings import FleetSettings
from controller.kubernetes_settings import KubernetesSettings
from controller.probe_settings import ProbeGatewaySettings
from controller.prometheus_settings import HttpUrl, PrometheusServers, PrometheusSettings
from controller.slack_settings import SlackCallbackSettings

_PREFIX = "SERINUS_"
_NOT_SETTINGS = frozenset({"SERINUS_SETTINGS"})


EventKind = Literal["started", "stepped", "held", "paused", "promoted", "rolledback", "notdeployed", "halted"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EnvoySettings(_Part):
    """The Envoy whose route and cluster files the daemon writes."""

    folder: Path
    """Where Envoy watches ``rds.json`` and ``cds.json``."""
    admin_url: HttpUrl
    """Envoy's admin interface, asked which version of the files it runs."""


class GateSettings(_Part):
    """Where a policy's ``gate: NAME``, or ``evaluation: NAME``, asks."""

    url: HttpUrl
    """The program's address; what it is asked is a CloudEvent, what it may answer stands in the how-to."""
    secret_file: Path | None = None
    """Holds the key that each question is signed with; two lines while it is rotated."""
    private_addresses: bool = False
    """Whether its host may be on this machine or in a private network."""
    plain_http: bool = False
    """Whether it may be spoken to without TLS."""


class DestinationSettings(_Part):
    """Where a policy's ``notify: [name]`` goes."""

    kind: Literal["webhook", "slack", "slack-webhook", "apprise"] = "webhook"
    """``webhook`` gets CloudEvents; ``slack`` one message for each rollout, which a bot keeps up to date;
    ``slack-webhook`` and ``apprise`` (Teams, e-mail and more) a line for each event."""
    url: HttpUrl | None = None
    """Of a webhook its address; of ``slack`` that of its API, if it is not Slack's own."""
    channel: str = ""
    """Of ``slack``: the channel's id or name."""
    token_file: Path | None = None
    """Of ``slack``: holds the bot's token, which needs the scope ``chat:write``."""
    url_file: Path | None = None
    """Of ``apprise``: holds its addresses, one a line."""
    secret_file: Path | None = None
    """Holds the key that each delivery is signed with; two lines while it is rotated."""
    private_addresses: bool = False
    """Whether its host may be on this machine or in a private network."""
    plain_http: bool = False
    """Whether it may be spoken to without TLS."""
    severity: Literal["info", "warning", "error"] = "info"
    """How severe an event must be at least for this destination to be told of it."""
    events: tuple[EventKind, ...] = ()
    """Which kinds of events it is told of; all if empty."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        slack, webhook = self.kind == "slack", self.kind in ("webhook", "slack-webhook")
        if (self.kind == "apprise") != (self.url_file is not None):
            error = "apprise needs a url_file, and nothing else has one"
            raise ValueError(error)
        if slack and not (self.channel and self.token_file):
            error = "slack needs a channel and a token_file"
            raise ValueError(error)
        if not slack and (self.channel or self.token_file):
            error = "channel and token_file are slack's"
            raise ValueError(error)
        if webhook and self.url is None:
            error = f"a {self.kind} needs a url"
            raise ValueError(error)
        if slack and self.url is not None and self.url.startswith("http://") and not self.plain_http:
            error = "the url is not https: allow plain_http if that is meant"
            raise ValueError(error)
        return self


class Settings(BaseSettings):
    """Everything that an operator decides."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    state_dir: Path | None = None
    """On one machine: holds the record of all rollouts (``serinus.sqlite``)."""
    policies_dir: Path
    """One policy file per model, watched for changes."""
    socket: Path = Field(default_factory=default_socket)
    """The Unix socket that the command line talks to."""
    operators_gid: int | None = Field(default=None, ge=0)
    """Members of this group may steer rollouts, besides root and the daemon's own user."""
    http_host: str = "127.0.0.1"
    """Address of /livez, /readyz and /metrics."""
    http_port: int = Field(default=9178, ge=0, le=65535)
    workers: int = Field(default=32, ge=1, le=1024)
    """Rollouts that can be worked on at the same time."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """``auto`` writes JSON unless standard error is a terminal."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    envoy: EnvoySettings | None = None
    """On one machine: the gateway. Goes with ``state_dir``."""
    kubernetes: KubernetesSettings | None = None
    """In a cluster: instead of ``envoy`` and ``state_dir``."""
    prometheus: PrometheusSettings
    prometheus_servers: PrometheusServers = Field(default_factory=dict)
    """More of them, by the name that policies use (``prometheus: NAME``)."""
    destinations: dict[str, DestinationSettings] = Field(default_factory=dict)
    """Notification destinations by the name that policies use."""
    gates: dict[str, GateSettings] = Field(default_factory=dict)
    """Programs that policies may have asked, by the name that policies use."""
    probe_gateways: dict[str, ProbeGatewaySettings] = Field(default_factory=dict)
    """Gateways that probes go through, by the name that policies use; ``default`` where they use none."""
    evaluations: dict[str, GateSettings] = Field(default_factory=dict)
    """Programs that evaluate a version's answers, by the name that policies use; given as ``gates`` are."""
    slack_callbacks: SlackCallbackSettings | None = None
    """Buttons in the messages of the destinations of kind ``slack``; none when absent."""
    fleet: FleetSettings = Field(default_factory=FleetSettings)
    """Rules for all rollouts together."""
    api: ApiSettings | None = None
    """The HTTP API; none when absent."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        """One machine or one cluster, and all that it needs."""
        on_one_machine = self.envoy is not None and self.state_dir is not None
        if self.kubernetes is not None and (self.envoy is not None or self.state_dir is not None):
            error = "kubernetes goes without envoy and state_dir: in a cluster, or on one machine"
            raise ValueError(error)
        if self.kubernetes is None and not on_one_machine:
            error = "give state_dir and envoy (one machine), or kubernetes (a cluster)"
            raise ValueError(error)
        features = self.kubernetes.features if self.kubernetes else None
        if self.slack_callbacks is not None:
            self.slack_callbacks.fit({each.kind for each in self.destinations.values()}, features)
        if self.api is not None:
            self.api.fit(features)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no .env files
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - secrets are named files
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before the file."""
        file = os.environ.get("SERINUS_SETTINGS")
        toml = (TomlConfigSettingsSource(settings_cls, Path(file)),) if file else ()
        return (init_settings, env_settings, *toml)


def load_settings() -> Settings:
    """The settings from ``$SERINUS_SETTINGS`` and the environment.

    Raises `TargetError` with every fault in one message, never with a value: it may be a secret.
    """
    file = os.environ.get("SERINUS_SETTINGS")
    if file and not Path(file).is_file():
        error = f"the settings file {file} does not exist"
        raise TargetError(error)
    known = {_PREFIX + name.upper() for name in Settings.model_fields} | _NOT_SETTINGS
    unknown = [
        name for name in os.environ if name.startswith(_PREFIX) and name.upper().split("__")[0] not in known
    ]
    if unknown:
        error = f"unknown settings in the environment: {', '.join(sorted(unknown))}"
        raise TargetError(error)
    try:
        return Settings()  # type: ignore[call-arg]
    except ValidationError as fault:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in fault.errors()]
        error = "the settings are not valid:\n  " + "\n  ".join(lines)
        raise TargetError(error) from None
    except ValueError as fault:
        error = f"the settings file cannot be read: {fault}"
        raise TargetError(error) from fault
