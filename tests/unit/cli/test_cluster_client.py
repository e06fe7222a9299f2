"""The cluster behind the command line: what is listed, what is written, how an answer is waited for."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from controller.adapters.kube.resources import MODEL_ROLLOUTS
from controller.adapters.kube.transport import ApiAnswer, ApiRequest
from controller.control.errors import (
    InvalidRequest,
    NotFound,
    NotPermitted,
    Refused,
    Unavailable,
)
from controller.control.interface import Control, Order
from controller.control.record_view import policy_view
from controller.domain.model import CommandKind
from controller.domain.vocabulary import Phase, Reason
from controller.errors import TransientError
from tests.kube_fake import Serve, answer, failure
from tests.unit.cli.cluster_stage import Cluster, a_cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with a_cluster() as made:
        yield made


def asked_for(cluster: Cluster) -> list[str]:
    return [request.method for request in cluster.api.requests]


class TestReading:
    def test_a_cluster_without_rollouts_has_none(self, cluster: Cluster) -> None:
        assert cluster.client().get().items == ()

    def test_each_model_shows_its_newest_and_what_is_not_over(self, cluster: Cluster) -> None:
        cluster.begin("fraud-v1", ordinal=1, phase=Phase.SUCCEEDED)
        cluster.begin("fraud-v2", ordinal=2, phase=Phase.FROZEN)
        cluster.begin("fraud-v3", ordinal=3, phase=Phase.ROLLED_BACK)
        cluster.begin("chat-v9", ordinal=1, model="chat")
        found = cluster.client().get().items
        assert [status.rollout for status in found] == ["chat-v9", "fraud-v3", "fraud-v2"]
        assert {status.namespace for status in found} == {"ml"}

    def test_what_no_daemon_took_up_is_newest_and_pending(self, cluster: Cluster) -> None:
        cluster.begin("fraud-v2", ordinal=7)
        cluster.apply("fraud-v3", version="v3")
        status = cluster.client().status("fraud")
        assert (status.rollout, status.canary, status.phase) == ("fraud-v3", "v3", Phase.PENDING)
        assert "no daemon has taken it up" in status.message
        assert "doctor" in cluster.client().why("fraud").remedy

    def test_what_the_daemon_says_without_a_record_is_shown(self, cluster: Cluster) -> None:
        cluster.apply("fraud-v3")
        said = {"phase": "Pending", "reason": "WaitingForPolicy", "message": "no valid policy file"}
        cluster.api.modify(MODEL_ROLLOUTS, "ml", "fraud-v3", lambda obj: obj.update(status=said))
        status = cluster.client().status("fraud-v3")
        assert (status.reason, status.message) == (Reason.WAITING_FOR_POLICY, "no valid policy file")

    def test_a_record_that_cannot_be_read_hides_no_other(self, cluster: Cluster) -> None:
        cluster.begin("fraud-v2")
        cluster.begin("chat-v9", model="chat")
        cluster.api.modify(MODEL_ROLLOUTS, "ml", "fraud-v2", lambda obj: obj["status"].update(record="{"))
        chat, fraud = cluster.client().get().items
        assert chat.message == "25s more at 5%"
        assert fraud.phase is Phase.PROGRESSING
        assert "cannot be read" in fraud.message

    def test_all_namespaces_are_one_list(self, cluster: Cluster) -> None:
        for namespace in ("ml", "edge"):
            cluster.begin("fraud-v2", namespace=namespace)
        client = cluster.client(namespace=None)
        assert [status.namespace for status in client.get().items] == ["edge", "ml"]
        assert asked_for(cluster) == ["GET"], "one list"
        assert client.status("edge/fraud").namespace == "edge"
        assert client.status("ml/fraud-v2").namespace == "ml"
        with pytest.raises(InvalidRequest, match="edge, ml") as unclear:
            client.status("fraud")
        assert unclear.value.hint == "serinus status edge/fraud"

    def test_a_rollout_is_found_by_model_by_name_and_by_the_id_of_its_attempt(self, cluster: Cluster) -> None:
        cluster.begin("fraud-v2.3")
        client = cluster.client()
        for target in ("fraud", "fraud-v2", "fraud-v2.3", "ml/fraud"):
            assert client.status(target).rollout == "fraud-v2.3"
        for target in ("fraud-v2.2", "nobody", "edge/fraud"):
            with pytest.raises(NotFound):
                client.status(target)

    def test_who_waits_for_a_rollout_asks_for_one_object(self, cluster: Cluster) -> None:
        for number in range(9):
            cluster.begin(f"fraud-v{number}", ordinal=number + 1)
        client = cluster.client()
        waited = client.status("fraud").rollout
        cluster.api.requests.clear()
        client.status(waited)
        assert [request.path.rpartition("/")[2] for request in cluster.api.requests] == [waited]
        cluster.api.delete(MODEL_ROLLOUTS, "ml", waited)
        with pytest.raises(NotFound, match="deleted"):
            client.status(waited)

    def test_the_log_is_read_across_the_models_objects_and_followed_in_one(self, cluster: Cluster) -> None:
        cluster.begin("fraud-v1", ordinal=1)
        second = cluster.begin("fraud-v2", ordinal=2)
        cluster.record(replace(second, seq=2, reason=Reason.CHECKS_FAILING), ordinal=2)
        client = cluster.client()
        assert [(e.rollout, e.seq) for e in client.history("fraud", 9, every=True).items] == [
            ("fraud-v1", 1),
            ("fraud-v2", 1),
            ("fraud-v2", 2),
        ]
        assert [e.seq for e in client.history("fraud", 1, every=False).items] == [2]
        assert [e.seq for e in client.entries("ml/fraud-v2", 1).items] == [2]

    def test_the_record_has_the_policy_where_a_daemon_took_the_object_up(self, cluster: Cluster) -> None:
        cluster.apply("chat-v1", "chat", "v1")
        rollout = cluster.begin("fraud-v2")
        client = cluster.client()
        found = client.record("fraud")
        assert (found.status.namespace, found.why.rollout) == ("ml", "fraud-v2")
        assert found.policy == policy_view(rollout.policy)
        assert client.record("chat").policy is None

    def test_it_can_stand_in_for_the_socket(self, cluster: Cluster) -> None:
        control: Control = cluster.client()
        assert control.get().items == ()


class TestDeploying:
    ORDER = Order("fraud", "v2", image="registry/fraud:v2", env=["A=b=c"], args=["--x"], container="server")

    def test_it_creates_the_object(self, cluster: Cluster) -> None:
        outcome = cluster.client().deploy(self.ORDER)
        assert (outcome.rollout, outcome.phase) == ("fraud-v2", None)
        assert "no daemon" in outcome.message
        assert cluster.time.seconds >= 5, "the daemon is waited for"
        assert cluster.object("fraud-v2")["spec"] == {
            "model": "fraud",
            "version": "v2",
            "image": "registry/fraud:v2",
            "overrides": {"args": ["--x"], "env": [{"name": "A", "value": "b=c"}], "container": "server"},
        }

    def test_the_same_order_again_is_answered_with_how_it_stands(self, cluster: Cluster) -> None:
        cluster.begin("fraud-v2")
        outcome = cluster.client().deploy(Order("fraud", "v2"))
        assert (outcome.rollout, outcome.phase) == ("fraud-v2", Phase.PROGRESSING)
        assert cluster.time.seconds == 0

    def test_another_order_of_that_name_says_what_differs_and_what_to_do(self, cluster: Cluster) -> None:
        cluster.begin("fraud-v2", phase=Phase.ROLLED_BACK)
        with pytest.raises(Refused, match="another image and overrides") as taken:
            cluster.client().deploy(self.ORDER)
        assert taken.value.hint.startswith("serinus retry fraud-v2")

    def test_a_release_that_is_refused_at_once_is_an_error(self, cluster: Cluster) -> None:
        cluster.begin("fraud-v2", phase=Phase.NOT_DEPLOYED, message="v2 already serves everyone")
        with pytest.raises(Refused, match="already serves"):
            cluster.client().deploy(Order("fraud", "v2"))

    def test_an_answer_that_got_lost_is_looked_up(self, cluster: Cluster) -> None:
        async def lost(request: ApiRequest, serve: Serve) -> ApiAnswer:
            answer = serve(request)
            if request.method == "POST":
                raise TransientError("connection reset")
            return answer

        cluster.api.fault = lost
        assert cluster.client().deploy(self.ORDER).rollout == "fraud-v2"

    def test_into_all_namespaces_nothing_is_deployed(self, cluster: Cluster) -> None:
        with pytest.raises(InvalidRequest, match="one namespace"):
            cluster.client(namespace=None).deploy(self.ORDER)
        assert cluster.api.writes == []


class TestWords:
    def test_a_word_is_followed(self, cluster: Cluster) -> None:
        cluster.obey(cluster.begin("fraud-v2"), phase=Phase.PAUSED, resume_to=Phase.PROGRESSING)
        outcome = cluster.client().command("fraud", CommandKind.PAUSE)
        assert (outcome.rollout, outcome.phase) == ("fraud-v2", Phase.PAUSED)
        assert outcome.message.startswith("pause by ")
        assert cluster.object("fraud-v2")["spec"]["request"]["action"] == "pause"
        assert cluster.time.seconds < 1

    def test_a_word_says_by_whom_and_why(self, cluster: Cluster) -> None:
        cluster.obey(cluster.begin("fraud-v2"), phase=Phase.ROLLING_BACK)
        cluster.client().command("fraud", CommandKind.DENY, "not before\nthe audit")
        request = cluster.object("fraud-v2")["spec"]["request"]
        assert (request["action"], request["note"]) == ("deny", "not before?the audit")
        assert request["by"]

    def test_a_refusal_is_an_error_with_its_reason(self, cluster: Cluster) -> None:
        cluster.begin("fraud-v2")
        cluster.refuse("it is Progressing, not paused")
        with pytest.raises(Refused, match="fraud-v2: it is Progressing"):
            cluster.client().command("fraud", CommandKind.RESUME)

    def test_silence_is_an_error_after_five_seconds_and_the_word_stays(self, cluster: Cluster) -> None:
        cluster.begin("fraud-v2")
        with pytest.raises(Unavailable, match="handed over") as silent:
            cluster.client().command("fraud", CommandKind.ABORT)
        assert silent.value.hint == "serinus doctor"
        assert 5 <= cluster.time.seconds < 6
        assert cluster.object("fraud-v2")["spec"]["request"]["action"] == "abort"

    def test_a_model_means_its_newest_rollout_that_is_not_over(self, cluster: Cluster) -> None:
        cluster.obey(cluster.begin("fraud-v2", ordinal=1), phase=Phase.ROLLING_BACK)
        cluster.begin("fraud-v3", ordinal=2, phase=Phase.ROLLED_BACK)
        assert cluster.client().command("fraud", CommandKind.ABORT).rollout == "fraud-v2"

    def test_a_retry_answers_with_the_new_attempt(self, cluster: Cluster) -> None:
        ended = cluster.begin("fraud-v2", phase=Phase.ROLLED_BACK)
        cluster.obey(replace(ended, id="fraud-v2.2"), phase=Phase.PENDING)
        assert cluster.client().command("fraud-v2", CommandKind.RETRY).rollout == "fraud-v2.2"

    def test_an_abort_without_an_answer_is_not_replaced_by_another_word(self, cluster: Cluster) -> None:
        cluster.begin("fraud-v2")
        client = cluster.client()
        with pytest.raises(Unavailable):
            client.command("fraud", CommandKind.ABORT)
        with pytest.raises(Refused, match="not replaced"):
            client.command("fraud", CommandKind.RESUME)
        with pytest.raises(Unavailable):
            client.command("fraud", CommandKind.ABORT)

    def test_another_word_between_reading_and_writing_is_not_overwritten_unread(
        self, cluster: Cluster
    ) -> None:
        cluster.begin("fraud-v2")
        abort = {"id": "somebody-else", "action": "abort", "by": "ben"}
        came: list[ApiRequest] = []

        async def at_the_same_time(request: ApiRequest, serve: Serve) -> ApiAnswer:
            if request.method == "PATCH" and not came:
                came.append(request)
                cluster.api.modify(
                    MODEL_ROLLOUTS, "ml", "fraud-v2", lambda obj: obj["spec"].update(request=abort)
                )
            return serve(request)

        cluster.api.fault = at_the_same_time
        with pytest.raises(Refused, match="abort by ben"):
            cluster.client().command("fraud", CommandKind.RESUME)
        assert cluster.object("fraud-v2")["spec"]["request"] == abort

    def test_who_is_overtaken_before_an_answer_is_told(self, cluster: Cluster) -> None:
        cluster.begin("fraud-v2")

        async def overtaken(request: ApiRequest, serve: Serve) -> ApiAnswer:
            answer = serve(request)
            if request.method == "PATCH":
                other = {"id": "somebody-else", "action": "promote", "by": "ben"}
                cluster.api.modify(
                    MODEL_ROLLOUTS, "ml", "fraud-v2", lambda obj: obj["spec"].update(request=other)
                )
            return answer

        cluster.api.fault = overtaken
        with pytest.raises(Refused, match="promote by ben came after your pause"):
            cluster.client().command("fraud", CommandKind.PAUSE)

    def test_the_daemons_own_writes_do_not_get_in_the_way(self, cluster: Cluster) -> None:
        rollout = cluster.begin("fraud-v2")
        passes = []

        async def busy(request: ApiRequest, serve: Serve) -> ApiAnswer:
            if request.method == "PATCH":
                passes.append(request)
                cluster.record(replace(rollout, seq=1 + len(passes)))
            return serve(request)

        cluster.api.fault = busy
        with pytest.raises(Unavailable, match="handed over"):
            cluster.client().command("fraud", CommandKind.PAUSE)
        assert len(passes) == 1

    def test_a_word_whose_answer_got_lost_is_said_once(self, cluster: Cluster) -> None:
        cluster.begin("fraud-v2")
        written = []

        async def lost(request: ApiRequest, serve: Serve) -> ApiAnswer:
            answer = serve(request)
            if request.method == "PATCH":
                written.append(request.body)
                raise TransientError("connection reset")
            return answer

        cluster.api.fault = lost
        with pytest.raises(Unavailable, match="handed over"):
            cluster.client().command("fraud", CommandKind.PAUSE)
        assert len(written) == 1

    def test_the_actor_is_who_the_server_says(self, cluster: Cluster) -> None:
        cluster.begin("fraud-v2")

        async def of_today(request: ApiRequest, serve: Serve) -> ApiAnswer:
            if request.path.endswith("/selfsubjectreviews"):
                return serve_review("ann@example.com\x1b")
            return serve(request)

        cluster.api.fault = of_today
        with pytest.raises(Unavailable):
            cluster.client().command("fraud", CommandKind.PAUSE)
        assert cluster.object("fraud-v2")["spec"]["request"]["by"] == "ann@example.com?"


def serve_review(name: str) -> ApiAnswer:
    return answer(201, {"kind": "SelfSubjectReview", "status": {"userInfo": {"username": name}}})


class TestErrors:
    @pytest.mark.parametrize(
        ("verb", "ask"),
        [
            ("list", lambda client: client.get()),
            ("create", lambda client: client.deploy(Order("fraud", "v9"))),
            ("patch", lambda client: client.command("fraud", CommandKind.PAUSE)),
        ],
    )
    def test_a_missing_right_is_named_with_its_rule(self, cluster: Cluster, verb: str, ask: Any) -> None:
        cluster.begin("fraud-v2")
        cluster.api.denied.add((verb, "modelrollouts"))
        with pytest.raises(NotPermitted, match=rf'"resources": \["modelrollouts"\], "verbs": \["{verb}"\]'):
            ask(cluster.client())

    def test_a_cluster_without_serinus_says_how_to_install_it(self, cluster: Cluster) -> None:
        cluster.api.unserved.add(MODEL_ROLLOUTS)
        with pytest.raises(Unavailable, match="not installed") as missing:
            cluster.client().get()
        assert missing.value.hint.startswith("kubectl apply -k")

    def test_what_the_server_finds_invalid_is_an_invalid_request(self, cluster: Cluster) -> None:
        cluster.api.validators[MODEL_ROLLOUTS] = lambda obj: "spec.model: is taken"
        with pytest.raises(InvalidRequest, match="is taken"):
            cluster.client().deploy(Order("fraud", "v9"))

    def test_a_server_that_fails_is_unavailable(self, cluster: Cluster) -> None:
        async def broken(request: ApiRequest, serve: Serve) -> ApiAnswer:
            return failure(503, "ServiceUnavailable", "etcd is down")

        cluster.api.fault = broken
        with pytest.raises(Unavailable, match="etcd is down"):
            cluster.client().get()
