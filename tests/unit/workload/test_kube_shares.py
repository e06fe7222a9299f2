"""Copies and the shares that they carry."""

from hypothesis import given
from hypothesis import strategies as st

from controller.adapters.workload.kube_shares import carried_by, copies_for, too_few

FULL, SHARES = st.integers(1, 500), st.integers(0, 1000)


@given(FULL, SHARES)
def test_the_copies_for_a_share_carry_it_and_one_less_does_not(full: int, share: int) -> None:
    copies = copies_for(share, full)
    assert 1 <= copies <= full
    assert share <= carried_by(copies, full) <= 1000
    assert copies == 1 or carried_by(copies - 1, full) < share


@given(FULL, SHARES)
def test_half_of_what_a_share_needs_is_not_too_few_and_less_is(full: int, share: int) -> None:
    needed = copies_for(share, full)
    assert not too_few(-(-needed // 2), share, full)
    assert too_few((needed - 1) // 2, share, full)
