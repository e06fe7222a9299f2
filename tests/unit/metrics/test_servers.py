"""Several Prometheus servers: how each is asked, and which one a policy's model is measured by."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from pydantic import ValidationError

from controller.adapters.metrics.packs import built_in_packs
from controller.adapters.metrics.prometheus import PrometheusSource
from controller.adapters.metrics.servers import PrometheusServers
from controller.adapters.registry import prometheus_access, prometheus_of
from controller.domain.judge.calibration import PodHistory
from controller.domain.model import Rollout
from controller.domain.observation import Measure, NoReading, Reading
from controller.domain.vocabulary import Reason
from controller.errors import TargetError
from controller.prometheus_settings import PrometheusSettings
from controller.settings import Settings, load_settings
from tests.unit.metrics.test_prometheus_source import FAST, Form, at, healthy, rollout, serving

URL = "https://mimir.example.com/prometheus"


def on(server: str) -> Rollout:
    what = rollout()
    return replace(what, policy=replace(what.policy, prometheus=server))


def source(url: str) -> PrometheusSource:
    return PrometheusSource(url, built_in_packs(), FAST)


async def test_each_model_is_measured_by_the_server_of_its_policy_and_a_dead_one_blinds_no_other() -> None:
    with serving(healthy()) as alive:
        servers = PrometheusServers(
            source(alive), {"eu": source(alive), "dead": source("http://127.0.0.1:9")}
        )
        usual = await servers.read(on(""), Measure(at(-21)))
        europe = await servers.read(on("eu"), Measure(at(-21)))
        dead = await servers.read(on("dead"), Measure(at(-21)))
        past = await servers.history(on("dead"))
        await servers.close()
    assert isinstance(usual, Reading)
    assert isinstance(europe, Reading)
    message = "the connection to Prometheus failed (server dead)"
    assert dead == NoReading(Reason.METRICS_UNAVAILABLE, message)
    assert isinstance(past, NoReading)
    assert past.message.endswith("(server dead)")


async def test_a_server_that_the_settings_lack_is_told() -> None:
    servers = PrometheusServers(source("http://127.0.0.1:9"), {})
    wanted = NoReading(Reason.METRICS_UNAVAILABLE, "the settings have no Prometheus server of the name eu")
    assert await servers.read(on("eu"), Measure(None)) == wanted
    assert await servers.history(on("eu")) == wanted
    await servers.close()


async def test_the_history_of_a_model_comes_from_its_own_server() -> None:
    with serving(healthy()) as alive:
        servers = PrometheusServers(source("http://127.0.0.1:9"), {"eu": source(alive)})
        assert isinstance(await servers.history(on("eu")), PodHistory)
        await servers.close()


async def test_tenant_and_headers_are_sent_with_each_query(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    sent: list[dict[str, str]] = []
    prometheus = healthy()

    def play(handler: BaseHTTPRequestHandler, form: Form) -> None:
        sent.append({name.lower(): value for name, value in handler.headers.items()})
        prometheus(handler, form)

    with serving(play) as url:
        settings = PrometheusSettings(
            url=url,
            tenant="team-a|team-b",
            headers={"X-Team": "ml"},
            header_files={"X-Key": secret},
            bearer_token_file=secret,
        )
        metrics = PrometheusSource(url, built_in_packs(), prometheus_access(settings))
        assert isinstance(await metrics.read(rollout(), Measure(at(-21))), Reading)
        await metrics.close()
    wanted = {
        "x-scope-orgid": "team-a|team-b",
        "x-team": "ml",
        "x-key": "hunter2",
        "authorization": "Bearer hunter2",
    }
    assert len(sent) == 3
    assert all(wanted.items() <= headers.items() for headers in sent)


def test_the_tenant_s_header_has_the_name_that_the_server_wants() -> None:
    access = prometheus_access(PrometheusSettings(url=URL, tenant="ml", tenant_header="THANOS-TENANT"))
    assert dict(access.headers) == {"THANOS-TENANT": "ml"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: FileNotFoundError"),
        (b"", "holds no line"),
        (b"hun\nter2", "holds no line"),
        (b"hunter2\xff", "cannot be read: UnicodeDecodeError"),
    ],
)
def test_a_secret_that_cannot_be_sent_is_told_without_its_text(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TargetError, match=said) as refused:
        prometheus_access(PrometheusSettings(url=URL, header_files={"X-Key": file}))
    assert "ter2" not in str(refused.value)


def test_certificates_that_are_not_there_are_told_and_those_that_are_vouch(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    settings = PrometheusSettings(url=URL, ca_file=file)
    with pytest.raises(TargetError, match="is not there"):
        prometheus_access(settings)
    file.write_text("pem")
    assert prometheus_access(settings).ca_file == file


@pytest.mark.parametrize(
    "wrong",
    [
        {"headers": {"Host": "elsewhere"}},
        {"headers": {"X-Key": "a\r\nX-Other: b"}},
        {"headers": {"X Key": "a"}},
        {"headers": {"x-scope-orgid": "a"}, "tenant": "b"},
        {"headers": {"Authorization": "Basic eA=="}, "bearer_token_file": "/token"},
        {"tenant": "a\nb"},
        {"tenant_header": "content-length"},
        {"url": "http://127.0.0.1", "ca_file": "/ca.pem"},
        {"url": "ftp://127.0.0.1"},
        {"tenants": ["a"]},
    ],
    ids=str,
)
def test_what_could_not_be_sent_is_refused_before_anything_is(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PrometheusSettings.model_validate({"url": URL, **wrong})


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    usual = {"STATE_DIR": "/s", "POLICIES_DIR": "/p", "PROMETHEUS__URL": "http://usual:9090"}
    envoy = {"ENVOY__FOLDER": "/e", "ENVOY__ADMIN_URL": "http://envoy"}
    os.environ.update({f"SERINUS_{name}": value for name, value in (usual | envoy | variables).items()})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def settings(**variables: str) -> Settings:
    with environment(**variables):
        return load_settings()


def test_servers_are_named_in_the_settings() -> None:
    found = settings(
        PROMETHEUS_SERVERS__EU__URL=f"{URL}/",
        PROMETHEUS_SERVERS__EU__TENANT="ml",
        PROMETHEUS_SERVERS__EU__HEADERS=json.dumps({"X-Team": "ml"}),
    )
    assert prometheus_of(found, "eu") == PrometheusSettings(url=URL, tenant="ml", headers={"X-Team": "ml"})
    assert prometheus_of(found, "").url == "http://usual:9090"
    with pytest.raises(TargetError, match="no Prometheus server of the name us"):
        prometheus_of(found, "us")


def test_a_server_has_a_name_that_a_policy_can_write() -> None:
    with pytest.raises(TargetError, match="prometheus_servers"):
        settings(PROMETHEUS_SERVERS=json.dumps({"EU west": {"url": URL}}))
