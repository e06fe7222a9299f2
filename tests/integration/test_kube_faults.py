"""The faulty proxy before the API server: each fault does what it says, and the record tells it."""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from tests.kube.fault_rules import Fault, Planned, at_random, script
from tests.kube.faults import FaultyProxy, Timings

if TYPE_CHECKING:
    from tests.kube.apiserver import ApiServer
    from tests.kube.recording import Recorded

pytestmark = pytest.mark.integration
QUICK = Timings(hold_seconds=3, watch_within_seconds=0.3, drip_seconds=0.005)
PATCH = {"content-type": "application/merge-patch+json"}
# OpenSSL's clients take a reset for an end
RESET = (httpx2.NetworkError, httpx2.RemoteProtocolError)


class Visitor:
    """A client of the proxy that is patient for a second, and a config map that it works on."""

    def __init__(
        self, server: "ApiServer", proxy: FaultyProxy, namespace: str, identity: str = "admin"
    ) -> None:
        self.server, self.proxy, self.namespace = server, proxy, namespace
        self.path = f"/api/v1/namespaces/{namespace}/configmaps"
        self.http = httpx2.Client(
            base_url=proxy.url,
            verify=server.tls,
            trust_env=False,
            timeout=1,
            headers={"authorization": f"Bearer {server.token(identity)}"},
        )

    def write(self, value: str) -> httpx2.Response:
        return self.http.patch(f"{self.path}/it", json={"data": {"value": value}}, headers=PATCH)

    def read(self) -> httpx2.Response:
        return self.http.get(f"{self.path}/it")

    @contextlib.contextmanager
    def watch(self, timeout: float = 1) -> Iterator[httpx2.Response]:
        with self.http.stream("GET", self.path, params={"watch": "1"}, timeout=timeout) as answer:
            yield answer

    def value(self) -> str:
        """What the server holds, asked past the proxy."""
        found = self.server.admin.get("v1", "ConfigMap", self.namespace, "it")
        assert found is not None
        return str(found["data"]["value"])

    def set_value(self, value: str) -> None:
        """Past the proxy."""
        self.server.admin.patch("v1", "ConfigMap", self.namespace, "it", {"data": {"value": value}})

    @property
    def last(self) -> "Recorded":
        return self.proxy.recorded[-1]


def until_reset(answer: httpx2.Response, at_first: Callable[[], None] = lambda: None) -> bytes:
    """What came before the reset; AssertionError if the answer ends otherwise."""
    received = b""
    try:
        for piece in answer.iter_bytes():
            if not received:
                at_first()
            received += piece
    except RESET:
        return received
    raise AssertionError("no reset")


@pytest.fixture
def proxy(apiserver: "ApiServer") -> Iterator[FaultyProxy]:
    with FaultyProxy(apiserver, timings=QUICK) as faulty:
        yield faulty


@pytest.fixture
def visitor(apiserver: "ApiServer", proxy: FaultyProxy, namespace: str) -> Iterator[Visitor]:
    metadata = {"name": "it", "namespace": namespace}
    apiserver.admin.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"value": "old"}}
    )
    visitor = Visitor(apiserver, proxy, namespace)
    with visitor.http:
        yield visitor


def test_without_faults_all_passes_and_is_recorded(visitor: Visitor) -> None:
    before = time.monotonic()
    assert visitor.write("new").json()["data"] == {"value": "new"}
    assert visitor.read().status_code == 200
    written, read = visitor.proxy.recorded
    assert (written.method, written.path, written.identity) == ("PATCH", f"{visitor.path}/it", "admin")
    assert (written.fault, written.status, written.server_status, written.applied) == (None, 200, 200, True)
    assert json.loads(written.body) == {"data": {"value": "new"}}
    assert json.loads(written.server_body)["data"] == {"value": "new"}
    assert written.ended is not None
    assert before <= written.at <= written.ended <= read.at
    assert (read.write, read.body, read.applied) == (False, b"", False)


def test_the_versions_of_today_are_spoken_here_too(visitor: Visitor) -> None:
    path = f"/apis/policy/v1/namespaces/{visitor.namespace}/poddisruptionbudgets"
    assert visitor.http.get(path).json()["apiVersion"] == "policy/v1"
    assert visitor.last.path == path


def test_kubectl_works_through_it(visitor: Visitor) -> None:
    server, url = visitor.server, visitor.proxy.url
    words = ("get", "configmap", "it", "-o", "name")
    shown = server.kubectl(*words, namespace=visitor.namespace, server_url=url)
    assert shown.stdout.strip() == "configmap/it"
    assert visitor.last.path == f"{visitor.path}/it"
    refused = server.kubectl(
        *words, namespace=visitor.namespace, server_url=url, identity="nobody", check=False
    )
    assert 'User "nobody" cannot get' in refused.stderr
    assert (visitor.last.identity, visitor.last.status) == ("nobody", 403)


