"""ModelRollout as people meet it: kubectl against a real API server, which checks what it is given."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from controller.adapters.kube.crd import model_rollout_crd
from controller.adapters.kube.rolloutstatus import Place, entries_from, marked, rollouts_from, status_of
from controller.domain.model import Rollout
from controller.domain.vocabulary import Phase, Reason
from tests.kube.admin import ApiError
from tests.store_records import NOW, entry, rollout

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

API = "serinus.dev/v1alpha1"
KIND = "ModelRollout"


def create(server: "ApiServer", namespace: str, name: str = "fraud-v7", **spec: Any) -> dict[str, Any]:
    obj = {
        "apiVersion": API,
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": "fraud", "version": "v7", **spec},
    }
    return server.admin.create(obj)


def get(server: "ApiServer", namespace: str, name: str = "fraud-v7") -> dict[str, Any]:
    found = server.admin.get(API, KIND, namespace, name)
    assert found is not None
    return found


def write(server: "ApiServer", namespace: str, status: dict[str, Any]) -> None:
    change = [{"op": "add", "path": "/status", "value": status}]
    server.admin.patch(API, KIND, namespace, "fraud-v7", change, subresource="status")


def a_record(namespace: str, phase: Phase, reason: Reason = Reason.STEP_RUNNING) -> Rollout:
    record = rollout("fraud-v7", version="v7")
    policy = replace(record.policy, namespace=namespace, digest="0123456789abcdef" * 4)
    return replace(record, policy=policy, phase=phase, reason=reason, step=0, updated_at=NOW)


def record(
    server: "ApiServer", namespace: str, phase: Phase, reason: Reason = Reason.STEP_RUNNING
) -> Rollout:
    kept = a_record(namespace, phase, reason)
    obj = get(server, namespace)
    write(server, namespace, status_of(obj, kept, entry(kept), Place(1, 1, 1)).status)
    return kept


def test_get_shows_the_columns(apiserver: "ApiServer", namespace: str) -> None:
    create(apiserver, namespace)
    record(apiserver, namespace, Phase.PROGRESSING)
    shown = apiserver.kubectl("get", "mro", namespace=namespace).stdout.splitlines()
    assert shown[0].split() == ["NAME", "MODEL", "PHASE", "STEP", "WEIGHT", "VERDICT", "NEXT", "AGE"]
    expected = ["fraud-v7", "fraud", "Progressing", "1/1", "0%", "UNKNOWN", "2026-11-23T12:01:00Z"]
    assert shown[1].split()[:-1] == expected
    wide = apiserver.kubectl("get", "serinus", "-o", "wide", namespace=namespace).stdout.splitlines()
    assert wide[0].split()[8:] == ["REVISION", "REASON", "POLICY"]
    assert wide[1].split()[8:] == ["v7", "StepRunning", "0123456789ab"]


def test_explain_knows_the_fields(apiserver: "ApiServer") -> None:
    def explained() -> str | None:  # the server publishes a definition's schema a moment after it serves it
        said = apiserver.kubectl("explain", "modelrollout.spec.request.action", check=False)
        return said.stdout if said.returncode == 0 else None

    assert "What shall be done." in apiserver.admin.until(explained, "the schema is published")


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"backend": {"kind": "InferencePool", "name": "fraud-v7"}},
        {"backend": {"port": 8080}},
        {"backend": {"kind": "LoraAdapter", "name": "org/Food_v2:8b"}},
        {
            "image": "registry.example.com:5000/team/fraud@sha256:0123",
            "overrides": {
                "container": "server",
                "args": ["--threads=4", "two\nlines"],
                "env": [{"name": "A", "value": "ö"}, {"name": "B"}],
            },
            "request": {"id": "2026-11-25-ann-1", "action": "pause", "by": "Ann Ö."},
        },
        {"request": {"id": "2026-11-25-ann-2", "action": "deny", "by": "ann", "note": "not before Monday"}},
    ],
)
def test_what_the_parser_takes_is_stored_as_it_was_written(
    apiserver: "ApiServer", namespace: str, spec: dict[str, Any]
) -> None:
    create(apiserver, namespace, **spec)
    assert get(apiserver, namespace)["spec"] == {"model": "fraud", "version": "v7", **spec}


@pytest.mark.parametrize(
    "spec",
    [
        {"model": "Fraud"},
        {"model": "fraud\n"},
        {"version": "v" * 64},
        {"version": ""},
        {"backend": {"kind": "Pod"}},
        {"backend": {"name": "a/b"}},
        {"backend": {"kind": "InferencePool", "name": "Upper"}},
        {"backend": {"kind": "LoraAdapter"}},
        {"backend": {"kind": "LoraAdapter", "name": "-x"}},
        {"backend": {"port": 65_536}},
        {"image": "a b"},
        {"image": "a", "overrides": {"args": ["nul\x00"]}},
        {"image": "a", "overrides": {"env": [{"name": "A"}, {"name": "A"}]}},
        {"image": "a", "overrides": {"args": ["x"] * 65}},
        {"request": {"id": "short", "action": "abort"}},
        {"request": {"id": "long-enough", "action": "deploy"}},
        {"request": {"id": "long-enough"}},
    ],
)
def test_what_the_parser_refuses_is_refused_at_once(
    apiserver: "ApiServer", namespace: str, spec: dict[str, Any]
) -> None:
    with pytest.raises(ApiError, match="422"):
        create(apiserver, namespace, **spec)


def test_the_status_is_written_through_its_subresource_only(apiserver: "ApiServer", namespace: str) -> None:
    create(apiserver, namespace)
    forged = {"status": {"phase": "Succeeded", "reason": "Promoted", "message": ""}}
    apiserver.admin.patch(API, KIND, namespace, "fraud-v7", forged)
    assert "status" not in get(apiserver, namespace)
    record(apiserver, namespace, Phase.PROGRESSING)
    smuggled = {"spec": {"model": "other"}, "status": {"message": "still on its way"}}
    apiserver.admin.patch(API, KIND, namespace, "fraud-v7", smuggled, subresource="status")
    found = get(apiserver, namespace)
    assert (found["spec"]["model"], found["status"]["message"]) == ("fraud", "still on its way")
    assert found["metadata"]["generation"] == 1


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_is_recorded_and_read_back(apiserver: "ApiServer", namespace: str, phase: Phase) -> None:
    create(apiserver, namespace)
    kept = record(apiserver, namespace, phase)
    found = get(apiserver, namespace)
    assert rollouts_from(found) == kept
    assert entries_from(found) == [entry(kept)]


def test_nothing_that_is_written_is_lost_to_the_schema(apiserver: "ApiServer", namespace: str) -> None:
    from tests.unit.kube.test_rollout_status import large  # noqa: PLC0415 - the largest that we have

    create(apiserver, namespace, request={"id": "request-1", "action": "pause"})
    kept = replace(
        large(),
        id="fraud-v7",
        policy=replace(large().policy, namespace=namespace),
        stable=a_record("x", Phase.PENDING).release,
    )
    obj = get(apiserver, namespace)
    for seq in range(1, 40):
        later = replace(kept, seq=seq)
        line = replace(entry(later), notable=True)
        obj["status"] = status_of(obj, later, line, Place(1, 1, 1)).status
    write(apiserver, namespace, obj["status"])
    assert get(apiserver, namespace)["status"] == obj["status"]


def test_a_mark_is_taken_too(apiserver: "ApiServer", namespace: str) -> None:
    obj = create(apiserver, namespace)
    status = marked(
        obj,
        phase=Phase.NOT_DEPLOYED,
        reason=Reason.ROUTE_NOT_FOUND,
        message="no policy",
        policy_valid=False,
        epoch=1,
        at=NOW,
    )
    write(apiserver, namespace, status)
    assert get(apiserver, namespace)["status"] == status


@contextmanager
def soon(act: Any) -> Iterator[None]:
    """Do something half a second from now, while the test waits for what it leads to."""
    timer = threading.Timer(0.5, act)
    timer.start()
    try:
        yield
    finally:
        timer.join()


@pytest.mark.parametrize(
    ("phase", "condition", "others"),
    [
        (Phase.SUCCEEDED, "Promoted", ("RolledBack=False", "Progressing=False")),
        (Phase.ROLLED_BACK, "RolledBack", ("Promoted=False", "Progressing=False")),
        (Phase.ABORTED, "Progressing=False", ("Promoted=False", "RolledBack=False")),
    ],
)
def test_wait_returns_when_the_end_is_recorded(
    apiserver: "ApiServer", namespace: str, phase: Phase, condition: str, others: tuple[str, ...]
) -> None:
    create(apiserver, namespace)
    record(apiserver, namespace, Phase.PROGRESSING)

    def waited(condition: str, seconds: float) -> bool:
        limit = ("--timeout", f"{seconds}s")
        done = apiserver.kubectl(
            "wait", f"--for=condition={condition}", "mro/fraud-v7", *limit, namespace=namespace, check=False
        )
        return done.returncode == 0

    assert not waited(condition, 0.1)
    with soon(lambda: record(apiserver, namespace, phase, Reason.PROMOTED)):
        assert waited(condition, 20)
    assert all(waited(other, 1) for other in others)


def test_the_definition_is_taken_as_it_is(apiserver: "ApiServer") -> None:
    """With its CEL rules, which this server is too old to know and drops."""
    definition = json.dumps(model_rollout_crd())
    apiserver.kubectl("replace", "--validate=false", "-f", "-", input=definition)
