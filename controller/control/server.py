"""The daemon's end of the socket: one request, one answer, for a bounded number of callers at a time.

**Invariant**: who may do what follows from the kernel's word on the caller alone, and a caller that sends
too much, too slowly or nonsense costs no more than its own connection.
"""

import asyncio
import contextlib
import os
from datetime import timedelta
from pathlib import Path

import structlog
from pydantic import BaseModel

from controller.control.errors import ControlError, ErrorCode, InvalidRequest, NotPermitted
from controller.control.fleet import FleetControl
from controller.control.listening import bind_listener, identity
from controller.control.peers import Peer, may_steer, peer_of
from controller.control.protocol import (
    LONGEST_REQUEST_BYTES,
    CommandRequest,
    DeployRequest,
    EntriesRequest,
    FleetRequest,
    GetRequest,
    HistoryRequest,
    PauseAllRequest,
    ReadingRequest,
    RecordRequest,
    Request,
    StatusRequest,
    SteeringRequest,
    WhyRequest,
    error_answer,
    parse_request,
    result_answer,
)
from controller.control.service import ControlService
from controller.errors import TargetError, TransientError

log = structlog.get_logger(__name__)

MOST_CONNECTIONS = 32
_TRANSFER_TIMEOUT = timedelta(seconds=10)
_WORK_TIMEOUT = timedelta(seconds=30)
_CLOSE_TIMEOUT = timedelta(seconds=1)


class ControlServer:
    """Listens at ``path`` between `start` and `close`.

    Root, the daemon's own user and the members of ``operators_gid`` may steer; whoever else the file's
    permissions let in may read. ``socket_gid`` is the group that may connect, by default ``operators_gid``.
    ``transfer_timeout`` bounds the reading of a request and the writing of an answer.
    """

    def __init__(
        self,
        path: Path,
        service: ControlService,
        fleet: FleetControl,
        *,
        operators_gid: int | None = None,
        socket_gid: int | None = None,
        transfer_timeout: timedelta = _TRANSFER_TIMEOUT,
    ) -> None:
        self._path = path
        self._service = service
        self._fleet = fleet
        self._operators_gid = operators_gid
        self._socket_gid = operators_gid if socket_gid is None else socket_gid
        self._transfer_seconds = transfer_timeout.total_seconds()
        self._server: asyncio.Server | None = None
        self._identity: tuple[int, int] | None = None
        self._callers: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises `TargetError` when the socket cannot be made or another daemon answers there."""
        listener = bind_listener(self._path, self._socket_gid)
        self._identity = identity(self._path)
        self._server = await asyncio.start_unix_server(
            self._connected, sock=listener, limit=LONGEST_REQUEST_BYTES
        )
        log.info("control_listening", socket=str(self._path))

    async def close(self) -> None:
        """Take no more requests, finish those in hand within 1 s, and remove the socket file."""
        if self._server is None:
            return
        self._server.close()
        if self._callers:
            _, late = await asyncio.wait(self._callers, timeout=_CLOSE_TIMEOUT.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._identity is not None and identity(self._path) == self._identity:
            self._path.unlink(missing_ok=True)
        self._server = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        full = len(self._callers) >= MOST_CONNECTIONS
        self._callers.add(task)
        try:
            if full:
                answer = error_answer(
                    ErrorCode.UNAVAILABLE, "too many callers at a time; try again in a moment"
                )
            else:
                answer = await self._answer(reader, peer_of(writer.get_extra_info("socket")))
            async with asyncio.timeout(self._transfer_seconds):
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, TimeoutError):
            writer.transport.abort()  # the caller went away, or does not read
        finally:
            self._callers.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(self._transfer_seconds):
                    await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, peer: Peer) -> bytes:
        try:
            request = parse_request(await self._line(reader))
            async with asyncio.timeout(_WORK_TIMEOUT.total_seconds()):
                return result_answer(await self._perform(request, peer))
        except ControlError as error:
            return error_answer(error.code, error.message, error.hint)
        except (TransientError, TargetError) as error:
            return error_answer(ErrorCode.UNAVAILABLE, str(error))
        except TimeoutError:
            message = (
                f"not finished within {_WORK_TIMEOUT.total_seconds():g} s; what came of it is not known yet"
            )
            return error_answer(ErrorCode.UNAVAILABLE, message, "serinus get")
        except ConnectionError:
            raise
        except Exception:  # a defect must not take the socket away from everybody else
            log.exception("control_request_failed", actor=peer.actor)
            return error_answer(ErrorCode.INTERNAL, "the daemon failed to answer; its log says why")

    async def _line(self, reader: asyncio.StreamReader) -> bytes:
        try:
            async with asyncio.timeout(self._transfer_seconds):
                return await reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            raise InvalidRequest(f"the request is longer than {LONGEST_REQUEST_BYTES // 1024} KiB") from None
        except asyncio.IncompleteReadError:
            raise InvalidRequest("the request does not end in a line feed") from None
        except TimeoutError:
            raise InvalidRequest(f"no request came within {self._transfer_seconds:g} s") from None

    async def _perform(self, request: Request, peer: Peer) -> BaseModel:
        if not isinstance(request, SteeringRequest):
            return await self._read(request)
        if not may_steer(peer, own_uid=os.geteuid(), operators_gid=self._operators_gid):
            log.warning("control_not_permitted", actor=peer.actor, op=request.op)
            raise NotPermitted(
                f"{peer.actor} may read, but not steer: only root, the daemon's user "
                "and members of the operators' group may"
            )
        return await self._steer(request, peer)

    async def _steer(self, request: SteeringRequest, peer: Peer) -> BaseModel:
        match request:
            case DeployRequest(model=model, version=version, endpoints=endpoints, request_id=request_id):
                return await self._service.deploy(
                    model, version, endpoints, actor=peer.actor, request_id=request_id
                )
            case CommandRequest(target=target, kind=kind, request_id=request_id):
                return await self._service.command(
                    target,
                    kind,
                    actor=peer.actor,
                    request_id=request_id,
                    note=request.note,
                    asking=request.asking,
                )

            case PauseAllRequest(paused=True, note=note):
                return await self._fleet.pause(peer.actor, note)
            case PauseAllRequest():
                return await self._fleet.resume(peer.actor)

    async def _read(self, request: ReadingRequest) -> BaseModel:
        match request:
            case FleetRequest():
                return await self._fleet.view()
            case GetRequest(target=target):
                return await self._service.get(target)
            case StatusRequest(target=target):
                return await self._service.status(target)
            case WhyRequest(target=target):
                return await self._service.why(target)
            case RecordRequest(target=target):
                return await self._service.record(target)
            case HistoryRequest(target=target, limit=limit, every=every):
                return await self._service.history(target, limit, every=every)
            case EntriesRequest(rollout=rollout, after_seq=after_seq, limit=limit):
                return await self._service.entries(rollout, after_seq, limit)
