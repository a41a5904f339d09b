"""Shares of work."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptstats.errors import ParameterError
from conceptstats.shards import Shard, parse_shard


@given(st.integers(0, 50), st.integers(1, 12))
def test_shares_hold_every_item_once(n_items: int, n: int) -> None:
    """All shares together are the items, none twice, and their sizes differ by one at most."""
    shares = [Shard(i, n).take(range(n_items)) for i in range(n)]
    assert sorted(item for share in shares for item in share) == list(range(n_items))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["3", "4/4", "-1/4", "a/b", "1/0", "1.5/3", ""])
def test_what_is_no_share_is_refused(text: str) -> None:
    """A share is i/N with i below N."""
    with pytest.raises(ParameterError):
        parse_shard(text)


def test_a_share_reads_back() -> None:
    """What a share is written as is what it is read from."""
    assert parse_shard(str(Shard(2, 5))) == Shard(2, 5)
