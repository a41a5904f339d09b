"""Work spread over processes, its results in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[Result]:
    """``function`` of each item, in order; with one worker, or one item, in this process.

    Processes are spawned, so that they inherit neither threads nor locks of this one.
    """
    if min(workers, len(items)) <= 1:
        yield from map(function, items)
        return
    with ProcessPoolExecutor(min(workers, len(items)), get_context("spawn")) as pool:
        yield from pool.map(function, items)
