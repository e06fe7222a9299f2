"""Who works on which model: the same answer on every machine, for ever."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.domain.sharding import MOST_SHARDS, WHOLE, Shard, shard_from, shard_of

COUNTS = st.integers(1, MOST_SHARDS)


@pytest.mark.parametrize(
    ("model", "shards"),
    [
        ("fraud-detector", (1, 2, 56)),
        ("tumor-classifier", (2, 1, 43)),
        ("llm-chat", (2, 1, 85)),
        ("a", (1, 2, 62)),
    ],
)
def test_where_a_model_belongs_never_changes(model: str, shards: tuple[int, int, int]) -> None:
    assert (shard_of(model, 2), shard_of(model, 3), shard_of(model, 99)) == shards


@given(st.text(), COUNTS)
def test_each_model_belongs_to_one_shard(model: str, count: int) -> None:
    owners = [index for index in range(1, count + 1) if Shard(index, count).owns(model)]
    assert owners == [shard_of(model, count)]
    assert WHOLE.owns(model)


def test_the_shards_are_of_about_one_size() -> None:
    sizes = Counter(shard_of(f"model-{number}", 3) for number in range(3000))
    assert all(900 < size < 1100 for size in sizes.values())


@given(COUNTS, st.data())
def test_a_shard_is_read_as_it_is_written(count: int, data: st.DataObject) -> None:
    shard = Shard(data.draw(st.integers(1, count)), count)
    assert shard_from(str(shard)) == shard


@pytest.mark.parametrize(
    "written", ["", "1", "0/3", "4/3", "1/0", "1/100", "01/3", "1 / 3", "-1/3", "2/3\n", "a/b"]
)
def test_what_is_no_shard_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="INDEX/COUNT"):
        shard_from(written)
