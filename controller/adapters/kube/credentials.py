"""Where the cluster is and who we are: from a kubeconfig, or from the pod's service account.

**Invariant**: credentials are loaded again when they are about to end or were refused. When that fails the
old ones stay in use. No text of a kubeconfig gets into a message but the names in it.
"""

import asyncio
import math
import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_kube_config
from kubernetes.aio.config.incluster_config import InClusterConfigLoader
from yaml import YAMLError  # type: ignore[import-untyped]

from controller.errors import TargetError

log = structlog.get_logger(__name__)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_DEFAULT_NAMESPACE = "default"
_LOAD_SECONDS = 60.0
"""How long a credential plugin may take: it may ask a person to log in."""
_TOKEN_FILE_SECONDS = 60.0
"""How old a mounted token may get: the kubelet replaces it long before it ends."""
_BEFORE_END = timedelta(minutes=1)
_BETWEEN_LOADS_SECONDS = 5.0
_SETTINGS = (
    "api_key",
    "cert_file",
    "host",
    "key_file",
    "proxy",
    "ssl_ca_cert",
    "tls_server_name",
    "verify_ssl",
)
_UNUSABLE = (ConfigException, YAMLError, OSError, LookupError, TypeError, ValueError, AttributeError)

Load = Callable[[Configuration], Awaitable[tuple[str, float | None]]]
"""Fills in a configuration; the caller's namespace, and for how many seconds it is good, None for long."""


class Credentials:
    """Keeps the credentials of a configuration fresh.

    One load runs at a time, and no call that waits for it can end it: a plugin may be slower than a call.
    """

    def __init__(self, configuration: Configuration, load: Load) -> None:
        self._configuration = configuration
        self._load = load
        self._loaded = 0.0
        self._good_until = math.inf
        self._refused = False
        self._renewal: asyncio.Task[None] | None = None

    async def first(self) -> str:
        """Load them for the first time; the caller's namespace. Raises `TargetError` when that fails."""
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                return await self._loading()
        except TimeoutError as error:
            raise TargetError(f"the credential plugin gave nothing within {_LOAD_SECONDS:g} s") from error

    async def fresh(self) -> None:
        """Have them loaded again when they are about to end; wait for that only when they were refused."""
        now = _now()
        refused = self._refused and now >= self._loaded + _BETWEEN_LOADS_SECONDS
        if self._renewal is None and (refused or now >= self._good_until):
            self._renewal = asyncio.create_task(self._renew())
        if self._renewal is not None and self._refused:
            await asyncio.shield(self._renewal)

    def refused(self) -> None:
        """The API server did not accept them."""
        self._refused = True

    async def close(self) -> None:
        """Give up a load under way."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait({self._renewal})

    async def _renew(self) -> None:
        try:
            await self.first()
        except TargetError as error:
            self._loaded, self._good_until = _now(), _now() + _BETWEEN_LOADS_SECONDS
            log.warning("credentials_not_renewed", error=str(error))
        finally:
            self._renewal = None

    async def _loading(self) -> str:
        begun = _now()
        namespace, seconds = await self._load(self._configuration)
        self._loaded, self._refused = begun, False
        self._good_until = math.inf if seconds is None else begun + seconds
        return namespace


def _now() -> float:
    return asyncio.get_running_loop().time()


def default_kubeconfig() -> str | None:
    """What kubectl would use: the file or files that KUBECONFIG names, else the one in the home folder."""
    named = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    return named if any(Path(path).is_file() for path in named.split(os.pathsep) if path) else None


def from_kubeconfig(paths: str, context: str | None, server: str | None) -> Load:
    """Loads a kubeconfig. ``server`` replaces the address in it."""

    async def load(configuration: Configuration) -> tuple[str, float | None]:
        found = Configuration()
        try:
            loader = await load_kube_config(  # type: ignore[no-untyped-call]
                config_file=paths, context=context, client_configuration=found, persist_config=False
            )
            used = loader.current_context
            namespace = used["context"].get("namespace") or _DEFAULT_NAMESPACE
        except _UNUSABLE as error:
            # Of the other errors the text may quote the file, and a token with it.
            why = f": {str(error)[:200]}" if isinstance(error, ConfigException) else ""
            raise TargetError(f"the kubeconfig {paths} cannot be used{why}") from error
        if found.host.startswith("https") and not found.api_key and not found.cert_file:
            raise TargetError(
                f"context {used['name']} of {paths} gives no credentials. "
                "If its user has a credential plugin, run that by hand to see why."
            )
        for setting in _SETTINGS:
            setattr(configuration, setting, getattr(found, setting))
        if server is not None:
            configuration.host = server.rstrip("/")
        return namespace, _remaining(getattr(loader, "exec_plugin_expiry", None))

    return load


def _remaining(end: datetime | None) -> float | None:
    if end is None:
        return None
    return max((end - _BEFORE_END - datetime.now(UTC)).total_seconds(), _BETWEEN_LOADS_SECONDS)


def from_pod(folder: Path = SERVICE_ACCOUNT, environment: Mapping[str, str] = os.environ) -> Load:
    """Loads the pod's service account. Raises `TargetError` outside of a pod."""

    async def load(configuration: Configuration) -> tuple[str, float | None]:
        loader = InClusterConfigLoader(
            token_filename=str(folder / "token"),
            cert_filename=str(folder / "ca.crt"),
            # The library renews by the wall clock: set back, it would keep a token that has ended.
            try_refresh_token=False,
            environ=environment,
        )  # type: ignore[no-untyped-call]
        try:
            loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
            namespace = (folder / "namespace").read_text(encoding="utf-8").strip()
        except (ConfigException, OSError, ValueError) as error:
            raise TargetError(
                "there is no cluster to talk to: no kubeconfig, and not in a pod with a service account. "
                "Name a kubeconfig, or set KUBECONFIG."
            ) from error
        return namespace or _DEFAULT_NAMESPACE, _TOKEN_FILE_SECONDS

    return load
