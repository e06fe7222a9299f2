"""A cluster, asked from synchronous code: the caller's kubeconfig, and errors in words for people."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from controller.adapters.kube.calls import CallLimits
from controller.adapters.kube.client import KubeClient
from controller.adapters.kube.connection import open_connection
from controller.adapters.kube.errors import Forbidden, NotFound, NotServed, Rejected
from controller.adapters.kube.resources import MODEL_ROLLOUTS
from controller.adapters.kube.transport import Transport
from controller.cli.way import ClusterOptions, kubeconfig_files
from controller.control import errors as told
from controller.errors import Conflict, ControllerError, TargetError, TransientError

T = TypeVar("T")

INSTALL = (
    "kubectl apply -k deploy/kubernetes/overlays/cluster   (or helm install serinus deploy/helm/serinus)"
)
_WORDS: tuple[tuple[type[ControllerError], type[told.ControlError], str], ...] = (
    (Forbidden, told.NotPermitted, "kubectl auth can-i --list"),
    (NotFound, told.NotFound, "serinus get"),
    (Rejected, told.InvalidRequest, ""),
    (Conflict, told.Refused, "serinus get"),
    (TransientError, told.Unavailable, "kubectl cluster-info"),
    (TargetError, told.Unavailable, "kubectl config get-contexts"),
)
"""Ours for the adapters', the more special first, and the command to type next."""
_CALL_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Access:
    """An open way to a cluster. ``namespace`` is None when all are meant, ``home`` is the caller's own."""

    client: KubeClient
    transport: Transport
    runner: asyncio.Runner
    namespace: str | None
    home: str
    options: ClusterOptions

    @property
    def user(self) -> str:
        """The caller's name in the kubeconfig; empty when none says."""
        return user_named(kubeconfig_files(self.options.kubeconfig), self.options.context)

    def ask(self, question: Callable[[KubeClient], Awaitable[T]]) -> T:
        """Ask, and wait for the answer. Raises `ControlError`."""

        async def asked() -> T:
            return await question(self.client)

        try:
            return self.runner.run(asked())
        except ControllerError as error:
            raise in_words(error) from error


@contextmanager
def connect(options: ClusterOptions, waiting: timedelta) -> Iterator[Access]:
    """A connection to the cluster that the command line names. Raises `Unavailable` when there is none."""
    each = min(_CALL_TIMEOUT, waiting)
    limits = CallLimits(timeout=each, list_timeout=waiting)
    with asyncio.Runner() as runner:
        try:
            transport, home = runner.run(open_connection(options.kubeconfig, options.context, None))
        except ControllerError as error:
            raise in_words(error) from error
        home = options.namespace or home
        client = KubeClient(transport, namespace=home, limits=limits)
        namespace = None if options.all_namespaces else home
        try:
            yield Access(client, transport, runner, namespace, home, options)
        finally:
            runner.run(client.close())


def in_words(error: ControllerError) -> told.ControlError:
    """The same error with the command to type next."""
    if isinstance(error, told.ControlError):
        return error
    if isinstance(error, NotServed) and MODEL_ROLLOUTS.group in str(error):
        return told.Unavailable(
            "this cluster knows no ModelRollouts: Serinus is not installed in it", INSTALL
        )
    for known, made, hint in _WORDS:
        if isinstance(error, known):
            return made(str(error), hint)
    return told.ControlError(str(error))


def user_named(files: Sequence[Path], context: str | None) -> str:
    """The caller's name in the kubeconfig's context; empty when it cannot be read: it is only shown."""
    from ruamel.yaml import YAML  # noqa: PLC0415 - reading needs no name
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415 - as above

    parsed = []
    for file in files:
        with suppress(OSError, UnicodeError, YAMLError, RecursionError):
            parsed.append(YAML(typ="safe", pure=True).load(file.read_text("utf-8")))
    return user_in([each for each in parsed if isinstance(each, dict)], context)


def user_in(configs: Sequence[dict[str, object]], context: str | None) -> str:
    """The first that says something wins. **Source**: kubectl, "Merging kubeconfig files"."""
    current = next((each["current-context"] for each in configs if each.get("current-context")), "")
    wanted = context or current
    for config in configs:
        contexts = config.get("contexts")
        for each in contexts if isinstance(contexts, list) else ():
            match each:
                case {"name": name, "context": {"user": str(user)}} if name == wanted:
                    return user
    return ""
