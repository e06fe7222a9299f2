"""What the answers of an API server mean. The bodies are those of a real one."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.kube.answers import Call, is_missing, page_of, parsed, refusal, watch_event
from controller.adapters.kube.errors import Expired, Forbidden, NotFound, NotServed, Rejected
from controller.adapters.kube.resources import HTTP_ROUTES, NODES, SERVICES
from controller.errors import Conflict, ControllerError, TransientError

PATCH = Call("patch", HTTP_ROUTES, "ml", "fraud")
NOT_APPLICABLE = {
    "message": "the server rejected our request due to an error in our request",
    "reason": "Invalid",
    "details": {},
    "code": 422,
}
INVALID = {
    "message": 'HTTPRoute.gateway.networking.k8s.io "fraud" is invalid: spec.rules: Invalid value',
    "reason": "Invalid",
    "details": {
        "name": "fraud",
        "kind": "HTTPRoute",
        "causes": [{"reason": "FieldValueInvalid", "message": "Invalid value", "field": "spec.rules"}],
    },
    "code": 422,
}
WEBHOOK = {"message": 'admission webhook "guard.test" denied the request: no', "code": 422, "details": {}}
NO_OBJECT = {
    "message": 'httproutes.gateway.networking.k8s.io "fraud" not found',
    "reason": "NotFound",
    "details": {"name": "fraud", "group": "gateway.networking.k8s.io", "kind": "httproutes"},
    "code": 404,
}
NO_NAMESPACE = {
    "message": 'namespaces "ml" not found',
    "reason": "NotFound",
    "details": {"name": "ml", "kind": "namespaces"},
}
NO_KIND = {
    "message": "the server could not find the requested resource",
    "reason": "NotFound",
    "details": {},
    "code": 404,
}
RBAC = {
    "message": 'httproutes "fraud" is forbidden: User "nobody" cannot patch resource "httproutes/status"',
    "reason": "Forbidden",
    "details": {"name": "fraud", "kind": "httproutes"},
}
QUOTA = {"message": 'pods "fraud" is forbidden: exceeded quota: compute', "reason": "Forbidden"}


def encoded(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.mark.parametrize(
    ("status", "body", "expected", "text"),
    [
        (422, NOT_APPLICABLE, Conflict, "the object is not as it was read"),
        (422, INVALID, Rejected, "spec.rules: Invalid value"),
        (422, WEBHOOK, Rejected, "denied the request: no"),
        (409, {"message": "already exists", "reason": "AlreadyExists"}, Conflict, "already exists"),
        (409, b"<html>", Conflict, "HTTP 409"),
        (404, NO_OBJECT, NotFound, '"fraud" not found'),
        (404, NO_NAMESPACE, NotFound, 'namespaces "ml" not found'),
        (404, NO_KIND, NotServed, "has no httproutes.gateway.networking.k8s.io v1. Install their CRD."),
        (404, b"404 page not found\n", NotServed, "Install their CRD"),
        (404, b"<html>no such site</html>", TransientError, "HTTP 404"),
        (403, RBAC, Forbidden, '"resources": ["httproutes"], "verbs": ["patch"]'),
        (403, QUOTA, Rejected, "exceeded quota"),
        (403, b"<html>", TransientError, "HTTP 403"),
        (401, {"message": "Unauthorized"}, TransientError, "credentials are not accepted"),
        (400, {"message": "json: cannot unmarshal"}, Rejected, "cannot unmarshal"),
        (410, {"message": "too old resource version"}, Expired, "too old"),
        (429, {"message": "Too many requests"}, TransientError, "Too many"),
        (408, {"message": "timed out"}, TransientError, "timed out"),
        (500, b"<html>oops</html>", TransientError, "HTTP 500"),
        (502, b"", TransientError, "HTTP 502"),
        (302, b"", TransientError, "HTTP 302"),
        (600, {"message": "?"}, TransientError, "?"),
    ],
)
def test_each_refusal_is_an_error_of_ours(
    status: int, body: object, expected: type[ControllerError], text: str
) -> None:
    error = refusal(PATCH, status, {}, encoded(body))
    assert type(error) is expected
    assert text in str(error)


def test_what_rbac_lacks_is_said_as_a_rule() -> None:
    error = refusal(Call("patch", SERVICES, "ml", "fraud", "status"), 403, {}, encoded(RBAC))
    assert str(error) == (
        "patch services/status ml/fraud is not allowed. Add to the Role: "
        '{"apiGroups": [""], "resources": ["services/status"], "verbs": ["patch"]}'
    )
    assert str(Call("list", NODES)) == "list nodes"


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"Retry-After": "7"}, {}, 7),
        ({}, {"details": {"retryAfterSeconds": 3}}, 3),
        ({"Retry-After": "7"}, {"details": {"retryAfterSeconds": 3}}, 7),
        ({"Retry-After": "soon"}, {"details": {"retryAfterSeconds": 3}}, 3),
        ({"Retry-After": "99999"}, {}, 3600),
        ({"Retry-After": "٣"}, {}, None),
        ({"Retry-After": "-1"}, {"details": []}, None),
        ({"Retry-After": "9" * 5000}, {"details": {"retryAfterSeconds": "x"}}, None),
        ({}, {}, None),
    ],
)
def test_the_wait_that_the_server_asks_for(
    headers: dict[str, str], body: object, expected: int | None
) -> None:
    for status in (429, 503, 409):
        error = refusal(PATCH, status, headers, encoded(body))
        assert isinstance(error, TransientError)
        assert error.retry_after == (None if expected is None else timedelta(seconds=expected))


@given(st.text())
def test_the_servers_words_are_short_and_printable(words: str) -> None:
    text = str(refusal(PATCH, 500, {}, encoded({"message": words})))
    assert text.isprintable()
    assert len(text) < 400


@given(
    st.integers(300, 599),
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["message", "reason", "details", "name", "causes", "code"]), inner, max_size=4
            )
        ),
    ).map(encoded),
)
def test_no_answer_breaks_the_reading_of_it(status: int, body: bytes) -> None:
    assert isinstance(refusal(PATCH, status, {}, body), ControllerError)
    is_missing(status, body)
    with pytest.raises(TransientError):
        watch_event(PATCH, body)


@pytest.mark.parametrize("body", [b"", b"[]", b"nul", b"[" * 100_000, b"\xff", b'"x"'])
def test_what_is_no_object_is_no_answer(body: bytes) -> None:
    with pytest.raises(TransientError, match="not the JSON of the Kubernetes API"):
        parsed(PATCH, body)


def test_an_absent_object_is_told_from_an_absent_kind() -> None:
    assert is_missing(404, encoded(NO_OBJECT))
    assert not is_missing(404, encoded(NO_KIND))
    assert not is_missing(404, b"404 page not found")
    assert not is_missing(403, encoded(NO_OBJECT))


def test_items_of_a_list_get_their_kind() -> None:
    item = {"metadata": {"name": "a", "namespace": "ml", "resourceVersion": "5"}}
    page = page_of(PATCH, {"metadata": {"resourceVersion": "7", "continue": "c"}, "items": [item]})
    assert page.items == [{**item, "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute"}]
    assert (page.version, page.following) == ("7", "c")
    assert page_of(PATCH, {"metadata": {"resourceVersion": "7"}, "items": None}).items == []


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"metadata": {"resourceVersion": "7"}},
        {"metadata": {"resourceVersion": 7}, "items": []},
        {"metadata": {"resourceVersion": "7"}, "items": [{}]},
        {"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "a"}}]},
        {"metadata": {"resourceVersion": "7"}, "items": ["x"]},
        {
            "metadata": {"resourceVersion": "7"},
            "items": [{"metadata": {"name": "a", "resourceVersion": "1", "namespace": []}}],
        },
    ],
)
def test_what_is_no_list_is_refused(reply: dict[str, object]) -> None:
    with pytest.raises(TransientError, match="not a list"):
        page_of(PATCH, reply)


def test_events_of_a_watch() -> None:
    obj = {"metadata": {"name": "a", "resourceVersion": "7"}}
    seen = watch_event(PATCH, encoded({"type": "MODIFIED", "object": obj}))
    assert (seen.type, seen.object) == ("MODIFIED", obj)
    mark = {"kind": "HTTPRoute", "metadata": {"resourceVersion": "9"}}
    assert watch_event(PATCH, encoded({"type": "BOOKMARK", "object": mark})).object == mark
    gone = {"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}}
    with pytest.raises(Expired, match="too old"):
        watch_event(PATCH, encoded(gone))
    for odd in ({"type": "ERROR", "object": {"code": 500}}, {"type": "ERROR", "object": "?"}):
        with pytest.raises(TransientError, match="ended the watch with an error"):
            watch_event(PATCH, encoded(odd))
    with pytest.raises(TransientError, match="not an event"):
        watch_event(PATCH, encoded({"type": "MODIFIED", "object": mark}))
