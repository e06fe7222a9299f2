"""The engine processes: one for each image that is asked for, shared by all pods of that image."""

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path

from deploy.local.serving import train
from deploy.local.stack import REPOSITORY
from tests.kube.simulator.images import ECHO, FAULTY_ECHO

_SCRIPT = Path(__file__).with_name("engine_process.py")
_MODELS = REPOSITORY / "deploy" / "local" / ".build" / "models"
_SECONDS = 60.0
_PORTS_IN_USE = 50


class Engines:
    """Open only inside the event loop that uses it. ``folder`` gets the logs.

    Every pod has an address of its own in 127.0.0.0/8, so that all can listen on the same port number.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, _Process] = {}
        self._lock = asyncio.Lock()
        # two runs at the same time shall seldom meet; where they do, the next address is taken
        self._block = 1 + os.getpid() % 250
        self._last = 0

    async def open(self, engine: str, port: int) -> str:
        """Let the engine answer at a new address; the address, without the port."""
        process = await self._process(engine)
        for _ in range(_PORTS_IN_USE):
            self._last += 1
            ip = f"127.{self._block}.{self._last // 250}.{1 + self._last % 250}"
            if not await process.order("open", ip, port):
                return ip
        raise RuntimeError(f"no free address for {engine}")

    async def close(self, engine: str, ip: str, port: int) -> None:
        """Let it answer there no more, once the requests in hand are answered."""
        await (await self._process(engine)).order("close", ip, port)

    async def stop(self) -> None:
        """End all processes."""
        for process in self._processes.values():
            await process.stop()
        self._processes.clear()

    async def _process(self, engine: str) -> "_Process":
        async with self._lock:
            if engine not in self._processes:
                what = engine
                if engine not in (ECHO, FAULTY_ECHO):
                    await asyncio.to_thread(train.build, _MODELS)
                    what = str(_MODELS / engine)
                self._processes[engine] = await _Process.start(what, self._folder / f"engine-{engine}.log")
            return self._processes[engine]


class _Process:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._waiting: dict[tuple[str, str, int], asyncio.Future[str]] = {}
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, what: str, log: Path) -> "_Process":
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(_SCRIPT),
                what,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                start_new_session=True,
            )
        return cls(process)

    async def order(self, verb: str, ip: str, port: int) -> str:
        """Give an order; why it failed, or nothing."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[verb, ip, port] = answer
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({verb: [ip, port]}).encode() + b"\n")
        async with asyncio.timeout(_SECONDS):
            return await answer

    async def stop(self) -> None:
        self._reading.cancel()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            answer = json.loads(line)
            error = answer.pop("error")
            ((verb, (ip, port)),) = answer.items()
            if not (waiting := self._waiting.pop((verb, ip, port))).done():
                waiting.set_result(error)
        for waiting in self._waiting.values():
            waiting.set_result(f"the engine ended with {await self._process.wait()}")
