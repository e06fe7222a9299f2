"""The one name that a version has at a gateway, so that its configuration and its metrics agree."""

import re

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def backend_name(model: str, version: str) -> str:
    """``model@version``; other characters than ``A-Za-z0-9_-`` are percent-encoded: ``fraud@1%2E2%2E0``.

    Envoy cuts the label ``envoy_cluster_name`` at the first dot and turns colons into underscores, so the
    metrics of an unencoded version 1.2.0 could not be told from those of 1.3.0.
    """
    return f"{_encoded(model)}@{_encoded(version)}"


def _encoded(name: str) -> str:
    return _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)
