"""The record cannot be written or read: traffic still leaves a bad canary, and people are told."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from controller.control.errors import ControlError
from controller.domain.vocabulary import Phase, Reason
from tests.e2e.harness import Harness
from tests.e2e.policies import ENDLESS
from tests.e2e.proof import eventually

pytestmark = pytest.mark.integration

SPARE_BYTES = 512 * 1024


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of that size. Skips the test where none may be mounted."""
    folder.mkdir()
    options = f"size={size_bytes}"
    mounted = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)),
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"needs root to mount a small disk: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(("umount", "--lazy", str(folder)), check=True, timeout=10)


def fill(ballast: Path) -> None:
    """Write until not one byte more fits."""
    handle = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        with suppress(OSError):
            while os.write(handle, bytes(4096)):
                pass
    finally:
        os.close(handle)


def test_with_a_full_disk_a_bad_canary_is_rolled_back_and_the_record_follows(
    harness: Harness, tmp_path: Path
) -> None:
    state = Path(harness.stage.daemon.settings["SERINUS_STATE_DIR"])
    size = sum(file.stat().st_size for file in state.iterdir()) + SPARE_BYTES
    model = harness.model(ENDLESS)
    with small_disk(tmp_path / "disk", size) as disk, harness.daemon_with_state(disk):
        since = harness.log_file.stat().st_size
        with harness.traffic(model) as stream:
            rollout = harness.deploy(model, "v3")
            harness.until_status(rollout, lambda status: status.weight == 50, "at 50 %")
            fill(disk / "ballast")
            told = eventually(
                lambda: harness.log("rolled_back_unrecorded", since), "a rollback without a record"
            )
            assert told[0]["model"] == model
            eventually(lambda: set(harness.ask(model, 20)) == {f"{model}@v1"}, "Envoy has taken the rollback")
            assert harness.ask(model, 50) == {f"{model}@v1": 50}
            assert not harness.client.status(rollout).terminal, "the record cannot know yet"
            failed = harness.log("pass_failed", since)
            assert "No space to write" in failed[-1]["error"]
            served = stream.traffic().served(f"{model}@v3")[0]
            (disk / "ballast").unlink()
            ended = harness.until(rollout, Phase.ROLLED_BACK)
            assert ended.reason is Reason.CHECK_FAILED
            traffic = stream.stop()
        assert harness.ask(model, 50) == {f"{model}@v1": 50}
        assert traffic.served(f"{model}@v3")[0] <= served + 100, "no request came after the rollback"
        assert harness.http("/readyz")[0] == 200


def test_a_corrupt_record_leaves_the_daemon_degraded_and_an_abort_still_reaches_the_gateway(
    harness: Harness, tmp_path: Path
) -> None:
    model = harness.model(ENDLESS)
    daemon = harness.stage.daemon
    with harness.daemon_with_state(tmp_path / "state"):
        rollout = harness.deploy(model, "v2")
        harness.until_status(rollout, lambda status: status.weight == 50, "at 50 %")
        eventually(lambda: harness.ask(model, 40).keys() > {f"{model}@v1"}, "both versions serve")
        assert daemon.service is not None
        daemon.service.kill()
        record = tmp_path / "state" / "serinus.sqlite"
        record.with_name("serinus.sqlite-wal").unlink(missing_ok=True)
        with record.open("r+b") as file:
            file.write(b"not a database, not at all" * 200)
        daemon.start("/livez", state=tmp_path / "state")
        status, text = eventually(
            lambda: found if "corrupt" in (found := harness.http("/readyz"))[1] else None, "not ready"
        )
        assert status == 503
        assert text.startswith("store: ")
        assert str(record) in text
        with pytest.raises(ControlError, match="corrupt"):
            harness.client.get()
        assert harness.ask(model, 60).keys() == {f"{model}@v1", f"{model}@v2"}, "nobody touched the split"
        answer = harness.cli("abort", model)
        assert answer.returncode == 0, answer.stderr
        assert "traffic sent to stable at the gateway" in answer.stdout
        assert harness.ask(model, 60) == {f"{model}@v1": 60}
        refused = harness.cli("deploy", model, "v9", "--endpoint", "127.0.0.1:1")
        assert refused.returncode == 1
        assert "corrupt" in refused.stderr
        assert "Traceback" not in refused.stderr
