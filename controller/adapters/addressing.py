"""Requests to an adapter, past whoever puts its name into those of users.

On the way to a version that is a LoRA adapter the endpoint picker replaces the model that was asked for by
the adapter's name. A request that is sent straight to a pod must bear that name already, or another version
answers it. Pure.
"""

import json
from dataclasses import replace

from controller.domain.release import BackendKind, Release
from controller.policy.golden import GoldenRequest


def addressed(request: GoldenRequest, release: Release) -> GoldenRequest:
    """The golden request with the release's adapter as its ``model``; as it is for other backends."""
    backend = release.backend
    if backend is None or backend.kind is not BackendKind.LORA_ADAPTER:
        return request
    return replace(request, body=_asking(request.body, backend.name))


def _asking(body: bytes, model: str) -> bytes:
    content = json.loads(body)
    return json.dumps({**content, "model": model}).encode() if isinstance(content, dict) else body
