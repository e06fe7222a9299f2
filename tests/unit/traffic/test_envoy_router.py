"""The router over real files, against a fake Envoy that reads them as the real one does."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from controller.adapters.traffic.envoy import EnvoyRouter
from controller.adapters.traffic.envoy_changes import ClusterChange, RouteChange
from controller.adapters.traffic.envoy_folder import EnvoyFolder
from controller.domain.policy import RouteRef
from controller.domain.release import Release, RoutedModel, Split
from controller.domain.vocabulary import Reason
from controller.errors import Conflict, TargetError, TransientError

V1, V2 = Release("1.0", ("127.0.0.1:1001",)), Release("2.0", ("127.0.0.1:1002",))
STABLE, READY = Split(V1), Split(V1, V2, 0)
NOTHING = Split()


def weight(permille: int) -> Split:
    return Split(V1, V2, permille)


def at(model: str) -> RouteRef:
    return RouteRef("envoy", f"/v2/models/{model}")


class FakeEnvoy:
    """Reads the files whenever it is asked, refuses what holds a word of ``hates``, counts what it took."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hates: set[str] = set()
        self.down = self.silent = False
        self.versions = {"rds.json": "", "cds.json": ""}
        self.refused = {"rds.json": 0, "cds.json": 0}
        self.taken: list[tuple[str, str]] = []
        self.seen: dict[str, bytes] = {}
        self.warming: set[str] = set()

    def read(self) -> None:
        for name in self.versions:
            content = (self.folder / name).read_bytes() if (self.folder / name).exists() else b""
            if self.seen.get(name) == content:
                continue
            self.seen[name] = content
            try:
                version = json.loads(content)["version_info"]
            except (ValueError, KeyError):
                version = ""
            if not version or any(word.encode() in content for word in self.hates):
                self.refused[name] += 1
                continue
            self.versions[name] = version
            self.taken.append((name, self.versions[name]))

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if self.down:
            raise httpx2.ConnectError("refused") from ConnectionRefusedError(111, "Connection refused")
        if self.silent:
            raise httpx2.ReadTimeout("silent")
        self.read()
        if request.url.path == "/config_dump":
            found = [{"cluster": {"name": name}} for name in self.warming]
            return httpx2.Response(200, content=streamed(json.dumps({"configs": found})))
        scopes = {"rds.json": "http.gateway.rds.serinus", "cds.json": "cluster_manager.cds"}
        if request.url.params.get("type") == "TextReadouts":
            lines = [f'{scopes[name]}.version_text: "{text}"' for name, text in self.versions.items()]
        else:
            lines = [f"{scopes[name]}.update_rejected: {n}" for name, n in self.refused.items() if n]
        return httpx2.Response(200, content=streamed("\n".join(lines) + "\n"))


async def streamed(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - a file has no event to wait for
            await asyncio.sleep(0.005)


@pytest.fixture
def envoy(tmp_path: Path) -> FakeEnvoy:
    return FakeEnvoy(tmp_path)


@pytest.fixture
async def router(envoy: FakeEnvoy) -> AsyncIterator[EnvoyRouter]:
    made = await opened(envoy)
    yield made
    await made.close()


async def opened(envoy: FakeEnvoy, grace: timedelta = timedelta(hours=1)) -> EnvoyRouter:
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(envoy))
    made = EnvoyRouter(
        envoy.folder,
        "http://127.0.0.1:1",
        client=client,
        acknowledgement_deadline=timedelta(seconds=0.2),
        removal_grace=grace,
    )
    await made.open()
    return made


def files(envoy: FakeEnvoy) -> dict[str, bytes]:
    return {name: (envoy.folder / name).read_bytes() for name in ("rds.json", "cds.json")}


def document(envoy: FakeEnvoy, name: str) -> Any:
    return json.loads((envoy.folder / name).read_bytes())


def clusters(envoy: FakeEnvoy) -> set[str]:
    return {cluster["name"] for cluster in document(envoy, "cds.json")["resources"]}


