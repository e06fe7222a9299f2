"""How etcd and kube-apiserver are started: on loopback, with RBAC, tokens from a file, and no durability."""

import contextlib
import random
import socket
from dataclasses import dataclass, field
from pathlib import Path

LOOPBACK = "127.0.0.1"
_OPTIONS = (
    f"--bind-address={LOOPBACK}",
    "--advertise-address=192.0.2.1",  # for nobody; loopback is refused here
    "--service-cluster-ip-range=10.96.0.0/16",
    "--authorization-mode=RBAC",
    "--service-account-issuer=https://kubernetes.default.svc",
    # no controller makes service accounts for pods, or frees new nodes of their not-ready taint
    "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
    # fields of discovery.k8s.io/v1 that v1beta1 has behind gates
    "--feature-gates=EndpointSliceNodeName=true,EndpointSliceTerminatingCondition=true",
    "--enable-priority-and-fairness=false",  # tests are told 429 by the faulty proxy only
    "--profiling=false",
)


def lasting_port() -> int:
    """A free loopback port that no outgoing connection is given while its owner is away."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)  # Linux gives connections those from 32768 on
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


@dataclass(frozen=True, slots=True)
class Commands:
    """The two command lines; ports, data and certificates are the same at each start."""

    assets: Path
    folder: Path
    api_port: int = field(default_factory=lasting_port)
    etcd_port: int = field(default_factory=lasting_port)
    peer_port: int = field(default_factory=lasting_port)

    @property
    def tokens_file(self) -> Path:
        return self.folder / "tokens.csv"

    @property
    def certificate(self) -> Path:
        """The server writes its own here, followed by its CA's."""
        return self.folder / "certificates" / "apiserver.crt"

    @property
    def key(self) -> Path:
        """It signs the tokens of service accounts, too."""
        return self.certificate.with_suffix(".key")

    def etcd(self) -> tuple[str, ...]:
        client, peer = f"http://{LOOPBACK}:{self.etcd_port}", f"http://{LOOPBACK}:{self.peer_port}"
        return (
            str(self.assets / "etcd"),
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        )

    def kube_apiserver(self) -> tuple[str, ...]:
        return (
            str(self.assets / "kube-apiserver"),
            f"--etcd-servers=http://{LOOPBACK}:{self.etcd_port}",
            f"--secure-port={self.api_port}",
            f"--cert-dir={self.certificate.parent}",
            f"--token-auth-file={self.tokens_file}",
            f"--service-account-signing-key-file={self.key}",
            f"--service-account-key-file={self.key}",
            *_OPTIONS,
        )
