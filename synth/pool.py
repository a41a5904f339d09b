"""Work spread over processes, its results in order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from conceptstats.errors import ConceptStatsError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_processes(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Generator[Result, None, None]:
    """``function`` of each item, in order; with one worker, or one item, in this process.

    Processes are spawned, so that they inherit neither threads nor locks of this one. Who stops
    before the end closes the iterator, which waits for what the processes are at.

    Raises
    ------
    ConceptStatsError
        When a process dies.
    """
    if min(workers, len(items)) <= 1:
        yield from map(function, items)
        return
    try:
        with ProcessPoolExecutor(min(workers, len(items)), get_context("spawn")) as pool:
            yield from pool.map(function, items)
    except BrokenProcessPool as error:
        raise ConceptStatsError(
            "a worker process died, perhaps for lack of memory.",
            "fewer workers; a script that asks for several must call them below "
            'if __name__ == "__main__"',
        ) from error
