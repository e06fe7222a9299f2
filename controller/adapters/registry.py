"""Names to builders: what a policy or a setting may name, and what is built for it.

A new gateway is one file, one line in `_CAPABILITIES`, and one in `_ROUTERS`; for a kind of object of a
cluster, a dialect and a line in `controller.adapters.traffic.dialects`. A pack is one file in
``metrics/packs``.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from controller.adapters.traffic.envoy_config import VERSION_HEADER
from controller.domain.capabilities import Capabilities
from controller.domain.judge import JUDGES
from controller.errors import InvariantError, TargetError
from controller.policy.catalogue import Catalogue, Measures
from controller.ports import TrafficRouter
from controller.probe_settings import ProbeGatewaySettings
from controller.prometheus_settings import PrometheusSettings, no_server
from controller.settings import DestinationSettings, GateSettings, Settings

if TYPE_CHECKING:
    from controller.adapters.gates.keeper import Gate
    from controller.adapters.metrics.client import PrometheusAccess
    from controller.adapters.metrics.packs import Pack
    from controller.adapters.notify.destination import Destination, Subscription
    from controller.adapters.notify.posting import Target
    from controller.adapters.notify.slack import SlackChannel
    from controller.adapters.probing.asking import ProbeGateway
    from controller.adapters.trials.keeper import TrialKeeper

    Build = Callable[[str, DestinationSettings], Destination]


class OwnedRouter(TrafficRouter, Protocol):
    """A router with a life: it holds a lock or a connection between `open` and `close`."""

    async def open(self) -> None:
        """Take hold of the gateway's configuration. Raises `TargetError` when somebody else has it."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


def _envoy(settings: Settings) -> OwnedRouter:
    from controller.adapters.traffic.envoy import EnvoyRouter  # noqa: PLC0415 - lint needs the name only

    if settings.envoy is None:
        error = "on one machine the settings have an envoy"
        raise InvariantError(error)
    return EnvoyRouter(settings.envoy.folder, settings.envoy.admin_url)


_ROUTERS: Mapping[str, Callable[[Settings], OwnedRouter]] = {"envoy": _envoy}
_CAPABILITIES: Mapping[str, Capabilities] = {
    "envoy": Capabilities(mirror=True, version_header=VERSION_HEADER, match=True, sticky=True, hashes=True),
    "httpRoute": Capabilities(mirror=True, match=True, sticky=True),
    "grpcRoute": Capabilities(mirror=True, match=True, sticky=True),
    "inferenceService": Capabilities(finest_permille=10),
    "llmInferenceService": Capabilities(),
    "virtualService": Capabilities(),
    "aiGatewayRoute": Capabilities(),
    "knativeService": Capabilities(finest_permille=10),
    "inferenceModelRewrite": Capabilities(zero_weight=False),
}
"""All kinds of route, those of a cluster too: lint needs no client of one."""


def routers(settings: Settings) -> Mapping[str, OwnedRouter]:
    """One router for each kind of route that a policy may name."""
    return {kind: build(settings) for kind, build in _ROUTERS.items()}


def capabilities() -> Mapping[str, Capabilities]:
    """What each kind of route can do, by the names that policies use."""
    return _CAPABILITIES


def catalogue() -> Catalogue:
    """What a policy may name."""
    from controller.adapters.metrics.packs import built_in_packs  # noqa: PLC0415 - other commands read none

    packs = {name: _measures(pack) for name, pack in built_in_packs().items()}
    return Catalogue(_CAPABILITIES, packs, frozenset(JUDGES))


def _measures(pack: "Pack") -> Measures:
    return Measures(
        about=pack.about,
        told_by=tuple(f"{label}={what}" for label, what in pack.versions.items()),
        histograms=frozenset(pack.histograms),
        ratios=frozenset(pack.ratios),
        levels=frozenset(pack.levels),
        distributions=frozenset(pack.token_histograms),
        errors=pack.counts_errors,
        lacks=pack.lacks,
        refused=pack.refused or "",
        caveats=pack.caveats,
        of_gateway=pack.shared_targets,
        cluster_only=pack.cluster_only,
        by_upstream=pack.by_upstream,
        unmirrored=pack.unmirrored or "",
        of_adapters=pack.of_adapters,
    )


def prometheus_access(settings: PrometheusSettings) -> "PrometheusAccess":
    """How the metric source is asked. Raises `TargetError` when a file of a secret cannot be read."""
    from controller.adapters.metrics.client import PrometheusAccess  # noqa: PLC0415 - lint needs no client

    headers = dict(settings.headers)
    if settings.tenant is not None:
        headers[settings.tenant_header] = settings.tenant
    for name, file in settings.header_files.items():
        headers[name] = _secret(file)
    if settings.bearer_token_file is not None:
        headers["Authorization"] = f"Bearer {_secret(settings.bearer_token_file)}"
    ca_file = settings.ca_file
    if ca_file is not None and not ca_file.is_file():
        error = f"the file of certificates {ca_file} is not there"
        raise TargetError(error)
    timeout = timedelta(seconds=settings.timeout_seconds)
    return PrometheusAccess(timeout=timeout, headers=headers, ca_file=ca_file)