def test_service_accounts_are_known_by_name(visitor: Visitor) -> None:
    metadata = {"name": "robot", "namespace": visitor.namespace}
    visitor.server.admin.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    robot = Visitor(
        visitor.server, visitor.proxy, visitor.namespace, f"system:serviceaccount:{visitor.namespace}:robot"
    )
    with robot.http:
        assert robot.read().status_code == 403
    assert visitor.last.identity == f"system:serviceaccount:{visitor.namespace}:robot"


@pytest.mark.parametrize(
    ("fault", "status", "header"),
    [
        (Fault.CONFLICT, 409, ("content-type", "application/json")),
        (Fault.THROTTLED, 429, ("retry-after", "1")),
        (Fault.BROKEN, 500, ("content-type", "text/html")),
    ],
)
def test_refused_writes_do_not_apply(
    visitor: Visitor, fault: Fault, status: int, header: tuple[str, str]
) -> None:
    visitor.proxy.inject(script(Planned(fault, method="PATCH")))
    answer = visitor.write("new")
    assert (answer.status_code, answer.headers[header[0]]) == (status, header[1])
    assert (visitor.last.fault, visitor.last.status, visitor.last.server_status) == (fault, status, None)
    assert visitor.value() == "old"
    assert visitor.write("new").status_code == 200


def test_a_conflict_befalls_writes_only(visitor: Visitor) -> None:
    visitor.proxy.inject(at_random(1, {Fault.CONFLICT: 1.0, Fault.SILENT: 1.0}))
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}},
    }
    assert visitor.read().status_code == 200
    answer = visitor.http.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json=review)
    assert answer.json()["status"]["allowed"] is True
    assert visitor.write("new").status_code == 409


@pytest.mark.parametrize("fault", [Fault.SILENT_AFTER, Fault.RESET_AFTER, Fault.BROKEN_AFTER])
def test_writes_whose_answer_is_lost_did_apply(visitor: Visitor, fault: Fault) -> None:
    visitor.proxy.inject(script(Planned(fault)))
    if fault is Fault.BROKEN_AFTER:
        assert visitor.write("new").status_code == 500
    else:
        with pytest.raises(httpx2.ReadTimeout if fault is Fault.SILENT_AFTER else RESET):
            visitor.write("new")
    assert visitor.value() == "new"
    assert (visitor.last.fault, visitor.last.server_status, visitor.last.applied) == (fault, 200, True)
    assert visitor.last.status == (500 if fault is Fault.BROKEN_AFTER else None)
    assert visitor.read().json()["data"] == {"value": "new"}


def test_a_reset_write_does_not_apply(visitor: Visitor) -> None:
    visitor.proxy.inject(script(Planned(Fault.RESET)))
    with pytest.raises(RESET):
        visitor.write("new")
    assert (visitor.last.status, visitor.last.server_status, visitor.value()) == (None, None, "old")


def test_a_late_write_applies_when_nobody_waits_any_more(visitor: Visitor) -> None:
    visitor.proxy.inject(script(Planned(Fault.LATE)))
    with pytest.raises(httpx2.ReadTimeout):
        visitor.write("late")
    visitor.set_value("meanwhile")
    assert visitor.value() == "meanwhile"
    visitor.proxy.calm()
    visitor.server.admin.until(lambda: visitor.value() == "late", "the late write applies", within=5)
    visitor.server.admin.until(lambda: visitor.last.applied, "it is recorded", within=5)
    assert visitor.last.status is None


def test_bodies_drip(visitor: Visitor) -> None:
    visitor.proxy.inject(script(Planned(Fault.DRIPPING)))
    start = time.monotonic()
    answer = visitor.http.get(f"{visitor.path}/absent")
    assert answer.json()["code"] == 404
    assert time.monotonic() - start > len(answer.content) * QUICK.drip_seconds
    assert (visitor.last.status, visitor.last.server_status) == (404, 404)


def test_a_dripping_watch_brings_its_events_slowly(visitor: Visitor) -> None:
    visitor.proxy.inject(script(Planned(Fault.DRIPPING)))
    with visitor.watch() as answer:
        pieces = answer.iter_bytes()
        assert [next(pieces) for _ in range(4)] == [b"{", b'"', b"t", b"y"]
        visitor.proxy.calm()
        with pytest.raises(RESET):
            list(pieces)


def test_a_watch_is_told_410(visitor: Visitor) -> None:
    visitor.proxy.inject(script(Planned(Fault.GONE)))
    with visitor.watch() as answer:
        assert answer.status_code == 410
        assert json.loads(answer.read())["reason"] == "Expired"


def test_a_watch_ends_with_an_event_of_code_410(visitor: Visitor) -> None:
    visitor.proxy.inject(script(Planned(Fault.GONE_EVENT)))
    with visitor.watch() as answer:
        events = [json.loads(line) for line in answer.iter_lines()]
    assert [event["type"] for event in events] == ["ADDED", "ERROR"]
    assert (events[-1]["object"]["code"], events[-1]["object"]["kind"]) == (410, "Status")
    assert visitor.read().status_code == 200


