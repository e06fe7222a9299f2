"""What is known of a collection, from news in any order."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.adapters.kube.cache import Cache, Change
from controller.adapters.kube.resources import Obj


def an_object(name: str, version: str | int, value: object = None, uid: str = "1") -> Obj:
    metadata = {"name": name, "namespace": "ml", "resourceVersion": str(version), "uid": uid}
    return {"metadata": metadata, "value": version if value is None else value}


def test_only_what_is_newer_counts() -> None:
    cache = Cache()
    first = an_object("a", 5)
    assert cache.offer(first) == [Change(None, first)]
    assert cache.offer(first) == []
    assert cache.offer(an_object("a", 4)) == []
    later = an_object("a", 10)
    assert cache.offer(later) == [Change(first, later)]
    assert cache.offer(an_object("a", 9)) == []
    assert cache.get("ml", "a") == later
    assert cache.all("ml") == cache.all() == [later]
    assert cache.all("other") == []


def test_versions_are_numbers_not_words() -> None:
    cache = Cache()
    cache.offer(an_object("a", "9"))
    assert cache.offer(an_object("a", "10"))
    assert not cache.offer(an_object("a", "9"))


def test_versions_that_are_no_numbers_are_taken_as_they_come() -> None:
    cache = Cache()
    cache.offer(an_object("a", "x"))
    assert cache.offer(an_object("a", "b"))
    assert not cache.offer(an_object("a", "b"))
    assert cache.remove(an_object("a", "a"))
    assert cache.offer(an_object("a", "z"))
    assert cache.replace([], "y") == [Change(an_object("a", "z"), None)]
    assert cache.offer(an_object("a", "9" * 5000))


def test_a_write_without_a_difference_is_no_change_but_its_version_counts() -> None:
    cache = Cache()
    cache.offer(an_object("a", 5, "same"))
    newer = an_object("a", 6, "same")
    assert cache.offer(newer) == []
    assert cache.get("ml", "a") == newer


def test_a_version_without_a_difference_is_a_change_for_who_writes_against_it() -> None:
    cache = Cache(every_version=True)
    first, newer = an_object("a", 5, "same"), an_object("a", 6, "same")
    cache.offer(first)
    assert cache.offer(newer) == [Change(first, newer)]
    assert cache.offer(newer) == []
    assert cache.replace([newer], "7") == []


def test_a_deleted_object_stays_deleted_for_old_news() -> None:
    cache = Cache()
    cache.offer(an_object("a", 5))
    assert cache.remove(an_object("a", 7)) == [Change(an_object("a", 5), None)]
    assert cache.remove(an_object("a", 7)) == []
    for version in (5, 6, 7):
        assert cache.offer(an_object("a", version)) == []
    again = an_object("a", 8, uid="2")
    assert cache.offer(again) == [Change(None, again)]
    assert cache.remove(an_object("a", 7)) == []
    assert cache.get("ml", "a") == again


def test_an_object_that_was_made_anew_is_two_changes() -> None:
    cache = Cache()
    old, new = an_object("a", 5, uid="1"), an_object("a", 9, uid="2")
    cache.offer(old)
    assert cache.offer(new) == [Change(old, None), Change(None, new)]


def test_a_list_says_what_is_gone() -> None:
    cache = Cache()
    cache.offer(an_object("a", 5))
    cache.offer(an_object("b", 6))
    changes = cache.replace([an_object("b", 6), an_object("c", 7)], "8")
    assert changes == [Change(None, an_object("c", 7)), Change(an_object("a", 5), None)]
    assert cache.offer(an_object("a", 8)) == []
    assert cache.offer(an_object("a", 9))


def test_what_a_list_lacks_is_not_brought_back_by_older_news_of_its_deletion() -> None:
    cache = Cache()
    cache.replace([], "12")
    assert cache.remove(an_object("a", 2)) == []
    assert cache.offer(an_object("a", 6)) == []
    assert cache.offer(an_object("a", 13))


def test_our_own_write_is_not_undone_by_a_list_from_before() -> None:
    cache = Cache()
    cache.replace([an_object("a", 5)], "5")
    cache.offer(an_object("a", 9))
    cache.offer(an_object("new", 10))
    assert cache.replace([an_object("a", 5)], "8") == []
    assert cache.get("ml", "a") == an_object("a", 9)
    assert cache.get("ml", "new") == an_object("new", 10)
    assert len(cache.replace([an_object("a", 9)], "11")) == 1


def test_what_we_deleted_is_not_brought_back_by_old_news() -> None:
    cache = Cache()
    cache.replace([an_object("a", 5)], "6")
    assert cache.drop("ml", "a") == [Change(an_object("a", 5), None)]
    assert cache.drop("ml", "a") == []
    assert cache.offer(an_object("a", 5)) == []
    marked = an_object("a", 8, "it has a finalizer and stays for a while")
    assert cache.offer(marked) == [Change(None, marked)]


def test_a_server_that_went_back_is_believed_when_it_is_restarted_with() -> None:
    cache = Cache()
    cache.replace([an_object("a", 50), an_object("b", 60), an_object("c", 10)], "100")
    assert cache.is_older("99")
    assert not cache.is_older("100")
    changes = cache.restart([an_object("a", 20), an_object("c", 10)], "30")
    assert changes == [
        Change(an_object("a", 50), an_object("a", 20)),
        Change(an_object("b", 60), None),
    ]
    assert cache.offer(an_object("a", 31))


# What happened to one or two objects in the server, in order: the version is the place in the history.
histories = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["write", "write", "delete"])),
    min_size=1,
    max_size=12,
)


class Server:
    """All versions of all objects, and what was there at each version."""

    def __init__(self, history: Sequence[tuple[str, str]]) -> None:
        self.events: list[tuple[str, Obj]] = []
        self.states: list[dict[str, Obj]] = [{}]
        now: dict[str, Obj] = {}
        for version, (name, act) in enumerate(history, start=1):
            if act == "delete" and name in now:
                self.events.append(("DELETED", {**now.pop(name), **an_object(name, version)}))
            else:
                uid = now[name]["metadata"]["uid"] if name in now else str(version)
                now[name] = an_object(name, version, uid=uid)
                self.events.append(("WRITTEN", now[name]))
            self.states.append(dict(now))


@settings(max_examples=300)
@given(histories, st.data())
def test_in_whatever_order_news_come_the_end_is_the_truth_and_nothing_goes_back(
    history: list[tuple[str, str]], data: st.DataObject
) -> None:
    server = Server(history)
    news = data.draw(st.lists(st.sampled_from(server.events), max_size=20), label="repeated and out of order")
    order = data.draw(st.permutations([*news, *server.events]), label="order")
    cache = Cache()
    told: dict[str, Obj | None] = {"a": None, "b": None}
    for kind, obj in order:
        changes = []
        if data.draw(st.integers(0, 9), label="listed") == 0:
            version = data.draw(st.integers(int(cache.listed or "0"), len(history)), label="list of")
            changes += cache.replace(list(server.states[version].values()), str(version))
        changes += cache.remove(obj) if kind == "DELETED" else cache.offer(obj)
        for change in changes:
            name = (change.old or change.new or {})["metadata"]["name"]
            before, told[name] = told[name], change.new
            assert change.old == before
            if before is not None and change.new is not None:
                assert _version(change.new) > _version(before)
    assert {name: obj for name, obj in told.items() if obj} == server.states[-1]
    assert {obj["metadata"]["name"]: obj for obj in cache.all()} == server.states[-1]


def _version(obj: Obj) -> int:
    return int(obj["metadata"]["resourceVersion"])
