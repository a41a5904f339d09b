"""Read sources on a dask cluster: one task a source, parts written to the folder all share."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from conceptstats.errors import ClusterError
from conceptstats.index.layout import Dedup, PartRecord
from conceptstats.index.parts import cut_parts, finished_part, make_part
from conceptstats.progress import Progress
from conceptstats.sources import Source, read_batches
from conceptstats.sources.batch import OnError
from conceptstats.text import load_profile
from conceptstats.text.profile import Profile

if TYPE_CHECKING:
    from distributed import Client


_TIMEOUT = 10  # seconds that a scheduler has to answer


class Recipe(NamedTuple):
    """What a worker needs, besides the source, to make its parts."""

    profile: str
    options: str  # JSON
    versions: dict[str, str]
    dedup: Dedup
    on_error: OnError


@cache
def _load(name: str, options: str) -> Profile:
    return load_profile(name, **json.loads(options))


def read_source(
    parts: Path, incoming: Path, number: int, source: Source, recipe: Recipe
) -> list[PartRecord]:
    """Make the parts of one source that are not finished; runs on a worker of the cluster.

    Parameters
    ----------
    parts : Path
        Parts that an earlier build has finished.
    incoming : Path
        Where new parts are written. The folder is this build's alone, and is not made anew, so a
        task that outlives its build fails.
    """
    profile = _load(recipe.profile, recipe.options)
    if profile.versions != recipe.versions:
        raise ClusterError(
            f"a worker has profile {recipe.profile!r} in versions {profile.versions}, expected "
            f"{recipe.versions}.",
            "install the same packages on all workers",
        )
    batches = read_batches(source, with_ids=recipe.dedup == "id", on_error=recipe.on_error)
    records = []
    for raw in cut_parts(number, batches):
        record = finished_part(parts, raw, recipe.on_error)
        if record is None:
            record = make_part(incoming, raw, source, profile, recipe.dedup, recipe.on_error)
        records.append(record)
    return records


def read_on_cluster(
    address: str,
    workers: int,
    parts: Path,
    sources: Sequence[Source],
    recipe: Recipe,
    progress: Progress,
) -> list[PartRecord]:
    """Make all parts of all sources.

    Parameters
    ----------
    address : str
        Of a dask scheduler, or "local" for ``workers`` processes on this machine. All workers must
        see the sources and the folder under the same paths.
    parts : Path
        Receives the parts.

    Raises
    ------
    ClusterError
        When dask is not installed, the cluster does not answer, or its workers differ.
    """
    incoming = Path(tempfile.mkdtemp(prefix=".incoming-", suffix=".partial", dir=parts))
    with _client(address, workers) as client:
        from distributed import KilledWorker, as_completed
        from distributed.comm import CommClosedError

        futures = [
            client.submit(read_source, parts, incoming, number, source, recipe, pure=False)
            for number, source in enumerate(sources)
        ]
        records: list[PartRecord] = []
        try:
            for done, future in enumerate(as_completed(futures), 1):
                made = future.result()
                for record in made:
                    if (incoming / record.name).exists():
                        (incoming / record.name).rename(parts / record.name)
                records += made
                n_rows = sum(record.counts.n_rows for record in made)
                progress.advance(n_rows, done / len(futures))
        except (KilledWorker, CommClosedError) as error:
            raise ClusterError(
                f"the cluster lost its workers: {error}.",
                "they may have run out of memory; the same command goes on",
            ) from error
        finally:
            client.cancel(futures)
            shutil.rmtree(incoming, ignore_errors=True)
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
            LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as local,
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