def test_watches_are_dropped_some_in_the_middle_of_an_event(visitor: Visitor) -> None:
    visitor.proxy.inject(at_random(1, {Fault.DROPPED: 1.0}))
    rest: list[bytes] = []
    for _ in range(12):
        with visitor.watch() as answer:
            rest.append(until_reset(answer).rpartition(b"\n")[2])
    assert any(rest), "some are torn"
    assert not all(rest), "some are not"


def test_a_silent_watch_stays_open_and_says_nothing(visitor: Visitor) -> None:
    visitor.proxy.inject(script(Planned(Fault.SILENT)))
    with visitor.watch() as answer:
        lines = answer.iter_lines()
        assert json.loads(next(lines))["type"] == "ADDED"
        time.sleep(QUICK.watch_within_seconds)
        visitor.set_value("unheard")
        with pytest.raises(httpx2.ReadTimeout):
            next(lines)
    visitor.server.admin.until(lambda: visitor.last.ended, "the proxy sees the client leave", within=5)


def test_calm_lets_go_of_what_is_held(visitor: Visitor) -> None:
    visitor.proxy.inject(at_random(1, {Fault.SILENT_AFTER: 1.0, Fault.SILENT: 1.0}))
    with ThreadPoolExecutor(1) as pool, visitor.watch(timeout=10) as answer:
        lines = answer.iter_lines()
        next(lines)
        time.sleep(QUICK.watch_within_seconds)
        ending = pool.submit(lambda: next(lines))
        visitor.proxy.calm(release=False)
        time.sleep(0.2)
        assert not ending.done()
        visitor.proxy.calm()
        with pytest.raises(RESET):
            ending.result(5)
    assert visitor.write("new").status_code == 200


def test_an_ordinary_watch_brings_events_at_once(visitor: Visitor) -> None:
    with visitor.watch() as answer:
        lines = answer.iter_lines()
        next(lines)
        for number in range(20):
            visitor.set_value(str(number))
            event = json.loads(next(lines))
            assert (event["type"], event["object"]["data"]["value"]) == ("MODIFIED", str(number))


@pytest.mark.parametrize("refuse", [False, True])
def test_one_identity_is_cut_off_and_the_other_not(visitor: Visitor, refuse: bool) -> None:
    visitor.proxy.cut("serinus-a", refuse=refuse)
    cut = Visitor(visitor.server, visitor.proxy, visitor.namespace, "serinus-a")
    with cut.http:
        with pytest.raises(RESET if refuse else httpx2.ReadTimeout):
            cut.read()
        assert visitor.read().status_code == 200
        visitor.proxy.heal()
        assert cut.read().status_code == 403
    faults = [(one.identity, one.fault) for one in visitor.proxy.recorded]
    assert faults == [("serinus-a", Fault.CUT), ("admin", None), ("serinus-a", None)]


def test_a_cut_holds_events_and_answers_and_heals(visitor: Visitor) -> None:
    with ThreadPoolExecutor(1) as pool, visitor.watch(timeout=10) as answer:
        lines = answer.iter_lines()
        next(lines)
        visitor.proxy.cut()
        visitor.set_value("new")
        event = pool.submit(lambda: json.loads(next(lines)))
        with pytest.raises(httpx2.ReadTimeout):
            visitor.write("during the cut")
        assert not event.done()
        assert visitor.value() == "new"
        visitor.proxy.heal()
        assert event.result(5)["object"]["data"]["value"] == "new"
    visitor.server.admin.until(
        lambda: visitor.value() == "during the cut", "the held write arrives", within=5
    )


def test_a_refusing_cut_resets_watches(visitor: Visitor) -> None:
    with visitor.watch() as answer:
        until_reset(answer, lambda: visitor.proxy.cut("admin", refuse=True))


def test_shares_are_kept_and_a_seed_repeats_them(visitor: Visitor) -> None:
    shares = {Fault.CONFLICT: 0.3, Fault.THROTTLED: 0.1, Fault.SILENT: 0.5}
    runs = []
    for _ in range(2):
        visitor.proxy.inject(at_random(7, shares))
        runs.append([visitor.write(str(number)).status_code for number in range(100)])
    assert runs[0] == runs[1]
    counted = Counter(runs[0])
    assert 20 <= counted[409] <= 40
    assert 4 <= counted[429] <= 18
    assert counted[200] == 100 - counted[409] - counted[429]


def test_a_script_says_which_request_fails(visitor: Visitor) -> None:
    visitor.proxy.inject(
        script(Planned(Fault.CONFLICT, path="/configmaps/it", after=1, times=2), Planned(Fault.BROKEN, "GET"))
    )
    assert [visitor.write("x").status_code for _ in range(4)] == [200, 409, 409, 200]
    assert [visitor.read().status_code for _ in range(2)] == [500, 200]


def test_many_clients_at_once(visitor: Visitor) -> None:
    def work(number: int) -> set[int]:
        client = Visitor(visitor.server, visitor.proxy, visitor.namespace)
        with client.http:
            return {client.http.get(client.path, timeout=20).status_code for _ in range(10)}

    with ThreadPoolExecutor(16) as pool:
        found: list[Any] = list(pool.map(work, range(16)))
    assert found == [{200}] * 16
    assert len(visitor.proxy.recorded) == 160
