"""Which way a command goes: through the socket of a daemon on this machine, or through a cluster's API.

Light to import: every command, help and completion need it.
"""

import os
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any

PLUGIN = "kubectl serinus"
"""The command's name when kubectl calls it."""

_PATHS = ("socket", "kubeconfig")
_IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class Way(Enum):
    """Where the daemon is asked."""

    SOCKET = auto()
    CLUSTER = auto()


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """The cluster as the command line names it; None is what the kubeconfig says."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    all_namespaces: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """What to type to name it again; empty if nothing was named."""
        words: list[str] = []
        for option, value in (("--kubeconfig", self.kubeconfig), ("--context", self.context)):
            words += [option, str(value)] if value is not None else []
        if self.all_namespaces:
            return (*words, "-A")
        return (*words, "-n", self.namespace) if self.namespace is not None else tuple(words)


@dataclass(frozen=True, slots=True)
class Line:
    """What was typed before and after the command that says where to go.

    ``socket_typed`` is False for a socket that only the environment names; ``plugin`` is True when kubectl
    called.
    """

    socket: Path | None = None
    socket_typed: bool = False
    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    plugin: bool = False

    @property
    def prefix(self) -> tuple[str, ...]:
        """What the command to type next begins with."""
        called = tuple(PLUGIN.split()) if self.plugin else ("serinus",)
        socket = ("--socket", str(self.socket)) if self.socket is not None and self.socket_typed else ()
        return (*called, *socket, *self.cluster.words)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What there is to go to when the line names nothing."""

    socket: Path
    socket_exists: bool
    cluster_known: bool


def choose(line: Line, there: Surroundings) -> Way:
    """Raises `InvalidRequest` for a line that names both, `Unavailable` when there is neither."""
    from controller.control.errors import InvalidRequest, Unavailable  # noqa: PLC0415 - lazy

    if line.plugin or line.cluster.words:
        if line.socket_typed:
            raise InvalidRequest(
                "--socket names the daemon of one machine, and the rest a cluster: give one of them",
                "serinus get --namespace NAMESPACE",
            )
        return Way.CLUSTER
    if line.socket is not None or there.socket_exists:
        return Way.SOCKET
    if there.cluster_known:
        return Way.CLUSTER
    raise Unavailable(
        f"no daemon answers at {there.socket}, and there is no kubeconfig that names a cluster",
        "serinus run   (or name a socket with --socket, or a cluster with --kubeconfig)",
    )


def surroundings(socket: Path) -> Surroundings:
    """What this machine and this environment offer; ``socket`` is where a daemon listens by default."""
    return Surroundings(socket, os.access(socket, os.F_OK), _cluster_known())


def kubeconfig_files(named: Path | None) -> list[Path]:
    """Where clusters are described: the file that was named, those of ``KUBECONFIG``, or the user's."""
    if named is not None:
        return [named]
    listed = os.environ.get("KUBECONFIG", "")
    files = [each for each in listed.split(os.pathsep) if each] or ["~/.kube/config"]
    return [Path(os.path.expanduser(file)) for file in files]  # noqa: PTH111 - Path.expanduser may raise


def _cluster_known() -> bool:
    in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ and os.access(_IN_CLUSTER, os.R_OK)
    return in_cluster or any(os.access(file, os.R_OK) for file in kubeconfig_files(None))


def line_of(root: Any, socket: Path | None, cluster: ClusterOptions) -> Line:
    """What was typed, with what else the root command's context knows of it."""
    source = root.get_parameter_source("socket")
    typed = source is not None and source.name == "COMMANDLINE"
    return Line(socket, typed, cluster, plugin=root.info_name == PLUGIN)


def line_so_far(root: Any) -> Line:
    """The same while a line is being completed, when nothing is parsed."""
    given = root.params
    socket, kubeconfig = (None if given.get(each) is None else Path(given[each]) for each in _PATHS)
    names = given.get("cluster_context"), given.get("namespace")
    return line_of(root, socket, ClusterOptions(kubeconfig, *names, bool(given.get("all_namespaces"))))