def prometheus_of(settings: Settings, name: str) -> PrometheusSettings:
    """The settings of a policy's Prometheus. Raises `TargetError` when there is none of that name."""
    found = settings.prometheus_servers.get(name) if name else settings.prometheus
    if found is None:
        raise TargetError(no_server(name))
    return found


def _secret(file: Path) -> str:
    """A header's value. Raises `TargetError`, which never holds it."""
    try:
        value = file.read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        message = f"the secret file {file} cannot be read: {type(error).__name__}"
        raise TargetError(message) from error
    if not value or not value.isascii() or not value.isprintable():
        message = f"the secret file {file} holds no line that can stand in a header"
        raise TargetError(message)
    return value


def gates(settings: Mapping[str, GateSettings]) -> "list[Gate]":
    """The programs that may be asked, by the names that policies use. Raises `TargetError` for an address."""
    from controller.adapters.gates.webhook import WebhookGate  # noqa: PLC0415 - as above

    return [WebhookGate(_target(name, each, "gate")) for name, each in settings.items()]


def probe_gateways(settings: Mapping[str, ProbeGatewaySettings]) -> "dict[str, ProbeGateway]":
    """Where probes are sent, by the names that policies use. Raises `TargetError` for a missing secret."""
    from controller.adapters.probing.asking import ProbeGateway  # noqa: PLC0415 - as above

    return {
        name: ProbeGateway(each.url, {header: _secret(file) for header, file in each.header_files.items()})
        for name, each in settings.items()
    }


def trials(settings: Settings, wake: Callable[[str], None]) -> "TrialKeeper":
    """What takes samples of answers. Raises `TargetError` for an address that cannot be one."""
    from controller.adapters.golden_sending import GoldenSender  # noqa: PLC0415 - as above
    from controller.adapters.trials.evaluation import EvaluationTrials, Evaluator  # noqa: PLC0415 - as above
    from controller.adapters.trials.golden import GoldenTrials  # noqa: PLC0415 - as above
    from controller.adapters.trials.keeper import TrialKeeper  # noqa: PLC0415 - as above

    evaluators = {
        name: Evaluator(_target(name, each, "evaluation")) for name, each in settings.evaluations.items()
    }
    golden = GoldenTrials(GoldenSender(settings.policies_dir))
    return TrialKeeper(golden, EvaluationTrials(evaluators), wake)


def destinations(
    settings: Mapping[str, DestinationSettings], *, buttons: bool = False
) -> "list[Subscription]":
    """Where people are told what, by the policies' names. Raises `TargetError` for a wrong address.

    ``buttons`` says whether somebody is there who is called when one is pressed.
    """
    from controller.adapters.notify.destination import Subscription  # noqa: PLC0415 - as above
    from controller.adapters.notify.severity import Severity  # noqa: PLC0415 - as above

    kinds: Mapping[str, Build] = {**_DESTINATIONS, "slack": partial(_slack, buttons=buttons)}
    return [
        Subscription(kinds[each.kind](name, each), Severity(each.severity), frozenset(each.events))
        for name, each in settings.items()
    ]


def slack_channels(settings: Mapping[str, DestinationSettings]) -> "Mapping[str, SlackChannel]":
    """The destinations that a bot of Slack posts to, by their names."""
    return {name: _slack_channel(name, each) for name, each in settings.items() if each.kind == "slack"}


def _webhook(name: str, settings: DestinationSettings) -> "Destination":
    from controller.adapters.notify.webhook import WebhookDestination  # noqa: PLC0415 - as above

    return WebhookDestination(_target(name, settings))


def _slack_webhook(name: str, settings: DestinationSettings) -> "Destination":
    from controller.adapters.notify.webhook import (  # noqa: PLC0415 - as above
        WebhookDestination,
        as_slack_line,
    )

    return WebhookDestination(_target(name, settings), as_slack_line)


def _slack(name: str, settings: DestinationSettings, *, buttons: bool = False) -> "Destination":
    from controller.adapters.notify.slack import SlackDestination  # noqa: PLC0415 - as above

    return SlackDestination(_slack_channel(name, settings, buttons=buttons))


def _slack_channel(name: str, settings: DestinationSettings, *, buttons: bool = False) -> "SlackChannel":
    from controller.adapters.notify.slack import API, SlackChannel  # noqa: PLC0415 - as above

    if settings.token_file is None:
        error = "slack's settings have a token_file"
        raise InvariantError(error)
    api = f"{settings.url}/" if settings.url else API
    return SlackChannel(name, settings.token_file, settings.channel, api, buttons)


def _apprise(name: str, settings: DestinationSettings) -> "Destination":
    from controller.adapters.notify.apprise import AppriseDestination  # noqa: PLC0415 - as above

    if settings.url_file is None:
        error = "apprise's settings have a url_file"
        raise InvariantError(error)
    return AppriseDestination(name, settings.url_file)


_DESTINATIONS: "Mapping[str, Build]" = {
    "webhook": _webhook,
    "slack": _slack,
    "slack-webhook": _slack_webhook,
    "apprise": _apprise,
}


def _target(name: str, settings: DestinationSettings | GateSettings, kind: str = "destination") -> "Target":
    from controller.adapters.notify.posting import Target  # noqa: PLC0415 - as above

    if settings.url is None:
        error = "a webhook's settings have a url"
        raise InvariantError(error)
    return Target(
        name, settings.url, settings.secret_file, settings.private_addresses, settings.plain_http, kind
    )
