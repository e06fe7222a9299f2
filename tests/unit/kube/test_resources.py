"""Paths of the API."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.kube.resources import DEPLOYMENTS, HTTP_ROUTES, NODES, SERVICES
from controller.errors import TargetError


def test_paths() -> None:
    assert SERVICES.path("ml", "fraud") == "/api/v1/namespaces/ml/services/fraud"
    assert SERVICES.path(None) == "/api/v1/services"
    assert DEPLOYMENTS.path("ml", "f", "scale") == "/apis/apps/v1/namespaces/ml/deployments/f/scale"
    assert NODES.path(None, "n1") == "/api/v1/nodes/n1"
    assert NODES.path("ml") == "/api/v1/nodes"
    assert HTTP_ROUTES.path("ml") == "/apis/gateway.networking.k8s.io/v1/namespaces/ml/httproutes"


def test_words() -> None:
    assert (SERVICES.api_version, DEPLOYMENTS.api_version) == ("v1", "apps/v1")
    assert (str(SERVICES), str(DEPLOYMENTS)) == ("services", "deployments.apps")


def test_an_object_of_a_namespace_needs_one() -> None:
    with pytest.raises(TargetError, match="Service 'fraud' needs a namespace"):
        SERVICES.path(None, "fraud")


@given(st.text(), st.text())
def test_no_name_leads_elsewhere(namespace: str, name: str) -> None:
    with suppress(TargetError):
        path = SERVICES.path(namespace, name)
        assert path.isascii()
        assert path.count("/") == 6
        assert not {"?", "#", " ", ".", "..", ""} & set(path.split("/")[1:])
