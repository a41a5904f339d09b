"""Read sources on a dask cluster: one task a source, parts written to the folder all share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conceptstats.errors import ClusterError
from conceptstats.index.layout import Dedup, PartRecord
from conceptstats.index.parts import cut_parts, make_part
from conceptstats.progress import Progress
from conceptstats.sources import Source, read_batches
from conceptstats.sources.batch import OnError
from conceptstats.text import load_profile

if TYPE_CHECKING:
    from distributed import Client


_TIMEOUT = 10  # seconds that a scheduler has to answer


@cache
def _profile(name: str, options: str) -> Any:
    return load_profile(name, **json.loads(options))


def read_source(
    folder: Path,
    number: int,
    source: Source,
    profile: tuple[str, str],
    with_ids: bool,
    dedup: Dedup,
    on_error: OnError,
) -> list[PartRecord]:
    """Make all parts of one source; runs on a worker of the cluster."""
    batches = read_batches(source, with_ids=with_ids, on_error=on_error)
    loaded = _profile(*profile)
    return [
        make_part(folder, raw, source, loaded, dedup, on_error)
        for raw in cut_parts(number, batches)
    ]


def read_on_cluster(
    address: str,
    workers: int,
    folder: Path,
    sources: Sequence[Source],
    profile: tuple[str, str],
    with_ids: bool,
    dedup: Dedup,
    on_error: OnError,
    progress: Progress,
) -> list[PartRecord]:
    """Make all parts of all sources.

    Parameters
    ----------
    address : str
        Of a dask scheduler, or "local" for ``workers`` processes on this machine. All workers must
        see the sources and the folder under the same paths.
    profile : (name, options as JSON)

    Raises
    ------
    ClusterError
        When dask is not installed, or the cluster does not answer.
    """
    with _client(address, workers) as client:
        from distributed import as_completed

        futures = [
            client.submit(
                read_source, folder, number, source, profile, with_ids, dedup, on_error, pure=False
            )
            for number, source in enumerate(sources)
        ]
        records: list[PartRecord] = []
        try:
            for done, future in enumerate(as_completed(futures), 1):
                made = future.result()
                records += made
                n_rows = sum(record.counts.n_rows for record in made)
                progress.advance(n_rows, done / len(futures))
        finally:
            client.cancel(futures)
    return records


@contextmanager
def _client(address: str, workers: int) -> Iterator[Client]:
    try:
        from distributed import Client, LocalCluster
    except ModuleNotFoundError as error:
        raise ClusterError(
            "--dask needs dask, which is not installed.", 'pip install "conceptstats[dask]"'
        ) from error
    if address == "local":
        with (
            LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as local,
            Client(local) as client,
        ):
            yield client
        return
    try:
        client = Client(address, timeout=_TIMEOUT)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            f"no dask scheduler answers at {address!r}: {error}.",
            "give its address, such as tcp://host:8786, or 'local'",
        ) from error
    with client:
        yield client
