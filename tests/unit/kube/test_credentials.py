"""Kubeconfigs, credential plugins and service accounts, and when they are read again."""

import asyncio
import base64
import json
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.client import Configuration

from controller.adapters.kube.credentials import Credentials, default_kubeconfig, from_kubeconfig, from_pod
from controller.errors import TargetError
from tests import virtual_time

SECRET = "marker-7d1f"


def a_kubeconfig(user: dict[str, Any], **cluster: object) -> dict[str, Any]:
    context = {"cluster": "c", "user": "ann", "namespace": "ml"}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://api.test:6443", **cluster}}],
        "users": [{"name": "ann", "user": user}],
        "contexts": [
            {"name": "one", "context": context},
            {"name": "two", "context": {"cluster": "c", "user": "ann"}},
        ],
        "current-context": "one",
    }


def written(folder: Path, content: object) -> str:
    path = folder / "config"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def a_plugin(folder: Path, answer: object, status: int = 0) -> dict[str, Any]:
    """A credential plugin that notes each of its runs."""
    (folder / "answer.json").write_text(json.dumps(answer))
    script = (
        f"echo run >> {shlex.quote(str(folder / 'runs'))}; cat {shlex.quote(str(folder / 'answer.json'))}"
    )
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "sh",
            "args": ["-c", f"{script}; exit {status}"],
            "interactiveMode": "Never",
        }
    }


def a_token(token: str, end: datetime | None = None) -> dict[str, Any]:
    status = {"token": token, **({"expirationTimestamp": f"{end:%Y-%m-%dT%H:%M:%SZ}"} if end else {})}
    return {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}


async def test_a_kubeconfig_says_where_who_and_in_which_namespace(tmp_path: Path) -> None:
    paths = written(tmp_path, a_kubeconfig({"token": SECRET}))
    configuration = Configuration()
    assert await from_kubeconfig(paths, None, None)(configuration) == ("ml", None)
    assert configuration.host == "https://api.test:6443"
    assert configuration.api_key == {"BearerToken": f"Bearer {SECRET}"}
    assert configuration.verify_ssl
    assert (await from_kubeconfig(paths, "two", None)(configuration))[0] == "default"
    await from_kubeconfig(paths, "two", "https://proxy.test/")(configuration)
    assert configuration.host == "https://proxy.test"


async def test_settings_of_the_cluster_are_taken(tmp_path: Path) -> None:
    more: dict[str, object] = {
        "insecure-skip-tls-verify": True,
        "tls-server-name": "kubernetes",
        "proxy-url": "http://proxy.test",
    }
    configuration = Configuration()
    await from_kubeconfig(written(tmp_path, a_kubeconfig({"token": "t"}, **more)), None, None)(configuration)
    assert not configuration.verify_ssl
    assert configuration.tls_server_name == "kubernetes"
    assert configuration.proxy == "http://proxy.test"


async def test_a_user_with_a_password_is_let_in_too(tmp_path: Path) -> None:
    paths = written(tmp_path, a_kubeconfig({"username": "ann", "password": "pw"}))
    configuration = Configuration()
    await from_kubeconfig(paths, None, None)(configuration)
    assert configuration.api_key == {"BearerToken": "Basic " + base64.b64encode(b"ann:pw").decode()}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\0",
        "[]",
        "a: b: c",
        f"users: [{{name: ann, user: {{token: {SECRET}}}}}]",
        f"users:\n- name: ann\n  user: {{token: {SECRET}\n",
        {"current-context": "one"},
        {"current-context": "one", "contexts": [], "users": [], "clusters": []},
        {**a_kubeconfig({"token": SECRET}), "current-context": "three"},
        {**a_kubeconfig({"token": SECRET}), "clusters": []},
        {**a_kubeconfig({"token": SECRET}), "clusters": [{"name": "c"}]},
        {**a_kubeconfig({"token": SECRET}), "contexts": "one"},
        a_kubeconfig({"token": SECRET, "client-certificate": "/no/such/file"}),
        a_kubeconfig({"token": SECRET}, **{"certificate-authority-data": "not base64"}),
        a_kubeconfig({"auth-provider": {"name": "oidc"}}),
    ],
)
async def test_what_is_no_kubeconfig_is_said_without_its_secrets(tmp_path: Path, content: object) -> None:
    configuration = Configuration()
    with pytest.raises(TargetError, match=r"cannot be used|gives no credentials") as caught:
        await from_kubeconfig(written(tmp_path, content), None, None)(configuration)
    assert SECRET not in str(caught.value)


