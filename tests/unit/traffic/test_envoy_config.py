"""What is written for a split is read back as that split, and an edit of it is seen."""

import contextlib
import copy
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.traffic.envoy_changes import latched_entry
from controller.adapters.traffic.envoy_config import (
    Json,
    ModelRoute,
    is_ours,
    path_prefix,
    render_clusters,
    render_route,
    shares,
)
from controller.adapters.traffic.envoy_documents import Clusters, CorruptFileError, Routes, order
from controller.adapters.traffic.envoy_reading import parse_route
from controller.domain.audience import Audience, Carrier, Key, Match, Sticky
from controller.domain.policy import RouteRef
from controller.domain.release import Release, Split
from controller.domain.vocabulary import Reason
from controller.errors import TargetError

names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20)
hosts = st.sampled_from(["127.0.0.1", "10.1.2.3", "[::1]", "model.example", "localhost"])
endpoints = st.builds("{}:{}".format, hosts, st.integers(1, 65535))
releases = st.builds(Release, names, st.lists(endpoints, min_size=1, max_size=3).map(tuple))
weights = st.integers(0, 1000)
keys = st.builds(Key, st.sampled_from(Carrier), st.text("abz019-._~!#$%&'*+^`|", min_size=1, max_size=9))
values = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=9)
audiences = st.builds(
    Audience,
    st.lists(st.builds(Match, keys, values), max_size=3).map(tuple),
    st.none() | st.builds(Sticky, keys),
)
by_chance = st.builds(Split, st.none() | releases, st.none() | releases, weights).filter(
    lambda split: bool(split.stable or split.canary)
)
shadows = st.builds(
    lambda stable, canary, share: Split(
        stable, replace(canary, version=f"{stable.version}+"), mirror_permille=share
    ),
    releases,
    releases,
    st.integers(1, 1000),
)
treated = st.builds(Split, releases, releases, st.integers(1, 999), audience=audiences)
splits = by_chance | treated | shadows
segments = st.text("abz019-._~", min_size=1, max_size=6)
prefixes = st.lists(segments, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts)) | st.just("/")
routes = st.builds(RouteRef, st.just("envoy"), prefixes, st.none() | prefixes)
entries = st.builds(
    ModelRoute, names, routes, splits, st.integers(0, 2**31), st.none() | st.sampled_from(list(Reason))
)

V1, V2 = Release("1.0", ("127.0.0.1:1001",)), Release("2.0", ("127.0.0.1:1002",))
FRAUD = ModelRoute("fraud", RouteRef("envoy", "/v2/models/fraud"), Split(V1, V2, 100), epoch=3)


def members(entry: Json) -> list[Json]:
    config = entry["matcher"]["matcher_list"]["matchers"][0]["on_match"]["action"]["typed_config"]
    found: list[Json] = config["route"]["weighted_clusters"]["clusters"]
    return found


@given(entries)
def test_a_rendered_entry_is_read_back_exactly(entry: ModelRoute) -> None:
    prefix, rendered = render_route(entry)
    assert parse_route(json.loads(json.dumps(rendered))) == entry
    assert prefix == path_prefix(entry.route)


@given(splits)
def test_the_shares_are_whole_or_nothing(split: Split) -> None:
    parts = shares(split)
    assert sum(parts.values()) in ({1000} if split.stable else {0, 1000})
    assert all(part > 0 for part in parts.values())


@given(releases, releases, weights)
def test_the_canary_gets_exactly_its_weight(stable: Release, canary: Release, weight: int) -> None:
    if stable.version != canary.version:
        assert shares(Split(stable, canary, weight)).get(canary.version, 0) == weight


@given(st.dictionaries(prefixes, st.tuples(names, splits), min_size=1, max_size=6), st.data())
def test_a_change_of_one_model_leaves_the_bytes_of_the_others(
    wanted: dict[str, tuple[str, Split]], data: st.DataObject
) -> None:
    by_model = {model: (prefix, split) for prefix, (model, split) in wanted.items()}
    made = {
        prefix: render_route(ModelRoute(model, RouteRef("envoy", prefix), split, 1))[1]
        for model, (prefix, split) in by_model.items()
    }
    before = Routes().changed(made, "1-1")
    model = data.draw(st.sampled_from(sorted(by_model)))
    prefix = by_model[model][0]
    changed = render_route(ModelRoute(model, RouteRef("envoy", prefix), data.draw(splits), 2))[1]
    after = Routes.parse(before.changed({prefix: changed}, "2-1").rendered() + b" " * 100)
    assert {key: text for key, text in after.texts.items() if key != prefix} == {
        key: text for key, text in before.texts.items() if key != prefix
    }
    assert all(text.encode() in after.rendered() for text in after.texts.values())
    assert after.models.keys() == by_model.keys()


