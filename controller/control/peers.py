"""Who is at the other end of the socket, by the kernel's word, and what they may do.

**Invariant**: nothing that the other side says about itself is believed.
"""

import pwd
import socket
import struct
from dataclasses import dataclass

_CREDENTIALS = struct.Struct("3i")
_GROUP = struct.Struct("I")
_SO_PEERGROUPS = 59  # Linux 4.13 and later; the socket module has no name for it
_MOST_GROUPS = 256  # Python reads at most 1,024 bytes of a socket option
_ROOT = 0


@dataclass(frozen=True, slots=True)
class Peer:
    """A process at the other end, when it connected. ``groups`` holds its own and its supplementary ones."""

    uid: int
    groups: frozenset[int]

    @property
    def actor(self) -> str:
        """How the log names the person: ``ann(1000)``."""
        try:
            return _actor(pwd.getpwuid(self.uid))
        except KeyError:
            return f"unknown({self.uid})"


def actor_named(name: str) -> str:
    """How the log names an account of this machine, whichever way its person comes; else the name itself."""
    try:
        return _actor(pwd.getpwnam(name))
    except KeyError:
        return name


def peer_of(connection: socket.socket) -> Peer:
    """The peer of a connected Unix socket."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, gid = _CREDENTIALS.unpack(credentials)
    return Peer(uid, frozenset({gid, *_supplementary(connection)}))


def may_steer(peer: Peer, *, own_uid: int, operators_gid: int | None) -> bool:
    """Whether the peer may change anything; everyone who can connect may read."""
    return peer.uid in (_ROOT, own_uid) or operators_gid in peer.groups


def _actor(account: pwd.struct_passwd) -> str:
    return f"{account.pw_name}({account.pw_uid})"


def _supplementary(connection: socket.socket) -> tuple[int, ...]:
    """Empty where the kernel cannot tell, or there are too many: then only a peer's own group counts."""
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _GROUP.size * _MOST_GROUPS)
    except OSError:
        return ()
    return tuple(gid for (gid,) in _GROUP.iter_unpack(raw))
