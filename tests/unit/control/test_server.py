"""A real socket: who may do what, what a hostile caller costs, and what a restart finds."""

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from controller.control.client import ControlClient, default_socket
from controller.control.errors import InvalidRequest, NotFound, Refused, Unavailable
from controller.control.interface import Order
from controller.control.peers import Peer, may_steer, peer_of
from controller.control.server import MOST_CONNECTIONS, ControlServer
from controller.domain.model import CommandKind
from controller.domain.vocabulary import Phase
from controller.errors import TargetError
from tests.fakes import FakeStore
from tests.unit.control.stage import Stage, progressing, serving

OWN_UID = os.geteuid()


class SlowStore(FakeStore):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def models(self) -> Sequence[str]:
        self.begun.set()
        await self.go_on.wait()
        return await super().models()


def a_server(path: Path) -> ControlServer:
    stage = Stage()
    return ControlServer(path, stage.service, stage.fleet_control)


@asynccontextmanager
async def started(
    stage: Stage, path: Path, transfer_timeout: timedelta = timedelta(seconds=10)
) -> AsyncIterator[ControlServer]:
    server = ControlServer(path, stage.service, stage.fleet_control, transfer_timeout=transfer_timeout)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


async def send(path: Path, data: bytes) -> dict[str, dict[str, str]]:
    """What the daemon answers to raw bytes."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(data)
        await writer.drain()
    except ConnectionError:
        pass  # it answered before it had read everything
    answer: dict[str, dict[str, str]] = json.loads(await reader.readline())
    writer.close()
    return answer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s" / "serinus.sock"


class TestConversation:
    def test_a_deployment_and_all_that_can_be_read_of_it(self, path: Path) -> None:
        stage = Stage()
        with serving(stage, path):
            client = ControlClient(path)
            assert client.get().items == ()
            assert client.deploy(Order("fraud", "v2", ["10.0.0.7:8080"])).rollout == "fraud-1"
            assert client.command("fraud", CommandKind.PAUSE).phase is Phase.PAUSED
            assert [status.rollout for status in client.get().items] == ["fraud-1"]
            assert client.status("fraud").phase is Phase.PAUSED
            assert client.why("fraud-1").reason == "PausedByPerson"
            assert client.record("fraud").status.rollout == "fraud-1"
            assert [entry.event for entry in client.history("fraud", 9, every=True).items] == [
                "created",
                "rollout_paused",
            ]
            assert [entry.seq for entry in client.entries("fraud-1", 1).items] == [2]

    def test_the_actor_is_who_the_kernel_says(self, path: Path) -> None:
        stage = Stage()
        with serving(stage, path):
            ControlClient(path).deploy(Order("fraud", "v2", ["10.0.0.7:8080"]))
        assert stage.rollout("fraud-1").created_by.endswith(f"({OWN_UID})")

    def test_errors_keep_their_kind_and_their_hint(self, path: Path) -> None:
        with serving(Stage(), path):
            client = ControlClient(path)
            with pytest.raises(NotFound, match="no rollout yet") as missing:
                client.status("fraud")
            with pytest.raises(Refused, match="no policy"):
                client.deploy(Order("chat", "v2", ["h:1"]))
            with pytest.raises(InvalidRequest, match="HOST:PORT"):
                client.deploy(Order("fraud", "v2", ["nonsense"]))
        assert missing.value.hint.startswith("serinus deploy fraud")

    def test_a_request_that_makes_no_sense_is_not_even_sent(self, tmp_path: Path) -> None:
        client = ControlClient(tmp_path / "nobody-is-here")
        with pytest.raises(InvalidRequest, match="target"):
            client.status("m" * 129)
        with pytest.raises(InvalidRequest, match="64 KiB"):
            client.deploy(Order("fraud", "v2", ["h" * 1000] * 100))

    def test_a_store_that_fails_is_told_in_its_own_words(self, path: Path) -> None:
        stage = Stage()
        stage.store.broken = True
        with serving(stage, path), pytest.raises(Unavailable, match="free some space"):
            ControlClient(path).deploy(Order("fraud", "v2", ["h:1"]))

    async def test_a_defect_is_answered_without_its_details_and_the_daemon_goes_on(self, path: Path) -> None:
        class DefectivePolicies:
            def __contains__(self, model: str) -> bool:
                error = "a secret detail"
                raise RuntimeError(error)

        stage = Stage()
        stage.policies.in_force = DefectivePolicies()  # type: ignore[assignment]
        async with started(stage, path):
            broken = await send(path, b'{"protocol":1,"op":"status","target":"fraud"}\n')
            assert broken["error"]["code"] == "internal"
            assert "secret" not in broken["error"]["message"]
            assert "result" in await send(path, b'{"protocol":1,"op":"get"}\n')


class TestHostileCallers:
    async def test_a_line_beyond_64_kib_is_refused(self, path: Path) -> None:
        async with started(Stage(), path):
            answer = await send(path, b"x" * 200_000 + b"\n")
        assert answer["error"]["code"] == "invalid_request"
        assert "64 KiB" in answer["error"]["message"]

    async def test_a_caller_that_sends_nothing_is_let_go(self, path: Path) -> None:
        async with started(Stage(), path, timedelta(milliseconds=20)):
            reader, writer = await asyncio.open_unix_connection(path)
            answer = json.loads(await asyncio.wait_for(reader.readline(), 10))
            assert "no request came" in answer["error"]["message"]
            assert await asyncio.wait_for(reader.read(), 10) == b""
            writer.close()

    async def test_a_caller_that_hangs_up_in_the_middle_harms_nobody(self, path: Path) -> None:
        async with started(Stage(), path):
            for part in (b"", b'{"op"'):
                _, writer = await asyncio.open_unix_connection(path)
                writer.write(part)
                writer.transport.abort()
            assert "result" in await send(path, b'{"protocol":1,"op":"get"}\n')

    async def test_more_callers_than_allowed_are_turned_away_and_the_next_is_served(self, path: Path) -> None:
        async with started(Stage(), path):
            silent = [await asyncio.open_unix_connection(path) for _ in range(MOST_CONNECTIONS)]
            answer = await send(path, b'{"protocol":1,"op":"get"}\n')
            assert "too many callers" in answer["error"]["message"]
            for _, writer in silent:
                writer.close()
                await writer.wait_closed()
            async with asyncio.timeout(10):
                while "error" in await send(path, b'{"protocol":1,"op":"get"}\n'):
                    pass  # the server has not noticed yet that they hung up

    @pytest.mark.parametrize("hostile", [b"\n", b"{}\n", b"\xff\xfe\n", b'{"protocol":1,"op":"exit"}\n'])
    async def test_nonsense_is_refused(self, path: Path, hostile: bytes) -> None:
        async with started(Stage(), path):
            answer = await send(path, hostile)
        assert answer["error"]["code"] == "invalid_request"


class TestPermission:
    def test_root_the_daemons_user_and_operators_may_steer(self) -> None:
        nobody_special = Peer(1234, frozenset({1234, 77}))
        assert may_steer(Peer(0, frozenset({0})), own_uid=500, operators_gid=None)
        assert may_steer(Peer(500, frozenset({500})), own_uid=500, operators_gid=None)
        assert may_steer(nobody_special, own_uid=500, operators_gid=77)
        assert not may_steer(nobody_special, own_uid=500, operators_gid=78)
        assert not may_steer(nobody_special, own_uid=500, operators_gid=None)

    def test_the_kernel_says_who_is_at_the_other_end(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        with ours, theirs:
            peer = peer_of(ours)
        assert peer.uid == OWN_UID
        assert peer.groups == {os.getegid(), *os.getgroups()}

    def test_a_user_without_a_name_is_named_by_number(self) -> None:
        assert Peer(4_000_000_001, frozenset()).actor == "unknown(4000000001)"

    def test_only_the_owner_may_open_the_socket(self, path: Path) -> None:
        with serving(Stage(), path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_the_operators_group_may_open_it_where_there_is_one(self, path: Path) -> None:
        with serving(Stage(), path, operators_gid=os.getegid()):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            assert path.stat().st_gid == os.getegid()

    async def test_who_may_only_read_reads_and_does_not_steer(self, path: Path) -> None:
        stage = Stage()
        stage.begin(progressing())
        stranger = Peer(4_000_000_001, frozenset({4_000_000_001}))
        server = ControlServer(path, stage.service, stage.fleet_control)

        async def asked(line: bytes) -> dict[str, dict[str, str]]:
            reader = asyncio.StreamReader()
            reader.feed_data(line)
            answer: dict[str, dict[str, str]] = json.loads(await server._answer(reader, stranger))
            return answer

        assert "result" in await asked(b'{"protocol":1,"op":"get"}\n')
        refused = await asked(
            b'{"protocol":1,"op":"command","request_id":"request-1","target":"fraud","kind":"abort"}\n'
        )
        assert refused["error"]["code"] == "not_permitted"
        assert stage.rollout("fraud-1").phase is Phase.PROGRESSING


class TestSocketFile:
    def test_a_socket_left_behind_is_taken_over(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700)
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
        with serving(Stage(), path):
            assert ControlClient(path).get().items == ()
        assert not path.exists()

    async def test_a_socket_that_answers_is_left_to_its_daemon(self, path: Path) -> None:
        async with started(Stage(), path):
            with pytest.raises(TargetError, match="another daemon answers"):
                await a_server(path).start()
            assert "result" in await send(path, b'{"protocol":1,"op":"get"}\n')

    def test_a_file_that_is_no_socket_is_left_alone(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700)
        path.write_text("precious")
        with pytest.raises(TargetError, match="is no socket"):
            asyncio.run(a_server(path).start())
        assert path.read_text() == "precious"

    async def test_a_path_that_is_too_long_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(TargetError, match="cannot be made"):
            await a_server(tmp_path / ("s" * 120)).start()

    async def test_closing_leaves_a_socket_that_somebody_else_made_since(self, path: Path) -> None:
        server = a_server(path)
        await server.start()
        await asyncio.to_thread(path.unlink)
        async with started(Stage(), path):
            await server.close()
            assert "result" in await send(path, b'{"protocol":1,"op":"get"}\n')

    async def test_a_request_in_hand_is_answered_before_the_daemon_closes(self, path: Path) -> None:
        store = SlowStore()
        async with started(Stage(store), path) as server:
            asked = asyncio.create_task(send(path, b'{"protocol":1,"op":"get"}\n'))
            await store.begun.wait()
            closing = asyncio.create_task(server.close())
            store.go_on.set()
            assert "result" in await asked
            await closing


class TestClient:
    def test_without_a_daemon_the_path_and_the_way_to_start_it_are_named(self, tmp_path: Path) -> None:
        with pytest.raises(Unavailable, match=str(tmp_path / "none")) as error:
            ControlClient(tmp_path / "none").get()
        assert error.value.hint.startswith("serinus run")

    def test_a_daemon_that_is_gone_is_the_same(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(tmp_path / "dead"))
        with pytest.raises(Unavailable, match="no daemon answers"):
            ControlClient(tmp_path / "dead").get()

    def test_a_daemon_that_does_not_answer_is_not_waited_for_for_ever(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(str(tmp_path / "mute"))
            mute.listen()
            with pytest.raises(Unavailable, match="did not answer within"):
                ControlClient(tmp_path / "mute", timedelta(milliseconds=20)).get()

    def test_a_path_that_cannot_be_a_socket_is_an_error_and_not_a_crash(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / ("s" * 120)):
            with pytest.raises(Unavailable):
                ControlClient(path).get()

    def test_the_default_socket_has_an_absolute_path(self) -> None:
        assert default_socket().is_absolute()
        assert default_socket().name == "serinus.sock"