async def test_a_user_without_credentials_is_told_to_look_for_the_cause(tmp_path: Path) -> None:
    for user in ({}, a_plugin(tmp_path, {}, status=3), a_plugin(tmp_path, "nonsense")):
        paths = written(tmp_path, a_kubeconfig(user))
        with pytest.raises(TargetError, match=r"context one of .* gives no credentials\. If its user has a"):
            await from_kubeconfig(paths, None, None)(Configuration())
    plain = written(tmp_path, a_kubeconfig({}, server="http://127.0.0.1:8001"))
    await from_kubeconfig(plain, None, None)(Configuration())


async def test_a_plugin_is_run_again_when_its_token_ends(tmp_path: Path) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    paths = written(tmp_path, a_kubeconfig(a_plugin(tmp_path, a_token("one", end))))
    configuration = Configuration()
    _, seconds = await from_kubeconfig(paths, None, None)(configuration)
    assert configuration.api_key == {"BearerToken": "Bearer one"}
    assert seconds is not None
    assert 3500 < seconds < 3541
    (tmp_path / "answer.json").write_text(json.dumps(a_token("two", datetime.now(UTC))))
    _, seconds = await from_kubeconfig(paths, None, None)(configuration)
    assert configuration.api_key == {"BearerToken": "Bearer two"}
    assert seconds == 5
    (tmp_path / "answer.json").write_text(json.dumps(a_token("three")))
    assert (await from_kubeconfig(paths, None, None)(configuration))[1] is None
    assert (tmp_path / "runs").read_text() == "run\n" * 3


async def test_a_failed_load_leaves_the_credentials_as_they_were(tmp_path: Path) -> None:
    paths = written(tmp_path, a_kubeconfig({"token": "t"}))
    configuration = Configuration()
    await from_kubeconfig(paths, None, None)(configuration)
    written(tmp_path, "")
    with pytest.raises(TargetError):
        await from_kubeconfig(paths, None, None)(configuration)
    assert configuration.api_key == {"BearerToken": "Bearer t"}
    assert configuration.host == "https://api.test:6443"


async def test_a_pod_has_its_service_account(tmp_path: Path) -> None:
    environment = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    for name, content in (("token", "t1"), ("ca.crt", "certificate"), ("namespace", "ml\n")):
        (tmp_path / name).write_text(content)
    configuration = Configuration()
    load = from_pod(tmp_path, environment)
    assert await load(configuration) == ("ml", 60)
    assert configuration.host == "https://10.0.0.1:443"
    assert configuration.api_key == {"BearerToken": "bearer t1"}
    assert configuration.ssl_ca_cert == str(tmp_path / "ca.crt")
    (tmp_path / "token").write_text("t2")
    await load(configuration)
    assert configuration.api_key == {"BearerToken": "bearer t2"}


@pytest.mark.parametrize("missing", ["token", "ca.crt", "namespace", "environment"])
async def test_outside_of_a_pod_a_kubeconfig_must_be_named(tmp_path: Path, missing: str) -> None:
    environment = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    for name in {"token", "ca.crt", "namespace"} - {missing}:
        (tmp_path / name).write_text("x")
    with pytest.raises(TargetError, match=r"no cluster to talk to: .* Name a kubeconfig, or set KUBECONFIG"):
        await from_pod(tmp_path, {} if missing == "environment" else environment)(Configuration())