@given(names, splits)
def test_clusters_are_read_back(model: str, split: Split) -> None:
    try:
        made = render_clusters(model, split)
    except TargetError:
        assert split.stable
        assert split.canary
        assert split.stable.version == split.canary.version
        return
    document = Clusters().changed(made, "1-2")
    assert Clusters.parse(document.rendered()) == document
    assert all(is_ours(cluster) for cluster in document.entries.values())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["action", "typed_config", "name", "metadata"]), inner, max_size=3)
    ),
    max_leaves=20,
)
responses = json_values.map(lambda value: json.dumps({"resources": value}).encode())


@given(st.binary(max_size=200) | responses)
def test_any_bytes_are_a_document_or_a_clear_error(content: bytes) -> None:
    for kind in (Routes, Clusters):
        with contextlib.suppress(CorruptFileError):
            assert kind.parse(content).rendered()


def test_a_deeply_nested_file_is_a_clear_error() -> None:
    with pytest.raises(CorruptFileError, match="nested too deeply"):
        Routes.parse(b"[" * 200_000)


@given(json_values)
def test_any_json_is_an_entry_or_none(value: object) -> None:
    assert parse_route(value) is None


@pytest.mark.parametrize(
    ("edited", "running"),
    [
        ([900, 100], Split(V1, V2, 100)),
        ([90, 10], Split(V1, V2, 100)),
        ([700, 300], Split(V1, V2, 300)),
        ([8999, 1001], Split(V1, V2, 101)),
        ([9001, 999], Split(V1, V2, 99)),
        ([1000, 0], Split(V1, V2, 0)),
        ([0, 1000], Split(V1, V2, 1000)),
        ([0, 0], Split()),
    ],
)
def test_an_edit_of_the_weights_alone_is_a_different_split(edited: list[int], running: Split) -> None:
    _, entry = render_route(FRAUD)
    for member, weight in zip(members(entry), edited, strict=True):
        member["weight"] = weight
    found = parse_route(entry)
    assert found is not None
    assert (found.running, found.split) == (running, FRAUD.split)


def test_a_foreign_backend_is_a_different_split() -> None:
    _, entry = render_route(FRAUD)
    members(entry)[1]["name"] = "theirs"
    found = parse_route(entry)
    assert found is not None
    assert found.running == Split(Release("fraud@1%2E0", ()), Release("theirs", ()), 100)


@pytest.mark.parametrize("weight", [-1, "100", 1.5, None, True])
def test_an_entry_with_an_impossible_weight_is_not_read_as_a_split_of_ours(weight: object) -> None:
    _, entry = render_route(FRAUD)
    members(entry)[1]["weight"] = weight
    found = parse_route(entry)
    assert found is None or found.running != FRAUD.split


def test_a_canary_without_stable_and_without_weight_gets_nothing() -> None:
    _, entry = render_route(ModelRoute("m", RouteRef("envoy", "/m"), Split(None, V2, 0), 1))
    assert "direct_response" in json.dumps(entry)
    assert "weighted_clusters" not in json.dumps(entry)


def test_a_removed_entry_leaves_no_model_and_no_matcher() -> None:
    _, entry = render_route(FRAUD)
    document = Routes().changed({"/v2/models/fraud": entry}, "1-1").changed({"/v2/models/fraud": None}, "1-2")
    assert not document.models
    assert b"prefix_match_map" not in document.rendered()


def test_hosts_that_are_not_ours_are_kept() -> None:
    other = {"name": "other", "domains": ["other.example"], "routes": []}
    raw = json.loads(Routes(version="1-1").rendered())
    raw["resources"][0]["virtual_hosts"] = [other]
    kept = Routes.parse(json.dumps(raw).encode()).changed({"/m": render_route(FRAUD)[1]}, "1-2")
    hosts = json.loads(kept.rendered())["resources"][0]["virtual_hosts"]
    assert hosts[0] == other
    assert len(hosts) == 2


