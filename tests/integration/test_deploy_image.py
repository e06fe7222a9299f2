"""The image holds Python and the daemon, no other program, and takes the settings of the manifests."""

import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from controller.adapters.kube.declared import PERMISSIONS
from controller.adapters.kube.rbac import roles
from deploy.image.collect import USER
from deploy.local.stack import Stack, free_port, wait_until_ready
from tests.deploy.image import Image, last_stage, variables
from tests.deploy.rendering import environment, kustomized, named
from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

PYTHON = "/opt/serinus/bin/python"
ACCOUNT = "var/run/secrets/kubernetes.io/serviceaccount"
LEASE = ("coordination.k8s.io/v1", "Lease")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image(tmp_path_factory.mktemp("image"))


def settings_of_the_manifests() -> dict[str, str]:
    """What the daemon's container sees, with an address in place of the downward API's field."""
    seen = environment(named(kustomized("cluster", ["workloads"]), "Deployment"))
    return {**seen, "SERINUS_HTTP_HOST": "127.0.0.1"}


def test_it_is_run_as_the_dockerfile_says() -> None:
    stage = last_stage()
    assert stage.startswith("scratch\n")
    assert "\nUSER 65532:65532\n" in stage
    assert "RUN" not in re.findall(r"^([A-Z]+)\b", stage, re.MULTILINE)
    [entry] = re.findall(r"^ENTRYPOINT (.*)$", stage, re.MULTILINE)
    assert json.loads(entry) == [PYTHON, "-m", "controller"]
    assert "SERINUS_STATE_DIR" not in variables(), "it would forbid a cluster"


def test_there_is_no_program_but_python(image: Image) -> None:
    found = [path for path in image.root.rglob("*") if path.is_file() and not path.is_symlink()]
    programs = [
        path.name
        for path in found
        if os.access(path, os.X_OK) and ".so" not in path.name and path.read_bytes()[:4] == b"\x7fELF"
    ]
    assert programs == [f"python{sys.version_info.major}.{sys.version_info.minor}"]
    for shell in ("sh", "bash", "dash", "busybox"):
        assert not list(image.root.rglob(shell))


def test_only_what_the_daemon_writes_is_its_own(image: Image) -> None:
    assert {path for path in image.owned if "/" in path or path == "tmp"} == {
        "etc/serinus",
        "etc/serinus/policies",
        "run/serinus",
        "tmp",
        "var/lib",
        "var/lib/serinus",
    }


def test_the_command_line_works_inside(image: Image) -> None:
    done = image.run(PYTHON, "-m", "controller", "--help")
    assert done.returncode == 0, done.stderr
    assert "deploy" in done.stdout


def test_every_library_loads_inside(image: Image) -> None:
    names = (
        "controller.app, kubernetes.aio.client, promql_parser, watchfiles, sqlite3, ssl, uvicorn, pydantic"
    )
    code = f"import {names}; ssl.create_default_context(); print(ssl.get_default_verify_paths().cafile)"
    done = image.run(PYTHON, "-c", code)
    assert done.returncode == 0, done.stderr
    assert (image.root / done.stdout.strip()[1:]).is_file(), "the certificates of the web"


def test_it_takes_the_settings_of_the_manifests(image: Image) -> None:
    code = "from controller.settings import load_settings as l; s = l(); print(s.kubernetes.features)"
    done = image.run(PYTHON, "-c", code, env=settings_of_the_manifests())
    assert done.returncode == 0, done.stderr
    assert "workloads" in done.stdout


def test_it_leads_in_a_cluster_as_its_pod(
    image: Image, apiserver: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """With the files of the service account where the kubelet puts them, and no kubeconfig."""
    admin = apiserver.admin
    account = {"name": "serinus", "namespace": namespace}
    admin.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    for each in roles(PERMISSIONS, (), namespaces=[namespace], home=namespace):
        admin.create(each)
    folder = image.root / ACCOUNT
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "token").write_text(apiserver.token(f"system:serviceaccount:{namespace}:serinus"))
    (folder / "namespace").write_text(namespace)
    (folder / "ca.crt").write_bytes(apiserver.ca_file.read_bytes())
    server, port = urlsplit(apiserver.url), free_port()
    told = {
        **variables(),
        **environment(named(kustomized("namespace"), "Deployment")),
        "KUBERNETES_SERVICE_HOST": str(server.hostname),
        "KUBERNETES_SERVICE_PORT": str(server.port),
        "SERINUS_HTTP_HOST": "127.0.0.1",
        "SERINUS_HTTP_PORT": str(port),
        "SERINUS_KUBERNETES__IDENTITY": "serinus-0",
        "SERINUS_KUBERNETES__LEASE_NAMESPACE": namespace,
        "SERINUS_KUBERNETES__NAMESPACES": json.dumps([namespace]),
    }
    with Stack(tmp_path) as stack:
        daemon = stack.launch("serinus", image.command(PYTHON, "-m", "controller", "run"), port, told)
        wait_until_ready(daemon, port, "/readyz")

        def holder() -> str:
            lease = admin.get(*LEASE, namespace, "serinus") or {"spec": {}}
            return lease["spec"].get("holderIdentity") or ""

        admin.until(lambda: holder().startswith("serinus-0"), "it leads")
        assert daemon.stop(10) == 0
        assert not holder(), "it gave the lease back"
    written = {path for path in image.root.rglob("*") if path.is_file() and path.stat().st_uid == USER}
    assert written == set(), "it needs no disk of its own"
