"""The caller's end of the socket: synchronous, for the command line and scripts."""

import contextlib
import os
import socket
import tempfile
import time
import uuid
from datetime import timedelta
from pathlib import Path

from controller.control.errors import InvalidRequest, NotPermitted, Unavailable
from controller.control.fleet import FleetView
from controller.control.interface import ENTRIES_AT_ONCE, Order
from controller.control.protocol import (
    LONGEST_REQUEST_BYTES,
    CommandRequest,
    DeployRequest,
    EntriesRequest,
    FleetRequest,
    GetRequest,
    HistoryRequest,
    PauseAllRequest,
    RecordRequest,
    Request,
    ResultT,
    StatusRequest,
    WhyRequest,
    make_request,
    parse_answer,
)
from controller.control.record_view import RecordView
from controller.control.views import EntryList, OutcomeView, StatusList, StatusView
from controller.control.why import WhyView
from controller.domain.model import CommandKind

_SYSTEM_FOLDER = Path("/run/serinus")
_FILE = "serinus.sock"
ANSWER_TIMEOUT = timedelta(seconds=45)  # longer than the daemon works on a request
_LONGEST_ANSWER_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 1 << 16
_SENDINGS = 2


def default_socket() -> Path:
    """Where the daemon listens unless told otherwise: the machine's own place, else the user's.

    The machine's is chosen by whoever may make the socket there, or may connect to the one that is there.
    """
    system = _SYSTEM_FOLDER / _FILE
    if os.access(_SYSTEM_FOLDER, os.W_OK | os.X_OK) or os.access(system, os.W_OK):
        return system
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime) if runtime else Path(tempfile.gettempdir()) / f"serinus-{os.getuid()}"
    return folder / _FILE


class _ConnectionLost(Exception):
    """The daemon closed the connection without an answer."""


class ControlClient:
    """Asks the daemon at ``path``. Every call raises the `ControlError` that the daemon answered.

    Raises `Unavailable` when no daemon answers there, and `NotPermitted` when the file may not be opened. A
    connection that is lost is tried once more: requests carry an id that makes this harmless.
    """

    def __init__(self, path: Path, timeout: timedelta = ANSWER_TIMEOUT) -> None:
        self._path = path
        self._timeout_seconds = timeout.total_seconds()

    def deploy(self, order: Order) -> OutcomeView:
        """See `ControlService.deploy`. Raises `InvalidRequest` for what only a cluster can run."""
        request = make_request(
            DeployRequest,
            request_id=_new_id(),
            model=order.model,
            version=order.version,
            endpoints=_endpoints(order),
        )
        return self._call(request, OutcomeView)

    def command(
        self, target: str, kind: CommandKind, note: str = "", asking: int | None = None
    ) -> OutcomeView:
        """See `ControlService.command`."""
        request = make_request(
            CommandRequest, request_id=_new_id(), target=target, kind=kind, note=note, asking=asking
        )
        return self._call(request, OutcomeView)

    def pause_all(self, note: str = "") -> FleetView:
        """See `FleetControl.pause`."""
        return self._call(make_request(PauseAllRequest, paused=True, note=note), FleetView)

    def resume_all(self) -> FleetView:
        """See `FleetControl.resume`."""
        return self._call(make_request(PauseAllRequest, paused=False), FleetView)

    def fleet(self) -> FleetView:
        """See `FleetControl.view`."""
        return self._call(FleetRequest(), FleetView)

    def get(self, target: str | None = None) -> StatusList:
        """See `Reader.get`."""
        return self._call(make_request(GetRequest, target=target), StatusList)

    def status(self, target: str) -> StatusView:
        """See `Reader.status`."""
        return self._call(make_request(StatusRequest, target=target), StatusView)

    def why(self, target: str) -> WhyView:
        """See `Reader.why`."""
        return self._call(make_request(WhyRequest, target=target), WhyView)

    def record(self, target: str) -> RecordView:
        """See `Reader.record`."""
        return self._call(make_request(RecordRequest, target=target), RecordView)

    def history(self, target: str, limit: int, *, every: bool) -> EntryList:
        """See `Reader.history`."""
        return self._call(make_request(HistoryRequest, target=target, limit=limit, every=every), EntryList)

    def entries(self, rollout_id: str, after_seq: int, limit: int = ENTRIES_AT_ONCE) -> EntryList:
        """See `Reader.entries`."""
        return self._call(
            make_request(EntriesRequest, rollout=rollout_id, after_seq=after_seq, limit=limit), EntryList
        )

    def _call(self, request: Request, kind: type[ResultT]) -> ResultT:
        line = request.model_dump_json().encode() + b"\n"
        if len(line) > LONGEST_REQUEST_BYTES:
            raise InvalidRequest(f"the request is longer than {LONGEST_REQUEST_BYTES // 1024} KiB")
        for _ in range(_SENDINGS):
            try:
                return parse_answer(self._exchange(line), kind)
            except _ConnectionLost:
                continue
        raise Unavailable(
            f"the daemon at {self._path} closed the connection without an answer; its log says why"
        )

    def _exchange(self, line: bytes) -> bytes:
        deadline = time.monotonic() + self._timeout_seconds
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            try:
                connection.settimeout(self._timeout_seconds)
                connection.connect(str(self._path))
                with contextlib.suppress(BrokenPipeError):  # a daemon that refuses early has answered already
                    connection.sendall(line)
                return _receive(connection, deadline)
            except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
                raise Unavailable(
                    f"no daemon answers at {self._path}",
                    "serinus run   (or name its socket with --socket or SERINUS_SOCKET)",
                ) from None
            except PermissionError:
                raise NotPermitted(
                    f"you may not open {self._path}: ask to be made a member of its group",
                    f"ls -l {self._path}",
                ) from None
            except (TimeoutError, BlockingIOError):
                raise Unavailable(
                    f"the daemon at {self._path} did not answer within {self._timeout_seconds:g} s"
                ) from None
            except ConnectionError as error:
                raise _ConnectionLost from error
            except OSError as error:
                raise Unavailable(f"{self._path} cannot be used: {error.strerror or error}") from error


def _receive(connection: socket.socket, deadline: float) -> bytes:
    """The answer's line. Raises `TimeoutError` after ``deadline``, `ConnectionError` for half an answer."""
    chunks: list[bytes] = []
    size = 0
    while chunk := connection.recv(_CHUNK_BYTES):
        chunks.append(chunk)
        size += len(chunk)
        if chunk.endswith(b"\n"):
            return b"".join(chunks)
        if size > _LONGEST_ANSWER_BYTES:
            raise Unavailable("the daemon's answer is too long; ask for less with --limit")
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
    raise ConnectionResetError


def _endpoints(order: Order) -> tuple[str, ...]:
    of_a_cluster = (order.backend, order.image, order.args, order.container, order.storage_uri)
    if order.env or any(each is not None for each in of_a_cluster):
        raise InvalidRequest(
            "an image or a backend is run by a cluster, and this goes to the daemon of one machine",
            f"serinus deploy {order.model} {order.version} --endpoint HOST:PORT   "
            "(or name the cluster with --context or --namespace)",
        )
    if not order.endpoints:
        raise InvalidRequest(
            "this goes to the daemon of one machine: say where the version answers",
            f"serinus deploy {order.model} {order.version} --endpoint HOST:PORT",
        )
    return tuple(order.endpoints)


def _new_id() -> str:
    return str(uuid.uuid4())
