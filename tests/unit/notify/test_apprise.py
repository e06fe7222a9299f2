"""A line for each event by apprise, to a real receiver of its own JSON."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.adapters.notify.apprise import AppriseDestination
from controller.adapters.notify.destination import Failure, Taken
from controller.errors import TargetError
from tests.unit.notify.scenes import ERROR, OK, Receive, posting, receiving


@pytest.fixture
async def receive() -> AsyncIterator[Receive]:
    async with receiving() as start:
        yield start


async def delivered(file: Path) -> Taken | Failure:
    destination = AppriseDestination("team", file)
    try:
        return await destination.deliver([posting()], "")
    finally:
        await destination.close()


def addressed(folder: Path, *urls: str) -> Path:
    file = folder / "urls"
    file.write_text("\n".join(urls))
    return file


async def test_each_address_gets_a_line(receive: Receive, tmp_path: Path) -> None:
    one, two = await receive(OK), await receive(OK)
    urls = [each.url.replace("http://", "json://") for each in (one, two)]
    assert await delivered(addressed(tmp_path, *urls)) == Taken("apprise delivered it")
    for receiver in (one, two):
        said = await receiver.next()
        assert said["title"] == "Serinus: fraud"
        assert said["message"] == "fraud v2: RollingBack (CheckFailed), 0.5 % canary. errors 3.1 % > 1 %"


async def test_what_one_of_them_refuses_is_a_failure(receive: Receive, tmp_path: Path) -> None:
    one, two = await receive(OK), await receive(ERROR)
    file = addressed(tmp_path, *(each.url.replace("http://", "json://") for each in (one, two)))
    outcome = await delivered(file)
    assert outcome == Failure("apprise could not deliver it")
    assert "T0KEN" not in repr(outcome)


async def test_an_address_that_is_none_and_a_file_that_is_not_there_are_told(tmp_path: Path) -> None:
    assert await delivered(addressed(tmp_path, "nonsense://")) == Failure(
        "an address is none that apprise knows"
    )
    assert await delivered(addressed(tmp_path)) == Failure(
        "the file of addresses cannot be used (ValueError)"
    )
    missing = await delivered(tmp_path / "missing")
    assert missing == Failure("the file of addresses cannot be used (FileNotFoundError)")


def test_without_the_extra_the_daemon_says_how_to_get_it(tmp_path: Path) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    with pytest.raises(TargetError, match=r"pip install 'serinus\[apprise\]'"):
        AppriseDestination("team", tmp_path / "urls", load=absent)
