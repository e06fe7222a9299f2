"""The token file of one machine: who is known by it, and what is wrong with one, never with a token in it."""

import asyncio
import os
import pwd
from pathlib import Path

import pytest

from controller.adapters.token_file import TokenFile
from controller.control.steering import Person
from controller.errors import TargetError

ONE, TWO = "a" * 40, "b/+~._-=" * 5
FILE = f"# people\n\noperate  ann  {ONE}\nread wall\t{TWO}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def written(path: Path, text: str | bytes, mode: int = 0o600) -> TokenFile:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)
    return TokenFile(path)


async def test_people_are_known_by_their_tokens_and_by_nothing_else(path: Path) -> None:
    file = written(path, FILE)
    assert file.check() == 2
    ann, wall = await file.person(ONE), await file.person(TWO)
    assert ann == Person("ann", ("operate",))
    assert wall == Person("wall", ("read",))
    for other in ("", "ann", "operate", ONE[:-1], f"{ONE} ", ONE.upper(), "\udcff" * 40):
        assert await file.person(other) is None


async def test_who_reads_may_read_and_who_operates_may_do_everything(path: Path) -> None:
    file = written(path, FILE)
    ann, wall = Person("ann", ("operate",)), Person("wall", ("read",))
    for verb in ("list", "create", "promote", "abort", "approve"):
        assert await file.may(ann, verb, "")
        assert await file.may(wall, verb, "") == (verb == "list")
    assert not await file.may(Person("x"), "list", "")


async def test_a_line_that_is_taken_out_ends_what_it_allowed(path: Path) -> None:
    file = written(path, FILE)
    assert await file.person(ONE) is not None
    written(path, f"read wall {TWO}\n")
    assert await file.person(ONE) is None
    assert await file.person(TWO) is not None


async def test_an_account_of_the_machine_is_named_as_at_the_socket(path: Path) -> None:
    account = pwd.getpwuid(os.getuid())
    person = await written(path, f"operate {account.pw_name} {ONE}\n").person(ONE)
    assert person is not None
    assert person.name == f"{account.pw_name}({account.pw_uid})"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"operate {ONE}\n", ":1: a line has a role, a name and a token"),
        (f"operate ann x {ONE}\n", ":1: a line has a role"),
        (f"#\nadmin ann {ONE}\n", ":2: the role is read or operate"),
        ("read ann short\n", ":1: the token has 20"),
        (f"read ann {'ü' * 30}\n", ":1: the token has 20"),
        (f"read {'x' * 101} {ONE}\n", ":1: the name has at most"),
        (f"read ann {ONE}\noperate ben {ONE}\n", ":2: the token is another line's"),
        (b"\xff\xfe", "is not text in UTF-8"),
        ("#" * 300_000, "is longer than 256 KiB"),
    ],
)
async def test_what_is_wrong_with_a_file_is_said_without_a_token(
    path: Path, text: str | bytes, words: str
) -> None:
    file = written(path, text)
    with pytest.raises(TargetError) as caught:
        file.check()
    assert words in str(caught.value)
    assert ONE not in str(caught.value)
    with pytest.raises(TargetError):
        await file.person(ONE)


async def test_a_file_that_everybody_can_read_is_refused(path: Path) -> None:
    with pytest.raises(TargetError, match="chmod 640"):
        written(path, FILE, 0o644).check()
    assert written(path, FILE, 0o640).check() == 2


async def test_a_file_that_breaks_lets_nobody_in_and_one_that_is_mended_does_again(path: Path) -> None:
    file = written(path, FILE)
    assert await file.person(ONE) is not None
    written(path, "nonsense\n")
    with pytest.raises(TargetError):
        await file.person(ONE)
    await asyncio.to_thread(path.unlink)
    with pytest.raises(TargetError, match="cannot be read"):
        await file.person(ONE)
    written(path, FILE)
    assert await file.person(ONE) is not None
