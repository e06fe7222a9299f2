"""The names that a version has at a gateway, so that its configuration and its metrics agree."""

import re

from controller.domain.release import Backend, BackendKind

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_TRAEFIK_BREAKS = re.compile(r"[^A-Za-z0-9]+")


def backend_name(model: str, version: str) -> str:
    """``model@version``; other characters than ``A-Za-z0-9_-`` are percent-encoded: ``fraud@1%2E2%2E0``.

    Envoy cuts the label ``envoy_cluster_name`` at the first dot and turns colons into underscores, so the
    metrics of an unencoded version 1.2.0 could not be told from those of 1.3.0.
    """
    return f"{_encoded(model)}@{_encoded(version)}"


def testers_name(model: str, version: str) -> str:
    """What testers of a version get their answers from, so that these are counted apart from all others."""
    return f"{backend_name(model, version)}@testers"


def shadow_name(model: str, version: str) -> str:
    """What copies of requests go to: ``model@version/shadow``, which is no version's backend."""
    return f"{backend_name(model, version)}/shadow"


def service_names(namespace: str, backend: Backend | None) -> frozenset[str]:
    """What Traefik calls a Service in a route of the Gateway API; nothing where the backend is none.

    **Source**: Traefik 3, pkg/provider/kubernetes/gateway/httproute.go: the namespace, the name and the port;
    later releases put the protocol before the port.
    """
    if backend is None or backend.kind is not BackendKind.SERVICE or backend.port is None:
        return frozenset()
    parts = (f"{namespace}-{backend.name}{protocol}-{backend.port}" for protocol in ("", "-http"))
    return frozenset(f"{_TRAEFIK_BREAKS.sub('-', part)}@kubernetesgateway" for part in parts)


def adapter_names(backend: Backend | None) -> frozenset[str]:
    """What an engine calls a LoRA adapter; nothing where the backend is none."""
    if backend is None or backend.kind is not BackendKind.LORA_ADAPTER:
        return frozenset()
    return frozenset({backend.name})


def _encoded(name: str) -> str:
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)
