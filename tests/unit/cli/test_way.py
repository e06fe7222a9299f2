"""Which way a command goes, and what the command to type next looks like."""

from itertools import product
from pathlib import Path

import pytest

from controller.cli.main import shared_first
from controller.cli.session import Session
from controller.cli.way import ClusterOptions, Line, Surroundings, Way, choose, kubeconfig_files, surroundings
from controller.control.errors import InvalidRequest, Unavailable

SOCKET = Path("/run/s.sock")
NAMED = (
    ClusterOptions(kubeconfig=Path("k")),
    ClusterOptions(context="prod"),
    ClusterOptions(namespace="ml"),
    ClusterOptions(all_namespaces=True),
)


def there(*, socket: bool = False, cluster: bool = False) -> Surroundings:
    return Surroundings(SOCKET, socket, cluster)


@pytest.mark.parametrize(("socket", "cluster"), list(product([False, True], repeat=2)))
class TestNamed:
    """What the line names is where it goes, whatever there is besides."""

    @pytest.mark.parametrize("options", NAMED)
    def test_a_cluster(self, options: ClusterOptions, socket: bool, cluster: bool) -> None:
        assert choose(Line(cluster=options), there(socket=socket, cluster=cluster)) is Way.CLUSTER

    def test_a_socket(self, socket: bool, cluster: bool) -> None:
        for typed in (True, False):
            line = Line(SOCKET, socket_typed=typed)
            assert choose(line, there(socket=socket, cluster=cluster)) is Way.SOCKET

    def test_a_cluster_that_is_typed_wins_over_a_socket_of_the_environment(
        self, socket: bool, cluster: bool
    ) -> None:
        line = Line(SOCKET, cluster=ClusterOptions(namespace="ml"))
        assert choose(line, there(socket=socket, cluster=cluster)) is Way.CLUSTER

    def test_kubectl_always_goes_to_the_cluster(self, socket: bool, cluster: bool) -> None:
        line = Line(SOCKET, plugin=True)
        assert choose(line, there(socket=socket, cluster=cluster)) is Way.CLUSTER

    def test_both_are_a_contradiction(self, socket: bool, cluster: bool) -> None:
        for line in (
            Line(SOCKET, socket_typed=True, plugin=True),
            Line(SOCKET, socket_typed=True, cluster=ClusterOptions(context="prod")),
        ):
            with pytest.raises(InvalidRequest, match="one of them"):
                choose(line, there(socket=socket, cluster=cluster))


class TestUnnamed:
    def test_the_daemon_of_this_machine_comes_first_and_then_the_cluster(self) -> None:
        assert choose(Line(), there(socket=True, cluster=True)) is Way.SOCKET
        assert choose(Line(), there(socket=True)) is Way.SOCKET
        assert choose(Line(), there(cluster=True)) is Way.CLUSTER

    def test_where_there_is_neither_both_are_named(self) -> None:
        with pytest.raises(Unavailable, match=r"/run/s\.sock.*kubeconfig") as neither:
            choose(Line(), there())
        assert "--socket" in neither.value.hint
        assert "--kubeconfig" in neither.value.hint


class TestSurroundings:
    @pytest.fixture(autouse=True)
    def nowhere(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("KUBECONFIG", raising=False)
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    def test_an_empty_home_offers_nothing(self, tmp_path: Path) -> None:
        assert surroundings(tmp_path / "s") == Surroundings(tmp_path / "s", False, False)

    def test_a_kubeconfig_in_the_home_or_named_is_a_cluster(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / ".kube").mkdir()
        (tmp_path / ".kube" / "config").touch()
        assert surroundings(tmp_path / "s").cluster_known
        monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:")
        assert not surroundings(tmp_path / "s").cluster_known
        monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'none'}:{tmp_path / '.kube' / 'config'}")
        assert surroundings(tmp_path / "s").cluster_known
        assert kubeconfig_files(Path("named")) == [Path("named")]

    def test_a_socket_is_found_by_its_file(self, tmp_path: Path) -> None:
        (tmp_path / "s").touch()
        assert surroundings(tmp_path / "s").socket_exists


class TestNextCommand:
    @pytest.mark.parametrize(
        ("line", "typed"),
        [
            (Line(), "serinus why x"),
            (Line(SOCKET), "serinus why x"),
            (Line(SOCKET, socket_typed=True), "serinus --socket /run/s.sock why x"),
            (Line(plugin=True), "kubectl serinus why x"),
            (Line(cluster=ClusterOptions(namespace="ml")), "serinus -n ml why x"),
            (Line(cluster=ClusterOptions(all_namespaces=True), plugin=True), "kubectl serinus -A why x"),
            (
                Line(cluster=ClusterOptions(Path("a b"), "prod")),
                "serinus --kubeconfig 'a b' --context prod why x",
            ),
        ],
    )
    def test_it_goes_where_this_one_went(self, line: Line, typed: str) -> None:
        assert Session(line).as_called("serinus why x") == typed

    def test_only_commands_that_go_to_the_daemon_are_changed(self) -> None:
        session = Session(Line(cluster=ClusterOptions(namespace="ml")))
        for text in (
            "serinus lint policies/fraud.yaml",
            "serinus run",
            "kubectl serinus get",
            "helm install serinus deploy/helm/serinus",
            "by serinus, getting on",
        ):
            assert session.as_called(text) == text

    def test_a_deployment_goes_into_one_namespace(self) -> None:
        assert Session(Line(cluster=ClusterOptions(all_namespaces=True))).deployment == (
            "serinus -n NAMESPACE deploy MODEL VERSION --image IMAGE"
        )
        assert Session(Line(SOCKET)).deployment == "serinus deploy MODEL VERSION --endpoint HOST:PORT"


class TestSharedFirst:
    @pytest.mark.parametrize(
        ("typed", "parsed"),
        [
            (["get", "-n", "ml"], ["-n", "ml", "get"]),
            (["get", "-nml", "-A"], ["-nml", "-A", "get"]),
            (["get", "--namespace=ml"], ["--namespace=ml", "get"]),
            (["get", "--context", "c", "x"], ["--context", "c", "get", "x"]),
            (["get", "-n"], ["get", "-n"]),
            (["get", "--named"], ["get", "--named"]),
            (["deploy", "--arg", "-n", "--env", "-A"], ["deploy", "--arg", "-n", "--env", "-A"]),
            (["deploy", "--arg=-n", "-n", "ml"], ["-n", "ml", "deploy", "--arg=-n"]),
            (["deploy", "--", "-n", "ml"], ["deploy", "--", "-n", "ml"]),
        ],
    )
    def test_options_are_found_and_values_are_left(self, typed: list[str], parsed: list[str]) -> None:
        assert shared_first(typed, {"--arg", "--env"}) == parsed
