"""The command line against a real API server: with the rights of whoever types, and a daemon or none."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from controller.adapters.kube.modelrollout import RequestSpec, parse_request
from controller.adapters.kube.permissions import rules
from controller.adapters.kube.rbac import PEOPLE, role
from controller.adapters.kube.requestlog import is_answered
from controller.adapters.kube.rolloutstatus import Place, refused, status_of
from controller.cli.main import app
from controller.domain.model import Command, CommandKind, Rollout
from controller.domain.vocabulary import Phase, Reason
from tests.fakes import a_policy
from tests.unit.control.stage import an_entry, progressing

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer

pytestmark = pytest.mark.integration

OURS = ("serinus.dev/v1alpha1", "ModelRollout")


class Site:
    """One namespace, who may do what in it, and the daemon's hand."""

    def __init__(self, server: "ApiServer", namespace: str) -> None:
        self.server = server
        self.admin = server.admin
        self.namespace = namespace
        self._bind("ann", "operator")
        self._bind("ben", "viewer")

    def _bind(self, person: str, right: str) -> None:
        self.admin.apply(role(f"{right}s", self.namespace, rules(PEOPLE[right], ())))
        self.admin.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": f"{right}s", "namespace": self.namespace},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": f"{right}s"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": person}],
            }
        )

    def types(self, *words: str, person: str = "ann") -> Result:
        """A command with that person's kubeconfig, whose context names the namespace."""
        config = self.server.kubeconfig(person, namespace=self.namespace)
        return CliRunner().invoke(
            app, ["--kubeconfig", str(config), *words], env={"SERINUS_SOCKET": None}, prog_name="serinus"
        )

    def object(self, name: str) -> dict[str, Any]:
        found = self.admin.get(*OURS, self.namespace, name)
        assert found is not None
        return found

    # the daemon's hand

    def begin(self, version: str = "v2", ordinal: int = 1, **changes: Any) -> Rollout:
        """A rollout as the daemon keeps it."""
        name = f"fraud-{version}"
        metadata = {"name": name, "namespace": self.namespace}
        spec = {"model": "fraud", "version": version}
        self.admin.apply({"apiVersion": OURS[0], "kind": OURS[1], "metadata": metadata, "spec": spec})
        policy = a_policy(namespace=self.namespace, digest="ab" * 32)
        at = datetime.now(UTC)
        rollout = replace(
            progressing(version), id=name, policy=policy, seq=1, created_at=at, updated_at=at, **changes
        )
        self.record(rollout, ordinal)
        return rollout

    def record(self, rollout: Rollout, ordinal: int = 1, command: Command | None = None) -> None:
        name, _, attempt = rollout.id.partition(".")
        entry = replace(an_entry(rollout, event="held", notable=True), command=command)
        place = Place(epoch=1, ordinal=ordinal, attempt=int(attempt or 1))
        self.write(name, status_of(self.object(name), rollout, entry, place).status)

    def write(self, name: str, status: dict[str, Any]) -> None:
        self.admin.patch(*OURS, self.namespace, name, {"status": status}, subresource="status")

    @contextmanager
    def answering(self, answer: Callable[[dict[str, Any], RequestSpec], dict[str, Any]]) -> Iterator[None]:
        """A daemon that answers what is asked, a moment later."""
        stop = threading.Event()

        def work() -> None:
            while not stop.wait(0.05):
                for obj in self.admin.list(*OURS, self.namespace):
                    asked = parse_request(obj)
                    if isinstance(asked, RequestSpec) and not is_answered(obj, asked.id):
                        self.write(obj["metadata"]["name"], answer(obj, asked))

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def following(self, rollout: Rollout, **becomes: Any) -> Any:
        def answer(obj: dict[str, Any], asked: RequestSpec) -> dict[str, Any]:
            command = Command(CommandKind(asked.action), asked.id, asked.actor, datetime.now(UTC))
            message = f"{asked.action} by {asked.actor}"
            after = replace(rollout, seq=rollout.seq + 1, message=message, **becomes)
            entry = replace(an_entry(after, event="person", notable=True), command=command)
            return status_of(obj, after, entry, Place(1, 1, 1)).status

        return self.answering(answer)


@pytest.fixture
def site(apiserver: "ApiServer", namespace: str) -> Site:
    return Site(apiserver, namespace)


