"""Run one contender in this process and print what it took as one line of JSON.

`run.py` starts this file once for every measurement, so that neither memory nor warm caches pass
from one contender to the next.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import peers
import pyarrow as pa
from peers import Counts

Contender = Callable[[str, int, int], Counts]


def build_conceptstats_index(out_dir: Path) -> Contender:
    """Make a contender that builds an index on disk; its tables are memory-mapped."""
    from conceptstats.index import build_index

    def count(path: str, max_concepts: int, cores: int) -> Counts:
        shutil.rmtree(out_dir, ignore_errors=True)
        build_index([path], out_dir, max_concepts=max_concepts, workers=cores)
        return Counts(*(_open_table(out_dir / f"{name}.arrow") for name in Counts._fields))

    return count


def _open_table(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def peak_memory(cores: int) -> int:
    """Return the most bytes resident so far, with child processes.

    Of the children only the largest is known; it is counted once a core, which is an upper bound
    as long as there are no more children than cores and all of them have ended.
    """
    unit = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    largest_child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return unit * (own + cores * largest_child)


def describe_counts(counts: Counts) -> dict[str, object]:
    """Return totals, and digests that are equal exactly when all counts are."""
    vocabulary, pairs = counts
    a, b, n = (pairs[name].to_numpy() for name in ("a", "b", "n_captions"))
    if not (a < b).all():
        raise ValueError("expected a < b in every pair")
    order = np.argsort((a.astype(np.uint64) << np.uint64(32)) | b.astype(np.uint64))
    columns = [column[order].astype("<i8") for column in (a, b, n)]
    words = "\n".join(vocabulary["concept"].to_pylist()).encode()
    frequencies = vocabulary["n_captions"].to_numpy().astype("<i8")
    return {
        "n_concepts": vocabulary.num_rows,
        "n_pairs": pairs.num_rows,
        "n_pair_events": int(n.sum()),
        "vocabulary_sha256": hashlib.sha256(words + frequencies.tobytes()).hexdigest(),
        "pairs_sha256": hashlib.sha256(b"".join(c.tobytes() for c in columns)).hexdigest(),
    }


def main() -> None:
    """Warm up on a small file, measure on the large one, then describe the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "name", choices=["conceptstats", "sklearn", "polars", "polars_tuned", "duckdb"]
    )
    parser.add_argument("path")
    parser.add_argument("--warm-up", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--max-concepts", type=int, required=True)
    parser.add_argument("--cores", type=int, required=True)
    arguments = parser.parse_args()

    out_dir = arguments.work / "index"
    count = (
        build_conceptstats_index(out_dir)
        if arguments.name == "conceptstats"
        else getattr(peers, f"count_with_{arguments.name}")
    )
    count(arguments.warm_up, arguments.max_concepts, arguments.cores)
    start = time.perf_counter()
    counts = count(arguments.path, arguments.max_concepts, arguments.cores)
    seconds = time.perf_counter() - start
    peak = peak_memory(arguments.cores)  # before the check below takes memory of its own
    measured = {"seconds": seconds, "peak_memory_bytes": peak, **describe_counts(counts)}
    del counts
    shutil.rmtree(out_dir, ignore_errors=True)
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
