"""Begins a release by itself when a version appears: a Service or InferencePool that bears a model's labels.

Only where the policy says so, and only for what is newer than the backend that serves, so that an old version
which is still there is never taken for a new one. A version that had a ModelRollout before, however it ended,
is not released again.
"""

import re
from collections.abc import Callable, Iterable, Mapping

import structlog

from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.identity import key_of
from controller.adapters.kube.permissions import Feature, Permission
from controller.adapters.kube.resources import MODEL_ROLLOUTS, Obj
from controller.adapters.kube.untrusted import mapping, text
from controller.adapters.workload.kube_labels import CREATED, MODEL, VERSION
from controller.domain.policy import Policy
from controller.domain.release import BackendKind, Release
from controller.errors import Conflict

log = structlog.get_logger(__name__)

PERMISSIONS = (Permission(MODEL_ROLLOUTS, frozenset({"create"}), Feature.DISCOVERY),)

_KINDS = {"Service": BackendKind.SERVICE, "InferencePool": BackendKind.INFERENCE_POOL}
_VERSION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def appeared(
    policy: Policy, candidates: Iterable[Obj], released: Iterable[str], serving: Release | None
) -> Obj | None:
    """The newest backend of a version that was never released, as an object; None if there is none. Pure.

    ``candidates`` are the Services and InferencePools of the policy's namespace; ``released`` are the
    versions that have a ModelRollout. While nobody knows what serves, nothing is new.
    """
    if serving is None or serving.backend is None:
        return None
    known = {*released, serving.version}
    found: list[tuple[str, Obj]] = []
    since: str | None = None
    for obj in candidates:
        metadata = mapping(obj.get("metadata"))
        born = text(metadata.get("creationTimestamp"))
        kind = _KINDS.get(text(obj.get("kind")))
        if (kind, metadata.get("name")) == (serving.backend.kind, serving.backend.name):
            since = born
            continue
        labels = mapping(metadata.get("labels"))
        version = text(labels.get(VERSION))
        wanted = labels.get(MODEL) == policy.model and CREATED not in labels
        if kind and wanted and _VERSION.fullmatch(version) and version not in known:
            found.append((born, obj))
    # instants of the API server are all of one form, so that their order is that of their texts
    newer = [(born, obj) for born, obj in found if since is not None and born > since]
    return max(newer, key=lambda each: (each[0], key_of(each[1]).name))[1] if newer else None


class Discovery:
    """Creates the ModelRollout. ``name`` makes its name from model and version."""

    def __init__(self, client: KubeClient, name: Callable[[str, str], str]) -> None:
        self._client = client
        self._name = name

    async def release(self, policy: Policy, backend: Obj) -> None:
        """Begin a release of the version that a backend bears. That it has begun already is fine."""
        labels: Mapping[str, object] = mapping(mapping(backend.get("metadata")).get("labels"))
        version = text(labels.get(VERSION))
        name = self._name(policy.model, version)
        spec = {
            "model": policy.model,
            "version": version,
            "backend": {"kind": text(backend.get("kind")), "name": key_of(backend).name},
        }
        body: Obj = {
            "apiVersion": MODEL_ROLLOUTS.api_version,
            "kind": MODEL_ROLLOUTS.kind,
            "metadata": {"name": name, "namespace": policy.namespace},
            "spec": spec,
        }
        try:
            await self._client.create(MODEL_ROLLOUTS, policy.namespace, body)
        except Conflict:
            return
        log.info("version_discovered", model=policy.model, version=version, backend=spec["backend"])
