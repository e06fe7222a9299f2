"""A real kube-apiserver with its etcd on loopback: RBAC on, TLS verified, one token per identity.

Nothing else of a cluster runs: no kubelet, scheduler or controller manager. So a Deployment makes no pods, no
garbage is collected, no endpoints appear and a deleted namespace never goes away, unless a test does it.

The server makes its own certificate, signed by a CA of its own that stands in the same file; service account
tokens are signed with the certificate's key. They outlive ``stop()`` and ``start()``, as do data and ports.
"""

import base64
import os
import signal
import ssl
import subprocess
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Self

import httpx2

from deploy.local.stack import Service, Stack, find_program, replace_json
from tests.kube.admin import AdminClient
from tests.kube.commands import LOOPBACK, Commands
from tests.kube.reaper import Reaper
from tests.kube.shim import Shim

ADMIN = "admin"
IDENTITIES = (ADMIN, "serinus-a", "serinus-b", "serinus-c", "simulator", "ann", "ben", "nobody")
_SERVICE_ACCOUNT = "system:serviceaccount:"


class ApiServer:
    """The two processes and what their users need. Leaving the context stops them.

    Identities are user names without any right, but for ``admin`` (group system:masters); bind roles to them.
    """

    def __init__(self, assets: Path, folder: Path) -> None:
        self.folder = folder.resolve()
        self._commands = Commands(assets, self.folder)
        self._stack = Stack(self.folder)
        self._reaper: Reaper | None = None
        self._tokens = {name: f"token-of-{name}" for name in IDENTITIES}
        self._commands.tokens_file.write_text(
            "".join(
                f'{token},{name},{name},"{"system:masters" if name == ADMIN else ""}"\n'
                for name, token in self._tokens.items()
            )
        )

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # the processes

    @property
    def url(self) -> str:
        """The server as everybody uses it: behind the shim, which outlives ``stop()``."""
        return self.shim.url

    @cached_property
    def shim(self) -> Shim:
        """Makes the server look like one of today."""
        return Shim(self.port, self.ca_file, self.key_file)

    @property
    def port(self) -> int:
        """The server's own port."""
        return self._commands.api_port

    @property
    def direct_url(self) -> str:
        """The server itself, which knows no discovery.k8s.io/v1, policy/v1 and autoscaling/v2."""
        return f"https://{LOOPBACK}:{self.port}"

    @property
    def ca_file(self) -> Path:
        """The server's certificate followed by its CA's."""
        return self._commands.certificate

    @property
    def key_file(self) -> Path:
        """The certificate's key: proxies stand in for the server with it."""
        return self._commands.key

    def start(self, timeout_seconds: float = 60) -> None:
        """Start both processes, on the data and the ports of before; they are ready when it returns."""
        deadline = time.monotonic() + timeout_seconds
        etcd = self._stack.launch("etcd", self._commands.etcd(), self._commands.etcd_port, {})
        server = self._stack.launch("kube-apiserver", self._commands.kube_apiserver(), self.port, {})
        self._reaper = Reaper(etcd.pid, server.pid)
        while not self._ready():
            if server.process.poll() is not None or time.monotonic() > deadline:
                tail = server.log.read_bytes()[-2000:].decode(errors="replace")
                msg = f"kube-apiserver is not ready (exit status {server.process.poll()}):\n{tail}"
                raise RuntimeError(msg)
            time.sleep(0.05)

    def stop(self) -> None:
        """End both processes by pid; ``start()`` brings everything back. Idempotent."""
        # its grace period for open watches is of no use to tests
        for service in reversed(self._stack.services):
            service.kill()
        self._stack.services.clear()
        if self._reaper is not None:
            self._reaper.dismiss()
            self._reaper = None

    def heal(self) -> None:
        """Start again whatever a test left ended or stopped."""
        for service in self._stack.services:
            service.process.send_signal(signal.SIGCONT)
        if len(self._stack.services) < 2 or any(found.process.poll() is not None for found in self.services):
            self.stop()
            self.start()

    def close(self) -> None:
        """Stop, and close the shim and the admin's connections."""
        if "admin" in self.__dict__:
            self.admin.close()
        if "shim" in self.__dict__:
            self.shim.close()
        self.stop()

    @property
    def services(self) -> tuple[Service, ...]:
        """The running processes: etcd, kube-apiserver."""
        return tuple(self._stack.services)

    def _ready(self) -> bool:
        if not self.ca_file.exists():
            return False
        try:
            with httpx2.Client(verify=self.tls, trust_env=False, timeout=2) as client:
                headers = {"authorization": f"Bearer {self._tokens[ADMIN]}"}
                return client.get(f"{self.direct_url}/readyz", headers=headers).status_code == httpx2.codes.OK
        except (httpx2.HTTPError, ssl.SSLError):
            return False

    # who speaks to it

    @property
    def tls(self) -> ssl.SSLContext:
        """Trusts this server and nobody else."""
        return ssl.create_default_context(cafile=self.ca_file)

    @cached_property
    def admin(self) -> AdminClient:
        """May do everything; for the set-up of tests."""
        return AdminClient(self.url, self.tls, self._tokens[ADMIN])

    @property
    def identities(self) -> Mapping[str, str]:
        """Identity of each token."""
        return MappingProxyType({token: name for name, token in self._tokens.items()})

    def token(self, identity: str) -> str:
        """The token of one of `IDENTITIES`, or of an existing ``system:serviceaccount:NAMESPACE:NAME``."""
        if identity not in self._tokens and identity.startswith(_SERVICE_ACCOUNT):
            namespace, name = identity.removeprefix(_SERVICE_ACCOUNT).split(":")
            self._tokens[identity] = self.admin.service_account_token(namespace, name)
        return self._tokens[identity]

    def kubeconfig(self, identity: str, server_url: str | None = None, *, namespace: str = "default") -> Path:
        """A file for kubectl, the daemon and the command line; ``server_url`` is that of a proxy."""
        server = server_url or self.url
        certificate = base64.b64encode(self.ca_file.read_bytes()).decode()
        context = {"cluster": "test", "user": identity, "namespace": namespace}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "test", "cluster": {"server": server, "certificate-authority-data": certificate}}
            ],
            "users": [{"name": identity, "user": {"token": self.token(identity)}}],
            "contexts": [{"name": "test", "context": context}],
            "current-context": "test",
        }
        name = "-".join((identity.replace(":", "."), namespace, server.rpartition(":")[2]))
        path = self.folder / f"{name}.kubeconfig"
        replace_json(path, config)  # at once: a daemon may be reading it
        return path

    def kubectl(
        self,
        *args: str,
        identity: str = ADMIN,
        input: str | None = None,  # noqa: A002 - the name of subprocess.run
        check: bool = True,
        server_url: str | None = None,
        namespace: str = "default",
        timeout_seconds: float = 60,
    ) -> "subprocess.CompletedProcess[str]":
        """Run the machine's kubectl. Raises AssertionError with its words if it fails, unless told not to."""
        config = self.kubeconfig(identity, server_url, namespace=namespace)
        done = subprocess.run(
            (find_program("kubectl"), f"--kubeconfig={config}", *args),
            env={**os.environ, "HOME": str(self.folder), "KUBECONFIG": str(config)},  # its caches stay ours
            input=input,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(args)}: {done.stderr}{done.stdout}"
        return done
