"""The wire: hostile requests are refused with one bounded sentence, and answers come back as they were."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.control.errors import ControlError, ErrorCode, InvalidRequest, Unavailable
from controller.control.protocol import (
    CommandRequest,
    DeployRequest,
    FleetRequest,
    GetRequest,
    HistoryRequest,
    PauseAllRequest,
    RecordRequest,
    error_answer,
    make_request,
    parse_answer,
    parse_request,
    result_answer,
)
from controller.control.views import OutcomeView
from controller.domain.model import CommandKind

DEPLOY = {
    "protocol": 1,
    "op": "deploy",
    "request_id": "request-1",
    "model": "fraud",
    "version": "v2",
    "endpoints": ["h:1"],
}
REQUESTS = [
    make_request(DeployRequest, request_id="request-1", model="fraud", version="v2", endpoints=("h:1",)),
    make_request(CommandRequest, request_id="request-1", target="fraud", kind=CommandKind.ABORT),
    make_request(PauseAllRequest, paused=True, note="an incident"),
    make_request(FleetRequest),
    make_request(GetRequest),
    make_request(RecordRequest, target="fraud-1"),
    make_request(HistoryRequest, target="fraud", limit=3, every=True),
]


def line(**changes: object) -> bytes:
    return json.dumps({**DEPLOY, **changes}).encode()


@pytest.mark.parametrize("request_sent", REQUESTS, ids=lambda request: request.op)
def test_a_request_arrives_as_it_was_made(request_sent: GetRequest) -> None:
    assert parse_request(request_sent.model_dump_json().encode()) == request_sent


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 60_000,
        line(op="shutdown"),
        line(op=None),
        line(extra=1),
        line(model=""),
        line(model=1),
        line(model="m" * 129),
        line(version=2),
        line(endpoints="h:1"),
        line(endpoints=[1]),
        line(endpoints=["h:1"] * 1025),
        line(request_id="short"),
        line(request_id="with space and \n"),
        json.dumps(
            {"protocol": 1, "op": "command", "request_id": "r" * 8, "target": "m", "kind": "delete"}
        ).encode(),
        json.dumps({"protocol": 1, "op": "history", "target": "m", "limit": 0}).encode(),
        json.dumps({"protocol": 1, "op": "history", "target": "m", "limit": 1001}).encode(),
        json.dumps({"protocol": 1, "op": "history", "target": "m", "limit": True}).encode(),
        json.dumps({"protocol": 1, "op": "entries", "rollout": "m-1", "after_seq": -1}).encode(),
    ],
)
def test_what_is_no_request_is_refused_in_one_bounded_sentence(hostile: bytes) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_request(hostile)
    assert len(refusal.value.message) < 400
    assert refusal.value.message.isprintable()


def test_a_client_of_another_version_is_told_so() -> None:
    with pytest.raises(InvalidRequest, match="this daemon speaks protocol 1"):
        parse_request(line(protocol=2))


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_no_bytes_do_anything_but_parse_or_be_refused(hostile: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_request(hostile)


@given(
    st.dictionaries(
        st.sampled_from([*DEPLOY, "x\x1b[31m"]), st.none() | st.text() | st.integers(), max_size=4
    )
)
def test_no_field_value_escapes_the_parser(changes: dict[str, object]) -> None:
    try:
        assert isinstance(parse_request(line(**changes)), DeployRequest)
    except InvalidRequest as refusal:
        assert refusal.message.isprintable()  # noqa: PT017 - either outcome is right


def test_a_result_comes_back_as_it_was() -> None:
    outcome = OutcomeView(rollout="fraud-1", operation="deploy", phase=None, message="ä\nb")
    sent = result_answer(outcome)
    assert sent.endswith(b"\n")
    assert sent.count(b"\n") == 1
    assert parse_answer(sent, OutcomeView) == outcome


@pytest.mark.parametrize("code", list(ErrorCode))
def test_an_error_comes_back_as_the_error_it_was(code: ErrorCode) -> None:
    with pytest.raises(ControlError) as error:
        parse_answer(error_answer(code, "what happened", "what to type"), OutcomeView)
    assert (error.value.code, error.value.message, error.value.hint) == (
        code,
        "what happened",
        "what to type",
    )


@pytest.mark.parametrize(
    "answer", [b"", b"{}\n", b'{"protocol":1,"result":{}}\n', b'{"protocol":2,"result":{}}\n']
)
def test_an_answer_that_is_not_understood_is_an_error_and_not_a_crash(answer: bytes) -> None:
    with pytest.raises(Unavailable, match="different versions"):
        parse_answer(answer, OutcomeView)