class TestReleasing:
    def test_an_operator_creates_the_release_and_sees_it(self, site: Site) -> None:
        typed = ("deploy", "fraud", "v2", "--image", "registry/fraud:v2", "--env", "A=b", "--arg=--x")
        first = site.types(*typed)
        assert first.exit_code == 0, first.output
        assert first.stdout.startswith("fraud-v2: created; no daemon has taken it up yet")
        assert site.object("fraud-v2")["spec"] == {
            "model": "fraud",
            "version": "v2",
            "image": "registry/fraud:v2",
            "overrides": {"args": ["--x"], "env": [{"name": "A", "value": "b"}]},
        }
        assert site.types("get", "-o", "name").stdout == "fraud-v2\n"
        why = json.loads(site.types("why", "fraud", "-o", "json").stdout)
        assert (why["phase"], why["rollout"]) == ("Pending", "fraud-v2")

    def test_the_same_again_is_fine_and_another_of_that_name_is_not(self, site: Site) -> None:
        site.begin("v2")
        again = site.types("deploy", "fraud", "v2")
        assert again.exit_code == 0, again.output
        assert "(Progressing)" in again.stdout
        other = site.types("deploy", "fraud", "v2", "--backend", "fraud-v2:8080")
        assert (other.exit_code, other.stdout) == (1, "")
        assert "another backend" in other.stderr

    def test_what_the_daemon_refuses_is_told_at_once(self, site: Site) -> None:
        site.begin("v2", phase=Phase.NOT_DEPLOYED, reason=Reason.SPEC_INVALID, message="no such thing")
        result = site.types("deploy", "fraud", "v2")
        assert result.exit_code == 1
        assert "no such thing" in result.stderr
        assert "why fraud-v2" in result.stderr

    def test_waiting_ends_with_the_rollouts_own_exit_code(self, site: Site) -> None:
        rollout = site.begin("v2")

        def later() -> None:
            time.sleep(1)
            site.record(replace(rollout, seq=2, phase=Phase.ROLLED_BACK, reason=Reason.CHECK_FAILED))

        thread = threading.Thread(target=later)
        thread.start()
        result = site.types("status", "fraud", "--wait", "--timeout", "30s", "-o", "json")
        thread.join()
        assert result.exit_code == 3, result.output
        assert json.loads(result.stdout)["phase"] == "RolledBack"
        assert "why fraud-v2" in result.stderr


class TestWords:
    def test_a_word_is_followed_and_its_speaker_named(self, site: Site) -> None:
        rollout = site.begin()
        with site.following(rollout, phase=Phase.PAUSED, resume_to=Phase.PROGRESSING):
            result = site.types("pause", "fraud")
        assert result.exit_code == 0, result.output
        assert result.stdout == "fraud-v2: pause by ann (Paused)\n"
        assert site.types("status", "fraud", "-o", "json").stdout.count('"Paused"') == 1

    def test_a_refusal_exits_with_1(self, site: Site) -> None:
        site.begin()
        with site.answering(lambda obj, asked: refused(obj, asked, "not now", datetime.now(UTC))):
            result = site.types("promote", "fraud")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "fraud-v2: not now" in result.stderr

    def test_without_a_daemon_it_is_handed_over(self, site: Site) -> None:
        site.begin()
        result = site.types("abort", "fraud-v2")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "handed over" in result.stderr
        assert site.object("fraud-v2")["spec"]["request"] | {"id": ""} == {
            "id": "",
            "action": "abort",
            "by": "ann",
        }
        after = site.types("resume", "fraud")
        assert after.exit_code == 1
        assert "abort by ann" in after.stderr

    def test_the_status_may_change_while_a_word_is_written_and_the_spec_may_not(self, site: Site) -> None:
        """The patch tests the generation: the real server's, which the status leaves alone."""
        rollout = site.begin()
        for seq in range(2, 12):
            site.record(replace(rollout, seq=seq))
        before = site.object("fraud-v2")["metadata"]
        assert before["generation"] == 1
        with site.following(replace(rollout, seq=12)):
            assert site.types("pause", "fraud").exit_code == 0
        assert site.object("fraud-v2")["metadata"]["generation"] == 2


