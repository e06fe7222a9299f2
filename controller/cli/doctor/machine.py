"""Looks at the daemon of one machine, and at what its settings name: gateway, metric source, policies."""

import asyncio
import json
from datetime import timedelta

import httpx2

from controller.adapters.exchange import Answer, NoAnswer, exchange, plain_client, tls_client
from controller.adapters.registry import capabilities
from controller.cli.doctor import sources
from controller.cli.doctor.abilities import abilities
from controller.cli.doctor.findings import Finding, failed, ok, skipped
from controller.cli.doctor.policies import of_folder
from controller.control.client import ControlClient
from controller.control.errors import ControlError
from controller.settings import Settings

_WITHIN = timedelta(seconds=5)
_MOST_BYTES = 1 << 20
"""Envoy 1.39 names all its extensions in ``/server_info``, which makes it 120 kB."""
_OK = 200


def examine(control: ControlClient, socket: str, settings: Settings | None) -> list[Finding]:
    """The socket, and with the daemon's settings everything that they name."""
    found = [_socket(control, socket)]
    if settings is None:
        how = "serinus doctor --settings FILE"
        return [*found, skipped("settings", "of the daemon", "not known, so nothing else is looked at", how)]
    found.append(asyncio.run(_ready(settings)))
    rules = of_folder(settings.policies_dir)
    found += rules.findings
    found += filter(None, [abilities(policy, capabilities()) for policy in rules.policies])
    if settings.envoy is not None:
        found.append(asyncio.run(_envoy(settings.envoy.admin_url)))
    found += sources.missing(rules.policies, settings.prometheus_servers)
    return found + sources.of_settings(settings)


def _socket(control: ControlClient, socket: str) -> Finding:
    try:
        models = control.get().items
    except ControlError as error:
        return failed("socket", socket, error.message, error.hint)
    return ok("socket", socket, f"the daemon answers; {len(models)} models have rollouts")


async def _ready(settings: Settings) -> Finding:
    host = f"[{settings.http_host}]" if ":" in settings.http_host else settings.http_host
    url = f"http://{host}:{settings.http_port}/readyz"
    answer = await _get(url)
    if isinstance(answer, NoAnswer):
        return failed("daemon", url, answer.message, "serinus run   (and see its log)")
    said = answer.body.decode(errors="replace").strip()
    if answer.status == _OK:
        return ok("daemon", url, "ready")
    return failed("daemon", url, f"not ready: {' '.join(said.split())}", "mend what it names; see its log")


async def _envoy(admin_url: str) -> Finding:
    answer = await _get(f"{admin_url}/server_info")
    fix = "start Envoy, or correct SERINUS_ENVOY__ADMIN_URL; it has to be Envoy's admin address"
    if isinstance(answer, NoAnswer):
        return failed("envoy", admin_url, answer.message, fix)
    try:
        info = json.loads(answer.body)
        state, version = str(info["state"]), str(info["version"]).split("/")[1]
    except (ValueError, RecursionError, LookupError, TypeError):
        return failed("envoy", admin_url, f"what answers is no Envoy (HTTP {answer.status})", fix)
    if state != "LIVE":
        return failed("envoy", admin_url, f"it is {state}, not LIVE", "wait until it is, or see its log")
    return ok("envoy", admin_url, f"version {version}, live")


async def _get(url: str) -> Answer | NoAnswer:
    async with tls_client() if url.startswith("https") else plain_client() as client:
        request = client.build_request("GET", httpx2.URL(url))
        return await exchange(client, request, within=_WITHIN, most_bytes=_MOST_BYTES)
