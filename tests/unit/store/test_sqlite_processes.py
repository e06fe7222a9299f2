"""Processes that are killed while they write, and that race each other, on one file."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import IO

from controller.adapters.store.sqlite import SqliteStore
from controller.domain.judge.base import Assessment
from controller.domain.model import Entry, Rollout
from controller.domain.policy import Policy, RouteRef
from controller.domain.release import Release
from controller.domain.vocabulary import Phase, Reason, Verdict

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

COMMON = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from controller.adapters.store.sqlite import SqliteStore
from controller.domain.judge.base import Assessment
from controller.domain.model import Entry
from controller.domain.vocabulary import Phase, Reason, Verdict
from controller.errors import Conflict

def following(read, actor):
    record = replace(read.rollout, seq=read.rollout.seq + 1, message=actor)
    line = Entry(record.seq, record.created_at, actor, "tick", record.phase, record.phase, record.reason,
                 "x" * 3000, None, 0, Assessment(Verdict.UNKNOWN))
    return record, line
"""

WRITER = (
    COMMON
    + """
async def main():
    store = SqliteStore(Path(sys.argv[1]))
    [read] = await store.open_rollouts("fraud")
    while True:
        read = await store.commit(read, *following(read, "writer"))
        print(read.rollout.seq, flush=True)

asyncio.run(main())
"""
)

RACER = (
    COMMON
    + """
async def main():
    store = SqliteStore(Path(sys.argv[1]))
    while True:
        [read] = await store.open_rollouts("fraud")
        print("ready", flush=True)
        if not sys.stdin.readline():
            return
        try:
            await store.commit(read, *following(read, sys.argv[2]))
            print("won", flush=True)
        except Conflict:
            print("lost", flush=True)

asyncio.run(main())
"""
)


async def begin(path: Path) -> None:
    policy = Policy("fraud", "ml", RouteRef("envoy", "/fraud"), "envoy", steps=(), checks=())
    record = Rollout("a", "fraud", Release("v2", ()), policy, created_at=NOW, created_by="ann", seq=1)
    phases = (Phase.PENDING, Phase.PENDING)
    assessment = Assessment(Verdict.UNKNOWN)
    line = Entry(1, NOW, "ann", "created", *phases, Reason.CREATED, "", None, 0, assessment)
    store = SqliteStore(path)
    await store.create(record, line)
    await store.close()


@contextmanager
def python(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def stream(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


async def test_a_writer_killed_at_any_moment_leaves_no_gap_and_no_torn_record(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    await begin(path)
    random = Random(7)
    for _ in range(6):
        with python(WRITER, str(path)) as process:
            said = [int(stream(process.stdout).readline()) for _ in range(random.randint(1, 25))]
            process.send_signal(signal.SIGKILL)
            said += [int(line) for line in stream(process.stdout).read().split("\n")[:-1]]

        store = SqliteStore(path)
        [read] = await store.open_rollouts("fraud")
        lines = await store.entries("a", 0, 100_000)
        assert [line.seq for line in lines] == list(range(1, read.rollout.seq + 1))
        assert read.rollout.seq >= said[-1]  # what was confirmed is there
        assert read.rollout.seq <= said[-1] + 2  # at most one confirmed but unheard, and one in the making
        await store.close()


async def test_of_two_processes_that_race_exactly_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    await begin(path)
    with python(RACER, str(path), "one") as one, python(RACER, str(path), "two") as two:
        for _ in range(20):
            for racer in (one, two):
                assert stream(racer.stdout).readline() == "ready\n"
            for racer in (one, two):
                print(file=stream(racer.stdin), flush=True)
            assert {stream(racer.stdout).readline() for racer in (one, two)} == {"won\n", "lost\n"}

    store = SqliteStore(path)
    assert [line.seq for line in await store.entries("a", 0, 100)] == list(range(1, 22))
    await store.close()
