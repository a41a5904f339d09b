"""A share of some work, for one of several machines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from conceptstats.errors import ParameterError

Item = TypeVar("Item")

PLACE = "place"  # column of a share's table: where a row's item stands among all


@dataclass(frozen=True, slots=True)
class Shard:
    """Share ``index`` of ``n``, counted from 0: every n-th item."""

    index: int = 0
    n: int = 1

    def __post_init__(self) -> None:
        """Refuse a share that there is not."""
        if not 0 <= self.index < self.n:
            raise ParameterError(
                f"shard {self.index}/{self.n} is none of {self.n}.",
                "shards are counted from 0: 0/4, 1/4, 2/4, 3/4",
            )

    def __str__(self) -> str:
        """As `parse_shard` takes it."""
        return f"{self.index}/{self.n}"

    def take(self, items: Sequence[Item]) -> list[Item]:
        """The items of this share, in their order.

        >>> Shard(1, 3).take("abcdefg")
        ['b', 'e']
        """
        return list(items[self.index :: self.n])


def parse_shard(text: str) -> Shard:
    """A share as a user writes it.

    >>> parse_shard("2/4")
    Shard(index=2, n=4)

    Raises
    ------
    ParameterError
    """
    if not (found := re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)):
        raise ParameterError(f"shard is {text!r}, expected i/N, such as 0/4.")
    return Shard(int(found[1]), int(found[2]))