def edit(envoy: FakeEnvoy, old: str, new: str) -> None:
    path = envoy.folder / "rds.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


async def test_what_was_applied_is_observed_exactly(router: EnvoyRouter) -> None:
    old = NOTHING
    for split in (STABLE, READY, weight(1), weight(500), weight(1000), Split(V2), NOTHING):
        await router.apply(RoutedModel("m", at("m")), split, old)
        seen = await router.observe(RoutedModel("m", at("m")))
        assert (seen.split, seen.accepted, seen.problem, seen.latched) == (split, True, None, None)
        old = split


async def test_clusters_come_before_the_routes_that_name_them(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    await router.apply(RoutedModel("m", at("m")), READY, NOTHING)
    assert [name for name, _ in envoy.taken][-2:] == ["cds.json", "rds.json"]
    assert clusters(envoy) == {"m@1%2E0", "m@2%2E0"}


async def test_a_change_of_weight_writes_only_the_routes(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    await router.apply(RoutedModel("m", at("m")), READY, NOTHING)
    before = files(envoy)
    await router.apply(RoutedModel("m", at("m")), weight(50), READY)
    await router.apply(RoutedModel("m", at("m")), READY, weight(50))
    assert files(envoy)["cds.json"] == before["cds.json"]
    assert files(envoy)["rds.json"] != before["rds.json"]


async def test_applying_what_is_there_writes_nothing(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    await router.apply(RoutedModel("m", at("m")), weight(50), NOTHING)
    before = files(envoy)
    await router.apply(RoutedModel("m", at("m")), weight(50), STABLE)
    assert files(envoy) == before


async def test_applying_what_is_there_repairs_a_missing_cluster(
    router: EnvoyRouter, envoy: FakeEnvoy
) -> None:
    await router.apply(RoutedModel("m", at("m")), weight(50), NOTHING)
    path = envoy.folder / "cds.json"
    raw = json.loads(path.read_bytes())
    raw["resources"] = raw["resources"][:1]
    path.write_text(json.dumps(raw))
    seen = await router.observe(RoutedModel("m", at("m")))
    assert not seen.accepted
    assert "m@2%2E0" in seen.message
    await router.apply(RoutedModel("m", at("m")), weight(50), weight(50))
    assert clusters(envoy) == {"m@1%2E0", "m@2%2E0"}
    assert (await router.observe(RoutedModel("m", at("m")))).accepted


async def test_a_split_that_nobody_expected_is_left_alone(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    await router.apply(RoutedModel("m", at("m")), weight(50), NOTHING)
    before = files(envoy)
    with pytest.raises(Conflict, match=r"2\.0 at 5 % beside 1\.0"):
        await router.apply(RoutedModel("m", at("m")), Split(Release("3", ("127.0.0.1:3",))), STABLE)
    assert files(envoy) == before


async def test_many_models_that_come_together_share_few_writes(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    names = [f"m{index}" for index in range(50)]
    await asyncio.gather(*(router.apply(RoutedModel(name, at(name)), READY, NOTHING) for name in names))
    envoy.taken.clear()
    await asyncio.gather(*(router.apply(RoutedModel(name, at(name)), weight(7), READY) for name in names))
    assert 1 <= len(envoy.taken) <= 10
    for name in names:
        assert (await router.observe(RoutedModel(name, at(name)))).split == weight(7)


async def test_each_of_many_gets_its_own_answer(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    await router.apply(RoutedModel("a", at("a")), STABLE, NOTHING)
    answers = await asyncio.gather(
        router.apply(RoutedModel("a", at("a")), weight(5), weight(9)),
        router.apply(RoutedModel("b", at("b")), STABLE, NOTHING),
        router.apply(RoutedModel("c", at("a")), STABLE, NOTHING),
        router.apply(RoutedModel("d", RouteRef("envoy", "no path")), STABLE, NOTHING),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [Conflict, type(None), TargetError, TargetError]
    assert "belongs to model a" in str(answers[2])


async def test_the_model_that_envoy_refuses_is_left_out_and_the_rest_goes_through(
    router: EnvoyRouter, envoy: FakeEnvoy
) -> None:
    names = [f"m{index}" for index in range(9)]
    await asyncio.gather(*(router.apply(RoutedModel(name, at(name)), READY, NOTHING) for name in names))
    envoy.hates = {"/v2/bad"}
    bad = {"m3", "m7"}
    answers = await asyncio.gather(
        *(
            router.apply(
                RoutedModel(name, RouteRef("envoy", f"/v2/bad/{name}") if name in bad else at(name)),
                weight(9),
                READY,
            )
            for name in names
        ),
        return_exceptions=True,
    )
    assert {name for name, answer in zip(names, answers, strict=True) if answer} == bad
    assert all(isinstance(answer, TargetError) for answer in answers if answer)
    assert b"/v2/bad" not in files(envoy)["rds.json"]
    for name in names:
        seen = await router.observe(RoutedModel(name, at(name)))
        assert (seen.split, seen.accepted) == (READY if name in bad else weight(9), True)


async def test_a_refused_model_goes_through_once_it_is_right(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    await router.apply(RoutedModel("m", at("m")), READY, NOTHING)
    envoy.hates = {'"weight":77'}
    for _ in range(2):
        with pytest.raises(TargetError, match="Envoy refuses"):
            await router.apply(RoutedModel("m", at("m")), weight(77), READY)
    await router.apply(RoutedModel("m", at("m")), weight(78), READY)
    assert (await router.observe(RoutedModel("m", at("m")))).split == weight(78)


async def test_a_refused_cluster_leaves_the_routes_alone(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    await router.apply(RoutedModel("m", at("m")), STABLE, NOTHING)
    envoy.hates = {"1002"}
    before = files(envoy)["rds.json"]
    with pytest.raises(TargetError, match=r"cds\.json"):
        await router.apply(RoutedModel("m", at("m")), weight(10), STABLE)
    assert files(envoy)["rds.json"] == before
    assert clusters(envoy) == {"m@1%2E0"}


async def test_a_rollback_is_handed_over_while_envoy_is_down(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    await router.apply(RoutedModel("m", at("m")), weight(500), NOTHING)
    envoy.down = True
    await router.apply(RoutedModel("m", at("m")), STABLE, weight(500))
    seen = await router.observe(RoutedModel("m", at("m")))
    assert (seen.split, seen.accepted, seen.problem) == (STABLE, False, Reason.GATEWAY_UNAVAILABLE)
    assert "connection refused" in seen.message
    envoy.down = False
    assert (await router.observe(RoutedModel("m", at("m")))).accepted


async def test_a_silent_envoy_is_told_and_then_asked_again(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    await router.apply(RoutedModel("m", at("m")), weight(500), NOTHING)
    envoy.silent = True
    with pytest.raises(TransientError, match="did not confirm"):
        await router.apply(RoutedModel("m", at("m")), READY, weight(500))
    seen = await router.observe(RoutedModel("m", at("m")))
    assert (seen.split, seen.problem) == (READY, Reason.GATEWAY_UNAVAILABLE)
    envoy.silent = False
    await router.apply(RoutedModel("m", at("m")), READY, weight(500))
    assert (await router.observe(RoutedModel("m", at("m")))).accepted


async def test_routes_wait_for_host_names_to_be_resolved(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    named = Split(V1, Release("3", ("model.example:80",)), 500)
    await router.apply(RoutedModel("m", at("m")), STABLE, NOTHING)
    envoy.warming = {"m@3"}
    with pytest.raises(TransientError, match="new clusters of m"):
        await router.apply(RoutedModel("m", at("m")), named, STABLE)
    assert (await router.observe(RoutedModel("m", at("m")))).split == STABLE
    envoy.warming = {"other@1"}
    await router.apply(RoutedModel("m", at("m")), named, STABLE)
    assert (await router.observe(RoutedModel("m", at("m")))).split == named


async def test_going_back_to_stable_does_not_wait_for_a_silent_envoy_to_confirm_its_cluster(
    router: EnvoyRouter, envoy: FakeEnvoy
) -> None:
    await router.apply(RoutedModel("m", at("m")), weight(1000), NOTHING)
    envoy.silent = True
    with pytest.raises(TransientError, match="did not confirm"):
        await router.apply(RoutedModel("m", at("m")), STABLE, weight(1000))
    assert (await router.observe(RoutedModel("m", at("m")))).split == STABLE


async def test_routes_wait_for_a_cluster_that_envoy_has_not_confirmed(
    router: EnvoyRouter, envoy: FakeEnvoy
) -> None:
    await router.apply(RoutedModel("m", at("m")), STABLE, NOTHING)
    envoy.silent = True
    for _ in range(2):
        with pytest.raises(TransientError):
            await router.apply(RoutedModel("m", at("m")), weight(10), STABLE)
        assert b'"weight":10,' not in files(envoy)["rds.json"]
    envoy.silent = False
    await router.apply(RoutedModel("m", at("m")), weight(10), STABLE)
    assert (await router.observe(RoutedModel("m", at("m")))).split == weight(10)


async def test_an_unrecorded_rollback_is_latched_until_a_record_speaks(
    router: EnvoyRouter, envoy: FakeEnvoy
) -> None:
    await router.apply(RoutedModel("m", at("m")), weight(500), NOTHING)
    envoy.down = True
    await router.roll_back_unrecorded(RoutedModel("m", at("m")), Reason.CHECK_FAILED)
    envoy.down = False
    await router.close()
    again = await opened(envoy)
    seen = await again.observe(RoutedModel("m", at("m")))
    assert (seen.split, seen.latched, seen.accepted) == (READY, Reason.CHECK_FAILED, True)
    with pytest.raises(Conflict):
        await again.apply(RoutedModel("m", at("m")), weight(600), weight(500))
    await again.apply(RoutedModel("m", at("m")), READY, weight(500))
    seen = await again.observe(RoutedModel("m", at("m")))
    assert (seen.split, seen.latched) == (READY, None)
    await again.close()


async def test_an_unrecorded_rollback_without_a_canary_changes_nothing(
    router: EnvoyRouter, envoy: FakeEnvoy
) -> None:
    await router.apply(RoutedModel("m", at("m")), STABLE, NOTHING)
    before = files(envoy)
    await router.roll_back_unrecorded(RoutedModel("m", at("m")), Reason.CHECK_FAILED)
    await router.roll_back_unrecorded(RoutedModel("unknown", at("unknown")), Reason.CHECK_FAILED)
    assert files(envoy) == before


async def test_an_unrecorded_rollback_overrides_an_edit(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    await router.apply(RoutedModel("m", at("m")), weight(100), NOTHING)
    edit(envoy, '"m@2%2E0","weight":100', '"theirs@1","weight":100')
    await router.roll_back_unrecorded(RoutedModel("m", at("m")), Reason.CHECK_FAILED)
    seen = await router.observe(RoutedModel("m", at("m")))
    assert (seen.split, seen.latched) == (READY, Reason.CHECK_FAILED)


async def test_an_edit_by_hand_is_seen_and_not_written_over(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    await router.apply(RoutedModel("m", at("m")), weight(100), NOTHING)
    edit(envoy, '"m@2%2E0","weight":100', '"m@2%2E0","weight":400')
    edit(envoy, '"m@1%2E0","weight":900', '"m@1%2E0","weight":600')
    seen = await router.observe(RoutedModel("m", at("m")))
    assert (seen.split, seen.accepted) == (weight(400), False)
    assert "edited" in seen.message
    with pytest.raises(Conflict):
        await router.apply(RoutedModel("m", at("m")), weight(200), weight(100))
    await router.apply(RoutedModel("other", at("other")), STABLE, NOTHING)
    assert (await router.observe(RoutedModel("m", at("m")))).split == weight(400)
    await router.apply(RoutedModel("m", at("m")), weight(100), weight(400))
    seen = await router.observe(RoutedModel("m", at("m")))
    assert (seen.split, seen.accepted) == (weight(100), True)


@pytest.mark.parametrize("content", [None, "{", '{"resources": [{"name": "theirs"}]}'])
async def test_a_lost_file_is_drift_and_the_next_write_brings_the_other_models_back(
    router: EnvoyRouter, envoy: FakeEnvoy, content: str | None
) -> None:
    await router.apply(RoutedModel("a", at("a")), weight(100), NOTHING)
    await router.apply(RoutedModel("b", at("b")), STABLE, NOTHING)
    path = envoy.folder / "rds.json"
    path.unlink()
    if content:
        path.write_text(content)
    seen = await router.observe(RoutedModel("a", at("a")))
    assert (seen.split, seen.problem) == (NOTHING, Reason.DRIFT_DETECTED)
    assert "rds.json is" in seen.message
    with pytest.raises(Conflict):
        await router.apply(RoutedModel("a", at("a")), weight(200), weight(100))
    await router.apply(RoutedModel("b", at("b")), STABLE, NOTHING)
    assert (await router.observe(RoutedModel("b", at("b")))).accepted
    assert (await router.observe(RoutedModel("a", at("a")))).split == weight(100)


async def test_a_file_broken_while_nobody_watched_is_written_anew_from_the_spare(envoy: FakeEnvoy) -> None:
    router = await opened(envoy)
    await router.apply(RoutedModel("a", at("a")), weight(100), NOTHING)
    await router.apply(RoutedModel("b", at("b")), STABLE, NOTHING)
    await router.close()
    (envoy.folder / "rds.json").write_text("{")
    router = await opened(envoy)
    await router.apply(RoutedModel("b", at("b")), STABLE, NOTHING)
    assert (await router.observe(RoutedModel("a", at("a")))).split == weight(100)
    await router.close()


def test_a_cluster_is_kept_from_its_request_to_the_route_that_names_it(tmp_path: Path) -> None:
    folder = EnvoyFolder(tmp_path)
    folder.open()
    change = RouteChange("m", at("m"), STABLE, NOTHING)
    needs = folder.needs(change)
    assert needs.missing is not None
    folder.write_clusters([needs.missing])
    removal = ClusterChange("", {"m@1%2E0": None})
    assert not folder.write_clusters([removal]).steps
    folder.write_routes([change])
    folder.release(change)
    assert not folder.write_clusters([removal]).steps
    folder.write_routes([RouteChange("m", at("m"), NOTHING, STABLE)])
    assert folder.unused_clusters() == {"m@1%2E0"}
    assert folder.write_clusters([removal]).steps
    folder.close()


def test_a_refused_change_is_not_taken_back_over_a_later_rollback(tmp_path: Path) -> None:
    folder = EnvoyFolder(tmp_path)
    folder.open()
    folder.write_routes([RouteChange("m", at("m"), weight(10), NOTHING)])
    written = folder.write_routes([RouteChange("m", at("m"), weight(20), weight(10))])
    folder.latch("m", Reason.CHECK_FAILED)
    folder.undo_routes(written.steps)
    found = folder.look("m").entry
    assert found is not None
    assert (found.split, found.latched) == (READY, Reason.CHECK_FAILED)
    folder.close()


async def test_a_moved_route_is_one_entry_at_the_new_path(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    await router.apply(RoutedModel("m", at("m")), STABLE, NOTHING)
    await router.apply(RoutedModel("m", RouteRef("envoy", "/new", rewrite="/v2/models/m")), STABLE, STABLE)
    text = files(envoy)["rds.json"]
    assert b"/new" in text
    assert text.count(b'"model":"m"') == 1


async def test_a_cluster_outlives_its_last_route_by_the_grace(envoy: FakeEnvoy) -> None:
    patient, hasty = timedelta(hours=1), timedelta(milliseconds=10)
    router = await opened(envoy, grace=patient)
    await router.apply(RoutedModel("m", at("m")), weight(100), NOTHING)
    await router.apply(RoutedModel("m", at("m")), STABLE, weight(100))
    await router.close()
    assert clusters(envoy) == {"m@1%2E0", "m@2%2E0"}
    router = await opened(envoy, grace=hasty)
    await eventually(lambda: clusters(envoy) == {"m@1%2E0"})
    await router.close()


async def test_clusters_of_others_are_never_removed(envoy: FakeEnvoy) -> None:
    router = await opened(envoy, grace=timedelta(0))
    await router.apply(RoutedModel("m", at("m")), weight(100), NOTHING)
    path = envoy.folder / "cds.json"
    raw = json.loads(path.read_bytes())
    raw["resources"].append({"name": "theirs@1"})
    path.write_text(json.dumps(raw))
    await router.apply(RoutedModel("m", at("m")), STABLE, weight(100))
    await eventually(lambda: "m@2%2E0" not in clusters(envoy))
    assert clusters(envoy) == {"m@1%2E0", "theirs@1"}
    await router.close()


async def test_a_restart_with_nothing_to_do_writes_nothing(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    await router.apply(RoutedModel("m", at("m")), weight(100), NOTHING)
    before = files(envoy)
    await router.close()
    again = await opened(envoy)
    await again.apply(RoutedModel("m", at("m")), weight(100), READY)
    assert files(envoy) == before
    await again.close()


async def test_a_second_daemon_is_locked_out(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    with pytest.raises(TargetError, match=r"another Serinus \(process \d+\)"):
        await opened(envoy)


async def test_a_deposed_daemon_writes_nothing(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    await router.apply(RoutedModel("m", at("m")), weight(100), NOTHING)
    edit(envoy, '"version_info":"1-', '"version_info":"9-')
    before = files(envoy)
    with pytest.raises(TargetError, match="deposed"):
        await router.apply(RoutedModel("m", at("m")), STABLE, weight(100))
    with pytest.raises(TargetError, match="deposed"):
        await router.roll_back_unrecorded(RoutedModel("m", at("m")), Reason.CHECK_FAILED)
    assert files(envoy) == before


async def test_a_file_that_envoy_refuses_is_taken_back_at_the_start(
    router: EnvoyRouter, envoy: FakeEnvoy
) -> None:
    await router.apply(RoutedModel("m", at("m")), weight(100), NOTHING)
    envoy.down = True
    await router.apply(RoutedModel("m", at("m")), weight(333), weight(100))
    await router.close()
    envoy.down, envoy.hates = False, {'"weight":333'}
    again = await opened(envoy)
    seen = await again.observe(RoutedModel("m", at("m")))
    assert (seen.split, seen.accepted) == (weight(100), True)
    await again.close()


async def test_closing_answers_those_who_wait(envoy: FakeEnvoy) -> None:
    router = await opened(envoy)
    await router.apply(RoutedModel("m", at("m")), weight(100), NOTHING)
    envoy.silent = True
    waiting = asyncio.create_task(router.apply(RoutedModel("m", at("m")), STABLE, weight(100)))
    await eventually(lambda: b'"canary"' not in files(envoy)["rds.json"])
    await router.close()
    with pytest.raises(TransientError):
        await waiting


async def test_new_endpoints_of_a_version_reach_its_cluster(router: EnvoyRouter, envoy: FakeEnvoy) -> None:
    await router.apply(RoutedModel("m", at("m")), STABLE, NOTHING)
    moved = Split(replace(V1, endpoints=("127.0.0.1:1009",)))
    await router.apply(RoutedModel("m", at("m")), moved, STABLE)
    assert b"1009" in files(envoy)["cds.json"]
    assert (await router.observe(RoutedModel("m", at("m")))).split == moved
