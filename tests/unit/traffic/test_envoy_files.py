"""Replacing a file needs no space, and being killed at any moment leaves the old content or the new."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from controller.adapters.folder_lock import FolderLock
from controller.adapters.traffic.envoy_files import ExchangedFile, swap_names
from controller.errors import TargetError


@pytest.fixture
def file(tmp_path: Path) -> ExchangedFile:
    made = ExchangedFile(tmp_path / "rds.json")
    made.prepare(b'{"n": 0}')
    return made


def test_new_content_is_padded_with_spaces(file: ExchangedFile) -> None:
    file.replace(b'{"n": 1}', headroom=0)
    assert json.loads(file.read()) == {"n": 1}
    assert len(file.read()) % 4096 == 0


def test_the_content_before_stays_in_the_spare(file: ExchangedFile) -> None:
    file.replace(b'{"n": 1}', headroom=0)
    file.replace(b'{"n": 2}', headroom=0)
    assert json.loads(file.read_previous()) == {"n": 1}
    file.restore()
    assert json.loads(file.read()) == {"n": 1}


def test_shorter_content_leaves_nothing_of_the_longer(file: ExchangedFile) -> None:
    file.replace(json.dumps(["x" * 9000]).encode(), headroom=0)
    file.replace(b"[]", headroom=0)
    file.replace(b"[1]", headroom=0)
    assert json.loads(file.read()) == [1]


def test_replacing_takes_no_block_that_the_files_do_not_have_yet(file: ExchangedFile) -> None:
    file.replace(b"{}", headroom=20_000)
    before = {path: path.stat().st_blocks for path in (file.path, file.spare)}
    inodes = {path.stat().st_ino for path in before}
    for size in (10, 20_000, 5):
        file.replace(json.dumps("x" * size).encode(), headroom=0)
    assert {path: path.stat().st_blocks for path in before} == before
    assert {path.stat().st_ino for path in before} == inodes


def test_what_an_editor_wrote_anew_can_be_replaced(file: ExchangedFile) -> None:
    file.path.unlink()
    file.path.write_bytes(b'{"by": "hand"}')
    file.prepare(b"{}")
    assert json.loads(file.read()) == {"by": "hand"}
    file.replace(b'{"n": 1}', headroom=0)
    assert json.loads(file.read()) == {"n": 1}


def test_swapping_with_a_missing_file_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.write_text("1")
    with pytest.raises(FileNotFoundError):
        swap_names(one, tmp_path / "missing")
    assert one.read_text() == "1"


def test_a_second_lock_names_the_process_that_holds_the_first(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    first.take()
    holder = int((tmp_path / "serinus.lock").read_text().split()[3])
    with pytest.raises(TargetError, match=rf"process {holder}\)"):
        FolderLock(tmp_path).take()
    first.release()
    second = FolderLock(tmp_path)
    second.take()
    assert second.epoch == 2
    second.release()


def test_a_deposed_holder_may_not_write(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    first.take()
    first.check(first.epoch)
    (tmp_path / "serinus.lock").unlink()
    first.check(0)
    second = FolderLock(tmp_path)
    second.take()
    second.raise_above(first.epoch)
    with pytest.raises(TargetError, match="deposed by process"):
        first.check(0)
    second.check(0)
    with pytest.raises(TargetError, match="deposed"):
        second.check(second.epoch + 1)
    first.release()
    second.release()


def test_nobody_writes_without_the_lock(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="not open"):
        FolderLock(tmp_path).check(0)


# Forks once per operation on files (each call that these modules make of the system, and each return), and
# kills the child there while it adds a canary, with its new cluster, to one of two models.
_KILLER = """
    import json, os, shutil, signal, sys
    from pathlib import Path
    from controller.adapters.traffic.envoy_changes import RouteChange
    from controller.adapters.traffic.envoy_folder import EnvoyFolder
    from controller.domain.release import Release, Split
    from controller.domain.policy import RouteRef

    base = Path(sys.argv[1])
    WATCHED = ("envoy_files.py", "envoy_document_file.py", "envoy_lock.py")
    v1, v2 = Release("1", ("127.0.0.1:1001",)), Release("2", ("127.0.0.1:1002",))
    OLD, NEW = Split(v1), Split(v1, v2, 100)

    def change(folder, model, split, expected):
        wanted = RouteChange(model, RouteRef("envoy", "/" + model), split, expected)
        needs = folder.needs(wanted)
        if needs.missing:
            folder.write_clusters([needs.missing])
        written = folder.write_routes([wanted])
        folder.release(wanted)
        assert not written.refused, written.refused

    def opened(path):
        folder = EnvoyFolder(path)
        folder.open()
        return folder

    folder = opened(base / "start")
    for model in "ab":
        change(folder, model, OLD, Split())
    folder.close()

    def run_and_die_at(path, moment):
        seen = 0
        def watch(frame, event, argument):
            nonlocal seen
            if event in ("c_call", "return") and os.path.basename(frame.f_code.co_filename) in WATCHED:
                seen += 1
                if seen == moment:
                    os.kill(os.getpid(), signal.SIGKILL)
        folder = opened(path)
        sys.setprofile(watch)
        change(folder, "a", NEW, OLD)
        sys.setprofile(None)
        os._exit(0)

    def check(path):
        for name in ("rds.json", "cds.json"):
            json.loads((path / name).read_bytes())
        folder = opened(path)
        look = folder.look("a")
        assert look.entry.split in (OLD, NEW) and not look.missing and not look.problem, look
        assert folder.look("b").entry.split == OLD
        found = "new" if look.entry.split == NEW else "old"
        change(folder, "a", NEW, OLD)
        assert folder.look("a").entry.split == NEW and not folder.look("a").missing
        folder.close()
        return found

    moment, found = 0, {"old": 0, "new": 0}
    while True:
        moment += 1
        path = base / "try"
        shutil.copytree(base / "start", path)
        child = os.fork()
        if child == 0:
            run_and_die_at(path, moment)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
        found[check(path)] += 1
        shutil.rmtree(path)
    print(json.dumps(found))
"""


def test_being_killed_at_any_operation_leaves_a_consistent_pair_of_files(tmp_path: Path) -> None:
    script = tmp_path / "killer.py"
    script.write_text(textwrap.dedent(_KILLER))
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=root,
        env={"PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["old"] > 20
    assert found["new"] > 5