def test_the_default_kubeconfig_is_kubectls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert default_kubeconfig() is None
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").touch()
    assert default_kubeconfig() == str(tmp_path / ".kube" / "config")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    assert default_kubeconfig() is None
    several = f"{tmp_path / 'none'}:{tmp_path / '.kube' / 'config'}"
    monkeypatch.setenv("KUBECONFIG", several)
    assert default_kubeconfig() == several


class Source:
    """Gives a new token each time, good for so long, after so long."""

    def __init__(self, seconds: float | None, takes: float = 0.0) -> None:
        self.seconds = seconds
        self.takes = takes
        self.loads = 0
        self.fails = False
        self.configuration = Configuration()
        self.credentials = Credentials(self.configuration, self.load)

    async def load(self, configuration: Configuration) -> tuple[str, float | None]:
        self.loads += 1
        number = self.loads
        await asyncio.sleep(self.takes)
        if self.fails:
            raise TargetError("the plugin broke")
        configuration.api_key["BearerToken"] = f"t{number}"
        return "ml", self.seconds

    async def used(self) -> str:
        """The token that a call would be sent with."""
        await self.credentials.fresh()
        return str(self.configuration.api_key["BearerToken"])


def test_credentials_are_loaded_again_when_they_end_and_no_call_waits() -> None:
    async def scenario() -> None:
        source = Source(seconds=60, takes=3)
        assert await source.credentials.first() == "ml"
        begun = _now()
        await asyncio.sleep(56)
        assert await source.used() == "t1"
        await asyncio.sleep(2)
        assert [await source.used() for _ in range(3)] == ["t1"] * 3
        assert _now() == pytest.approx(begun + 58)
        await asyncio.sleep(3.1)
        assert await source.used() == "t2"
        assert source.loads == 2

    virtual_time.run(scenario())


def test_refused_credentials_are_loaded_again_and_calls_wait_for_them() -> None:
    async def scenario() -> None:
        source = Source(seconds=None, takes=20)
        await source.credentials.first()
        await asyncio.sleep(3600)
        assert await source.used() == "t1"
        source.credentials.refused()
        for _ in range(3):  # calls are given up, the load is not
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(5):
                    await source.used()
        assert await source.used() == "t2"
        assert source.loads == 2

    virtual_time.run(scenario())


def test_credentials_that_are_always_refused_are_not_loaded_all_the_time() -> None:
    async def scenario() -> None:
        source = Source(seconds=None)
        await source.credentials.first()
        for _ in range(1000):
            source.credentials.refused()
            await source.used()
            await asyncio.sleep(0.1)
        assert 15 <= source.loads <= 25

    virtual_time.run(scenario())


def test_when_they_cannot_be_loaded_the_old_ones_stay_in_use() -> None:
    async def scenario() -> None:
        source = Source(seconds=60)
        await source.credentials.first()
        source.fails = True
        for _ in range(600):
            assert await source.used() == "t1"
            await asyncio.sleep(0.5)
        assert 40 <= source.loads <= 60
        source.fails = False
        await asyncio.sleep(6)
        await source.used()
        await asyncio.sleep(0.1)
        assert await source.used() != "t1"

    virtual_time.run(scenario())


def test_a_plugin_that_hangs_is_given_up() -> None:
    async def scenario() -> None:
        source = Source(seconds=60, takes=3600)
        with pytest.raises(TargetError, match="gave nothing within 60 s"):
            await source.credentials.first()
        source.credentials.refused()
        waiting = asyncio.create_task(source.used())
        await asyncio.sleep(1)
        await source.credentials.close()
        await asyncio.wait({waiting})
        assert waiting.cancelled()

    virtual_time.run(scenario())


def _now() -> float:
    return asyncio.get_running_loop().time()


def test_talking_to_no_cluster_does_not_load_the_library() -> None:
    code = (
        "import sys; import controller.adapters.kube.client, controller.adapters.kube.elector; "
        "sys.exit('kubernetes' in sys.modules or 'aiohttp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
