"""The folder as a running daemon follows it."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from controller.policy.catalogue import Catalogue
from controller.policy.watcher import FolderChange, PolicyFolder

POLL = timedelta(milliseconds=100)
PATIENCE_SECONDS = 15.0


def create(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "a.yaml").write_text(text)


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


@pytest.fixture
def folder(tmp_path: Path, policy_text: str) -> Path:
    folder = tmp_path / "policies"
    create(folder, policy_text)
    return folder


@asynccontextmanager
async def watched(policies: PolicyFolder) -> AsyncIterator[list[FolderChange]]:
    changes: list[FolderChange] = []
    task = asyncio.create_task(policies.watch(changes.append))
    try:
        yield changes
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_the_first_load_brings_everything_valid_into_force(folder: Path, catalogue: Catalogue) -> None:
    (folder / "broken.yaml").write_text("model: x\n")
    policies = PolicyFolder(folder, catalogue, POLL)
    change = await policies.load_all()
    assert change.models == {"fraud-detector"}
    assert set(policies.current()) == {"fraud-detector"}
    assert policies.origins() == {"fraud-detector": str(folder / "a.yaml")}
    assert set(policies.problems()) == {str(folder / "broken.yaml")} == set(change.problems)


async def test_an_edit_is_noticed_and_told_once(folder: Path, catalogue: Catalogue) -> None:
    policies = PolicyFolder(folder, catalogue, POLL)
    await policies.load_all()
    async with watched(policies) as changes:
        append(folder / "a.yaml", "bake: 1h\n")
        await until(lambda: policies.current()["fraud-detector"].bake == timedelta(hours=1))
        (folder / "b.yaml").write_text("model: b")
        await until(lambda: bool(policies.problems()))
        await until(lambda: len(changes) == 2)
    assert [change.models for change in changes] == [{"fraud-detector"}, frozenset()]


async def test_a_config_map_update_is_noticed(tmp_path: Path, policy_text: str, catalogue: Catalogue) -> None:
    def publish(version: str, text: str) -> None:
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.yaml").write_text(text)
        (tmp_path / "..data_tmp").symlink_to(version)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    publish("..2026_11_01", policy_text)
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    policies = PolicyFolder(tmp_path, catalogue, POLL)
    await policies.load_all()
    async with watched(policies):
        publish("..2026_11_02", policy_text + "bake: 1h\n")
        shutil.rmtree(tmp_path / "..2026_11_01")
        await until(lambda: policies.current()["fraud-detector"].bake == timedelta(hours=1))
    assert policies.problems() == {}


async def test_a_folder_that_vanishes_and_comes_back_is_survived(
    folder: Path, policy_text: str, catalogue: Catalogue
) -> None:
    policies = PolicyFolder(folder, catalogue, POLL)
    await policies.load_all()
    async with watched(policies):
        shutil.rmtree(folder)
        await until(lambda: str(folder) in policies.problems())
        assert set(policies.current()) == {"fraud-detector"}
        create(folder, policy_text + "bake: 1h\n")
        await until(lambda: policies.current()["fraud-detector"].bake == timedelta(hours=1))
        await until(lambda: policies.problems() == {})


async def test_a_folder_that_is_missing_from_the_start_is_waited_for(
    tmp_path: Path, policy_text: str, catalogue: Catalogue
) -> None:
    folder = tmp_path / "later"
    policies = PolicyFolder(folder, catalogue, POLL)
    await policies.load_all()
    assert list(policies.problems()) == [str(folder)]
    async with watched(policies):
        create(folder, policy_text)
        await until(lambda: "fraud-detector" in policies.current())