@pytest.mark.parametrize(
    "endpoint", ["", "host", "host:", ":80", "host:0", "host:65536", "host:x", "host:٣", "host:999999999999"]
)
def test_an_endpoint_that_is_not_host_and_port_is_refused(endpoint: str) -> None:
    with pytest.raises(TargetError, match="not host:port"):
        render_clusters("m", Split(Release("1", (endpoint,))))


def test_one_version_at_two_places_is_refused() -> None:
    with pytest.raises(TargetError, match="both version 1"):
        render_clusters("m", Split(V1, Release("1.0", ("127.0.0.1:9",))))


@pytest.mark.parametrize("name", ["m", "", "/m?x", "/m n", "/m#a"])
def test_a_route_that_is_no_path_prefix_is_refused(name: str) -> None:
    with pytest.raises(TargetError, match="not a path prefix"):
        path_prefix(RouteRef("envoy", name))


@pytest.mark.parametrize("weight", [-1, 1001])
def test_a_weight_outside_the_range_is_refused(weight: int) -> None:
    with pytest.raises(TargetError, match="not between"):
        shares(Split(V1, V2, weight))


def test_versions_are_ordered_by_epoch_and_then_by_sequence() -> None:
    assert order("2-1") > order("1-99") > order("1-2") > order("a digest") == (0, 0)


def test_an_edited_entry_survives_the_change_of_another_model() -> None:
    _, entry = render_route(FRAUD)
    edited = copy.deepcopy(entry)
    members(edited)[1]["weight"] = 55
    document = Routes().changed({"/v2/models/fraud": edited}, "1-1")
    after = document.changed(
        {"/b": render_route(ModelRoute("b", RouteRef("envoy", "/b"), Split(V1), 1))[1]}, "1-2"
    )
    assert after.entries["/v2/models/fraud"] == edited


def seen_as(entry: ModelRoute, old: str, new: str) -> ModelRoute | None:
    """The entry with a text changed by hand, but for what the record in its metadata says."""
    _, rendered = render_route(entry)
    record = json.dumps(rendered["matcher"]["matcher_list"]["matchers"][0]["on_match"]).split('"metadata"')[1]
    kept = record[: record.index("}}")]
    text = json.dumps(rendered)
    assert old in text.replace(kept, "")
    return parse_route(json.loads(text.replace(kept, "\0").replace(old, new).replace("\0", kept)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"exact": "1"', '"exact": "2"'),
        ('"header_name": "x-tester"', '"header_name": "x-all"'),
        ("beta=yes", "beta=no"),
        ("fraud@2%2E0@testers", "fraud@1%2E0"),
        ('"header_name": "x-user-id"', '"header_name": "x-team-id"'),
        ('"use_hash_policy": true', '"use_hash_policy": false'),
        ("or_matcher", "and_matcher"),
    ],
)
def test_an_edit_of_who_gets_the_canary_is_another_split(old: str, new: str) -> None:
    testers = (Match(Key(Carrier.HEADER, "x-tester"), "1"), Match(Key(Carrier.COOKIE, "beta"), "yes"))
    audience = Audience(testers, Sticky(Key(Carrier.HEADER, "x-user-id")))
    entry = ModelRoute("fraud", FRAUD.route, Split(V1, V2, 100, audience=audience), epoch=3)
    found = seen_as(entry, old, new)
    assert found is not None
    assert found.running.audience == Audience(testers, audience.sticky, edited=True)


def test_the_canary_is_the_first_of_the_hashed_ones_and_weights_add_up_to_the_same() -> None:
    for weight in (1, 500, 999):
        audience = Audience((), Sticky(Key(Carrier.HEADER, "x-user-id")))
        split = Split(V1, V2, weight, audience=audience)
        _, rendered = render_route(ModelRoute("fraud", FRAUD.route, split, epoch=3))
        names = [(each["name"], each["weight"]) for each in members(rendered)]
        assert names == [("fraud@2%2E0", weight), ("fraud@1%2E0", 1000 - weight)]