class TestReading:
    def test_every_format_of_every_command_that_reads(self, site: Site) -> None:
        rollout = site.begin("v1", phase=Phase.SUCCEEDED)
        rollout = site.begin("v2", ordinal=2)
        site.record(replace(rollout, seq=2, reason=Reason.CHECKS_FAILING), ordinal=2)
        for command in (
            ["get"],
            ["get", "fraud"],
            ["status", "fraud"],
            ["why", "fraud"],
            ["history", "fraud"],
        ):
            for output in ("table", "wide", "json", "yaml", "name"):
                result = site.types(*command, "-o", output, person="ben")
                assert result.exit_code == 0, result.output
                assert result.stdout
                assert result.stderr == ""
                assert "\x1b" not in result.stdout
        status = json.loads(site.types("status", "fraud", "-o", "json").stdout)
        assert (status["rollout"], status["namespace"]) == ("fraud-v2", site.namespace)
        assert len(json.loads(site.types("history", "fraud", "-o", "json").stdout)["items"]) == 3
        report = json.loads(site.types("report", "fraud", "--json", person="ben").stdout)
        assert (report["rollout"], report["entries"], report["missing"]) == ("fraud-v2", 2, 0)

    def test_all_namespaces_have_a_column(self, site: Site) -> None:
        site.begin()
        result = site.types("get", "-A", person="admin")
        assert result.exit_code == 0, result.output
        head, *rows = result.stdout.splitlines()
        assert head.split()[:2] == ["NAMESPACE", "MODEL"]
        assert [row.split()[1:3] for row in rows if row.split()[0] == site.namespace] == [["fraud", "v2"]]
        assert f"{site.namespace}/fraud-v2" in site.types("get", "-A", "-o", "name", person="admin").stdout
        there = site.types("status", f"{site.namespace}/fraud", "-A", "-o", "name", person="admin")
        assert there.stdout == f"{site.namespace}/fraud-v2\n"

    def test_watching_ends_with_the_rollout(self, site: Site) -> None:
        rollout = site.begin()

        def later() -> None:
            time.sleep(1.2)
            site.record(replace(rollout, seq=2, reason=Reason.CHECKS_FAILING, message="errors 2%"))
            site.record(replace(rollout, seq=3, phase=Phase.ABORTED, reason=Reason.ABORTED_BY_PERSON))

        thread = threading.Thread(target=later)
        thread.start()
        result = site.types("watch", "fraud")
        thread.join()
        assert result.exit_code == 0, result.output
        assert [line.split("  ")[2] for line in result.stdout.splitlines()] == [
            "Progressing",
            "Progressing",
            "Aborted",
        ]


class TestRights:
    @pytest.mark.parametrize(
        ("person", "words", "verb"),
        [
            ("nobody", ["get"], "list"),
            ("nobody", ["status", "fraud"], "list"),
            ("nobody", ["abort", "fraud"], "list"),
            ("nobody", ["deploy", "fraud", "v9"], "create"),
            ("ben", ["deploy", "fraud", "v9"], "create"),
            ("ben", ["abort", "fraud"], "patch"),
            ("ann", ["get", "-A"], "list"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else value,
    )
    def test_who_may_not_exits_with_4_and_the_rule_that_lacks(
        self, site: Site, person: str, words: list[str], verb: str
    ) -> None:
        site.begin()
        result = site.types(*words, person=person)
        assert (result.exit_code, result.stdout) == (4, "")
        rule = json.loads(result.stderr.splitlines()[0].partition("Add to the Role: ")[2])
        assert rule == {"apiGroups": ["serinus.dev"], "resources": ["modelrollouts"], "verbs": [verb]}
        assert site.object("fraud-v2")["spec"] == {"model": "fraud", "version": "v2"}

    def test_a_context_that_is_not_there_is_said(self, site: Site) -> None:
        result = site.types("get", "--context", "nowhere")
        assert result.exit_code == 1
        assert "nowhere" in result.stderr


def test_kubectl_runs_it_as_a_plugin(site: Site, tmp_path: Path) -> None:
    site.begin()
    program = tmp_path / "kubectl-serinus"
    program.write_text(f"#!{sys.executable}\nfrom controller.cli.main import plugin\nplugin()\n")
    program.chmod(0o755)

    def typed(*words: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "KUBECONFIG": str(site.server.kubeconfig("ann")),
            "HOME": str(tmp_path),
        }
        return subprocess.run(
            ["kubectl", "serinus", *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    found = typed("-n", site.namespace, "get", "-o", "name")
    assert (found.returncode, found.stdout) == (0, "fraud-v2\n"), found.stderr
    missing = typed("status", "nobody", "-n", site.namespace)
    assert missing.returncode == 1
    assert missing.stderr.splitlines()[-1] == f"try:   kubectl serinus -n {site.namespace} get"
