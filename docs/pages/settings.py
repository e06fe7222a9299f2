"""``docs/reference/settings.md``, from the settings' types and the text below each field."""
# ruff: noqa: INP001 - a folder of documents, not a package

import ast
import inspect
from collections.abc import Collection, Iterator, Sequence

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from controller import (
    api_settings,
    fleet_settings,
    kubernetes_settings,
    probe_settings,
    prometheus_settings,
    settings,
    slack_settings,
)
from controller.adapters.kube.permissions import Feature
from deploy.kubernetes.generate import WHAT
from docs.pages.tables import ORIGIN, table


def page() -> str:
    """The whole document."""
    groups: dict[str, type[BaseModel]] = {
        "In a cluster": kubernetes_settings.KubernetesSettings,
        "On one machine": settings.EnvoySettings,
        "Prometheus": prometheus_settings.PrometheusSettings,
        "The fleet": fleet_settings.FleetSettings,
        "Windows and freezes of the fleet": fleet_settings.FleetTimes,
        "Notifications": settings.DestinationSettings,
        "Gates": settings.GateSettings,
        "Gateways for probes": probe_settings.ProbeGatewaySettings,
        "The HTTP API": api_settings.ApiSettings,
        "Buttons in Slack": slack_settings.SlackCallbackSettings,
        "Who a Slack user is": slack_settings.SlackUserSettings,
    }
    prefixes = {
        kubernetes_settings.KubernetesSettings: "SERINUS_KUBERNETES__",
        settings.EnvoySettings: "SERINUS_ENVOY__",
        prometheus_settings.PrometheusSettings: "SERINUS_PROMETHEUS__",
        fleet_settings.FleetSettings: "SERINUS_FLEET__",
        fleet_settings.FleetTimes: "",
        settings.DestinationSettings: "SERINUS_DESTINATIONS__NAME__",
        settings.GateSettings: "SERINUS_GATES__NAME__",
        probe_settings.ProbeGatewaySettings: "SERINUS_PROBE_GATEWAYS__NAME__",
        api_settings.ApiSettings: "SERINUS_API__",
        slack_settings.SlackCallbackSettings: "SERINUS_SLACK_CALLBACKS__",
        slack_settings.SlackUserSettings: "SERINUS_SLACK_CALLBACKS__USERS__ID__",
    }
    lines = [
        "# Settings of the daemon\n",
        ORIGIN,
        "From the environment, or from the TOML file that `SERINUS_SETTINGS` names; the environment wins.",
        "Unknown names are refused. The manifests and the chart set those that a cluster needs.\n",
        "A daemon works in a cluster (`SERINUS_KUBERNETES__...`) or on one machine (`SERINUS_STATE_DIR` and",
        "`SERINUS_ENVOY__...`).\n",
        "## The daemon\n",
        *table(_HEAD, _rows(settings.Settings, "SERINUS_", without={*_NESTED})),
    ]
    for title, group in groups.items():
        lines += [
            f"\n## {title}\n",
            *_ABOUT.get(group, ()),
            *table(_HEAD, _rows(group, prefixes[group], without=())),
        ]
    lines += [
        "\n## Features\n",
        *table(("value", "what it brings"), ((f"`{each}`", WHAT[each]) for each in Feature if each in WHAT)),
        "",
    ]
    return "\n".join(lines)


_ABOUT: dict[type[BaseModel], Sequence[str]] = {
    prometheus_settings.PrometheusSettings: (
        "More servers, for policies that say `prometheus: NAME`, have the same settings as",
        "`SERINUS_PROMETHEUS_SERVERS__NAME__...`.\n",
    ),
    fleet_settings.FleetSettings: (
        "Rules for all rollouts together: [how to](../how-to/fleet.md). Policies add to them.\n",
    ),
    fleet_settings.FleetTimes: (
        "Each is a table of the TOML file, `[[fleet.windows]]` or `[[fleet.freezes]]`, or an object of a",
        'list in JSON: `SERINUS_FLEET__FREEZES=[{"schedule": "0 18 * * fri", "duration": "62h"}]`.\n',
    ),
}
_HEAD = ("setting", "default", "meaning")
_NESTED = (
    "envoy",
    "kubernetes",
    "prometheus",
    "prometheus_servers",
    "destinations",
    "gates",
    "probe_gateways",
    "fleet",
    "slack_callbacks",
    "api",
)


def _rows(group: type[BaseModel], prefix: str, *, without: Collection[str]) -> Iterator[Sequence[str]]:
    docs = _docstrings(group)
    for name, field in group.model_fields.items():
        if name not in without:
            shown = f"{prefix}{name.upper()}" if prefix else name
            yield f"`{shown}`", _default(name, field), docs.get(name) or field.description or ""


def _default(name: str, field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if field.default_factory is not None:
        return {"socket": "`/run/serinus/serinus.sock`, or the user's own"}.get(name, "")
    if field.default is None:
        return ""
    if field.default in (frozenset(), (), []):
        return "`[]`"
    return f"`{field.default}`"


def _docstrings(owner: type) -> dict[str, str]:
    """The text below each field of a class, on one line."""
    body = ast.parse(inspect.getsource(owner)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign):
            target: ast.expr = field.target
        elif isinstance(field, ast.Assign):
            target = field.targets[0]
        else:
            continue
        if (
            isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(target, ast.Name)
        ):
            found[target.id] = " ".join(str(text.value.value).replace("``", "`").split())
    return found