def test_an_audience_that_somebody_writes_into_an_entry_without_one_is_seen() -> None:
    _, rendered = render_route(FRAUD)
    changed = copy.deepcopy(rendered)
    matcher = changed["matcher"]["matcher_list"]["matchers"][0]
    config = matcher["on_match"]["action"]["typed_config"]
    config["route"]["hash_policy"] = [{"header": {"header_name": "x-user-id"}}]
    found = parse_route(changed)
    assert found is not None
    assert found.running == Split(V1, V2, 100, audience=Audience(edited=True))


SHADOW = ModelRoute("fraud", FRAUD.route, Split(V1, V2, mirror_permille=100), epoch=3)


def action(entry: Json) -> Json:
    config = entry["matcher"]["matcher_list"]["matchers"][0]["on_match"]["action"]["typed_config"]
    found: Json = config["route"]
    return found


def test_copies_go_to_a_cluster_of_their_own_and_users_to_stable_alone() -> None:
    _, rendered = render_route(SHADOW)
    assert [member["name"] for member in members(rendered)] == ["fraud@1%2E0"]
    (policy,) = action(rendered)["request_mirror_policies"]
    assert policy == {
        "cluster": "fraud@2%2E0/shadow",
        "runtime_fraction": {"default_value": {"numerator": 1000, "denominator": "TEN_THOUSAND"}},
        "disable_shadow_host_suffix_append": True,
    }
    assert render_clusters("fraud", SHADOW.split).keys() == {
        "fraud@1%2E0",
        "fraud@2%2E0",
        "fraud@2%2E0/shadow",
    }


def test_a_version_called_like_a_shadow_is_another_cluster() -> None:
    named = Release("2.0/shadow", ("127.0.0.1:1003",))
    assert (
        render_clusters("fraud", Split(V1, named))
        .keys()
        .isdisjoint(render_clusters("fraud", SHADOW.split).keys() - {"fraud@1%2E0"})
    )


def test_without_copies_the_route_says_nothing_of_them() -> None:
    _, rendered = render_route(FRAUD)
    assert "request_mirror_policies" not in action(rendered)
    assert "shadow" not in json.dumps(rendered)


@pytest.mark.parametrize(
    ("edit", "share"),
    [
        ({"runtime_fraction": {"default_value": {"numerator": 1001, "denominator": "TEN_THOUSAND"}}}, 101),
        ({"runtime_fraction": {"default_value": {"numerator": 999, "denominator": "TEN_THOUSAND"}}}, 99),
        ({"runtime_fraction": {"default_value": {"numerator": 50}}}, 500),
        ({"runtime_fraction": {"default_value": {"numerator": 5_000_000, "denominator": "MILLION"}}}, 1000),
        ({"runtime_fraction": None}, 1000),
        ({"cluster": "elsewhere"}, 0),
        ({"cluster": "fraud@2%2E0"}, 100),
    ],
)
def test_an_edit_of_the_copies_alone_is_a_different_split(edit: Json, share: int) -> None:
    _, rendered = render_route(SHADOW)
    action(rendered)["request_mirror_policies"][0].update(edit)
    parsed = parse_route(rendered)
    assert parsed is not None
    assert parsed.running == Split(V1, V2, mirror_permille=share)


def test_copies_that_people_send_elsewhere_are_theirs() -> None:
    _, rendered = render_route(FRAUD)
    action(rendered)["request_mirror_policies"] = [{"cluster": "audit"}]
    parsed = parse_route(rendered)
    assert parsed is not None
    assert parsed.running == FRAUD.split


def test_an_emergency_ends_copies_too() -> None:
    prefix, rendered = render_route(SHADOW)
    parsed = parse_route(rendered)
    assert parsed is not None
    changed = latched_entry((prefix, parsed), Reason.CHECK_FAILED, 4)
    assert changed is not None
    after = parse_route(changed[prefix])
    assert after is not None
    assert (after.running, after.latched) == (Split(V1, V2), Reason.CHECK_FAILED)
    assert latched_entry((prefix, after), Reason.CHECK_FAILED, 4) is None


@pytest.mark.parametrize("mirror", [-1, 1001, 1.5, True, "100", None])
def test_an_impossible_share_of_copies_is_not_read(mirror: object) -> None:
    _, rendered = render_route(SHADOW)
    config = rendered["matcher"]["matcher_list"]["matchers"][0]["on_match"]["action"]["typed_config"]
    config["metadata"]["filter_metadata"]["dev.serinus"]["mirror"] = mirror
    assert parse_route(rendered) is None
