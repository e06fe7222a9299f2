"""What a cluster's daemon was told: from its Deployment, or from settings. Pure.

**Source**: the manifests in ``deploy/``; apps/v1 Deployment.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from controller.adapters.kube.identity import Key, key_of
from controller.adapters.kube.resources import Obj
from controller.adapters.kube.sharding import suffixed
from controller.adapters.kube.untrusted import mapping, number, sequence, text
from controller.cli.doctor.findings import Finding, failed, ok
from controller.domain.sharding import Shard, shard_from
from controller.features import Feature
from controller.kubernetes_settings import KubernetesSettings
from controller.settings import Settings

LABELS = "app.kubernetes.io/name=serinus"
HOME = "serinus"
"""The namespace of a daemon that nobody installed elsewhere."""
EVERYWHERE = "*"
_ENV = "SERINUS_KUBERNETES__"
_SERVERS = "SERINUS_PROMETHEUS_SERVERS"
_LEASE = "serinus"
_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


@dataclass(frozen=True, slots=True)
class Setup:
    """``account`` is the service account that it acts as, as a user name; empty when that is the caller.

    ``lease`` is what the leader's is called; each of several ``shards`` has one of its own (`leases`).
    ``policies`` are the ConfigMaps, in the namespace of its lease, that its policies come from. ``servers``
    are the names of further Prometheus servers, None where they are not known. ``supposed`` says that no
    daemon was found.
    """

    namespaces: tuple[str, ...]
    features: frozenset[Feature]
    lease: Key
    account: str = ""
    prometheus: str = ""
    servers: frozenset[str] | None = None
    policies: tuple[str, ...] = ()
    supposed: bool = False
    shards: int = 1

    @property
    def leases(self) -> list[Key]:
        """That of each shard."""
        shards = (Shard(index, self.shards) for index in range(1, self.shards + 1))
        return [Key(self.lease.namespace, suffixed(self.lease.name, shard)) for shard in shards]

    def allows(self, namespace: str) -> bool:
        """Whether policies may act there, as far as is known."""
        return self.supposed or EVERYWHERE in self.namespaces or namespace in self.namespaces

    def does(self, feature: Feature) -> bool:
        """Whether the feature is on, as far as is known."""
        return self.supposed or feature in self.features


def setup_in(deployment: Obj) -> Setup:
    """What the Deployment's environment says; what it takes from elsewhere counts as not said."""
    home = key_of(deployment).namespace
    pod = mapping(mapping(mapping(deployment.get("spec")).get("template")).get("spec"))
    env = dict(_variables(pod))
    account = text(pod.get("serviceAccountName")) or "default"
    known = {feature.value: feature for feature in Feature}
    return Setup(
        namespaces=_listed(env.get(f"{_ENV}NAMESPACES", "")),
        features=frozenset(known[name] for name in _listed(env.get(f"{_ENV}FEATURES", "")) if name in known),
        lease=Key(
            env.get(f"{_ENV}LEASE_NAMESPACE") or home,
            env.get(f"{_ENV}LEASE_NAME") or _LEASE,
        ),
        account=account_name(home, account),
        prometheus=env.get("SERINUS_PROMETHEUS__URL", ""),
        servers=_servers(env),
        policies=tuple(_config_maps(pod)),
        shards=_shards(env.get(f"{_ENV}SHARD", "")),
    )


def setup_of(cluster: KubernetesSettings, settings: Settings) -> Setup:
    """What the daemon's own settings say, read where it runs."""
    lease = Key(cluster.lease_namespace, cluster.lease_name)
    servers = frozenset(settings.prometheus_servers)
    return Setup(
        cluster.namespaces,
        cluster.features,
        lease,
        prometheus=settings.prometheus.url,
        servers=servers,
        shards=cluster.share.count,
    )


def _servers(env: Mapping[str, str]) -> frozenset[str] | None:
    if "SERINUS_SETTINGS" in env or _SERVERS in env:
        return None
    named = (name.removeprefix(f"{_SERVERS}__") for name in env if name.startswith(f"{_SERVERS}__"))
    return frozenset(name.split("__")[0].lower() for name in named)


def setup_without(namespace: str) -> Setup:
    """What is supposed when there is no daemon to ask."""
    return Setup((namespace,), frozenset(), Key(HOME, _LEASE), supposed=True)


def account_name(namespace: str, name: str) -> str:
    """A service account as RBAC's user."""
    return f"system:serviceaccount:{namespace}:{name}"


def runs(deployment: Obj) -> Finding:
    """Whether a copy of it can work."""
    key, status = key_of(deployment), mapping(deployment.get("status"))
    wanted = number(mapping(deployment.get("spec")).get("replicas", 1))
    ready = number(status.get("readyReplicas"))
    if ready:
        return ok("daemon", str(key), f"{ready} of {wanted} copies are ready")
    if not wanted:
        return failed(
            "daemon",
            str(key),
            "it is scaled to 0",
            f"kubectl scale deployment {key.name} -n {key.namespace} --replicas 2",
        )
    return failed(
        "daemon",
        str(key),
        f"0 of {wanted} copies are ready",
        f"kubectl describe deployment {key.name} -n {key.namespace}; "
        f"kubectl logs deployment/{key.name} -n {key.namespace}",
    )


def acts_somewhere(setup: Setup, where: str) -> Finding | None:
    """A daemon that may act nowhere does nothing, in silence."""
    if setup.namespaces:
        return None
    return failed(
        "daemon",
        where,
        "it may act in no namespace",
        f'set {_ENV}NAMESPACES to a JSON list, such as ["ml"], or ["{EVERYWHERE}"] for all',
    )


def _variables(pod: Obj) -> Iterator[tuple[str, str]]:
    """With references to variables before them replaced, as the kubelet does it."""
    for container in map(mapping, sequence(pod.get("containers"))):
        seen: dict[str, str] = {}
        for variable in map(mapping, sequence(container.get("env"))):
            if "valueFrom" not in variable:
                seen[text(variable.get("name"))] = _expanded(text(variable.get("value")), seen)
        yield from seen.items()


def _expanded(value: str, seen: Mapping[str, str]) -> str:
    """A reference to what is not known stays as it is written."""
    return _REFERENCE.sub(lambda found: seen.get(found[1], found[0]), value)


def _listed(value: str) -> tuple[str, ...]:
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return ()
    return tuple(each for each in sequence(found) if isinstance(each, str))


def _shards(written: str) -> int:
    try:
        return shard_from(written).count
    except ValueError:
        return 1


def _config_maps(pod: Obj) -> Iterator[str]:
    """Those of the volume that is called policies."""
    for volume in map(mapping, sequence(pod.get("volumes"))):
        if volume.get("name") != "policies":
            continue
        sources = [volume, *map(mapping, sequence(mapping(volume.get("projected")).get("sources")))]
        for source in sources:
            found = mapping(source.get("configMap"))
            if name := text(found.get("name")):
                yield name
