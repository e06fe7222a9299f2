"""The fixtures of the tests that need a real API server."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

_NUMBER = itertools.count(1)


def assets() -> Path:
    """The folder of kube-apiserver and etcd (the envtest convention). Skips the test if there is none."""
    named = os.environ.get("KUBEBUILDER_ASSETS", "")
    if not named:
        pytest.skip("KUBEBUILDER_ASSETS names no folder: no kube-apiserver and etcd to test against")
    folder = Path(named)
    missing = [name for name in ("kube-apiserver", "etcd") if not os.access(folder / name, os.X_OK)]
    if missing:
        pytest.skip(f"KUBEBUILDER_ASSETS={named} lacks {' and '.join(missing)}")
    return folder


@pytest.fixture(scope="session")
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[ApiServer]":
    """One real API server for all tests, with every custom resource."""
    folder = assets()
    # here, for the tests that need no cluster need not load all this
    from tests.kube.apiserver import ApiServer  # noqa: PLC0415
    from tests.kube.crds.catalogue import definitions  # noqa: PLC0415

    with ApiServer(folder, tmp_path_factory.mktemp("kube")) as server:
        server.admin.define(*definitions())
        yield server


@pytest.fixture
def namespace(apiserver: "ApiServer") -> str:
    """A namespace that no other test uses, on a server that runs. It stays: nothing here could remove it."""
    apiserver.heal()
    name = f"test-{next(_NUMBER)}"
    apiserver.admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name
