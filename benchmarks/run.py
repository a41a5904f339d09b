"""Measure conceptstats beside scikit-learn, Polars and DuckDB on the same captions.

    python benchmarks/run.py --captions 1000000
    python benchmarks/run.py --scaling

Only the standard library is imported here: on Linux a child process inherits its parent's peak
memory as its own least value, so the parent has to stay small.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
WORK = HERE / "work"
CONTENDERS = ("conceptstats", "sklearn", "polars", "polars_tuned", "duckdb")
PACKAGES = (
    "conceptstats",
    "numba",
    "numpy",
    "pyarrow",
    "scipy",
    "scikit-learn",
    "polars",
    "duckdb",
)
SCALING_FACTOR = 10
WARM_UP_CAPTIONS = 2_000
SAME_COUNTS = ("n_concepts", "n_pairs", "n_pair_events", "vocabulary_sha256", "pairs_sha256")

Run = dict[str, Any]


def make_captions(n_captions: int, seed: int) -> Path:
    """Return the file of captions, generated unless it is there, and read once."""
    path = WORK / f"captions-{n_captions}-{seed}.parquet"
    if not path.exists():
        print(f"generating {path.name}", file=sys.stderr)
        script = [sys.executable, str(HERE / "generate_captions.py"), str(path)]
        subprocess.run([*script, "--captions", str(n_captions), "--seed", str(seed)], check=True)
    with path.open("rb") as file:  # into the page cache, so that the first contender has it too
        while file.read(1 << 24):
            pass
    return path


def measure(name: str, n_captions: int, arguments: argparse.Namespace) -> Run:
    """Run a contender once in a process of its own."""
    path = make_captions(n_captions, arguments.seed)
    command = [sys.executable, str(HERE / "contender.py"), name, str(path)]
    command += ["--warm-up", str(make_captions(WARM_UP_CAPTIONS, arguments.seed))]
    command += ["--work", str(WORK), "--cores", str(arguments.cores)]
    command += ["--max-concepts", str(arguments.max_concepts)]
    cores = str(arguments.cores)
    environment = {**os.environ, "POLARS_MAX_THREADS": cores, "OMP_NUM_THREADS": cores}
    finished = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if finished.returncode != 0:
        raise SystemExit(
            f"{name} failed on {path.name} with status {finished.returncode}; see above"
        )
    run = {"contender": name, "n_captions": n_captions, **json.loads(finished.stdout)}
    print(f"{name:>12}  {run['seconds']:7.2f} s  {_gib(run):5.2f} GiB", file=sys.stderr)
    return run


def _gib(run: Run) -> float:
    return float(run["peak_memory_bytes"]) / 2**30


def summarise(runs: list[Run]) -> list[Run]:
    """Take the median over the repeats of each contender at each size."""
    groups: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        groups.setdefault((run["contender"], run["n_captions"]), []).append(run)
    rows = []
    for (name, n_captions), repeats in groups.items():
        seconds = [run["seconds"] for run in repeats]
        rows.append(
            {
                "contender": name,
                "n_captions": n_captions,
                "n_repeats": len(repeats),
                "seconds": median(seconds),
                "seconds_least": min(seconds),
                "seconds_most": max(seconds),
                "captions_per_second": n_captions / median(seconds),
                "peak_memory_bytes": median(run["peak_memory_bytes"] for run in repeats),
            }
        )
    return rows


def find_disagreements(runs: list[Run]) -> list[str]:
    """Name every way in which a run's counts differ from the first run on the same captions."""
    first: dict[int, Run] = {}
    found: dict[str, None] = {}  # in order, each once
    for run in runs:
        expected = first.setdefault(run["n_captions"], run)
        for key in SAME_COUNTS:
            if run[key] != expected[key]:
                text = f"{key}: {expected['contender']} {expected[key]}, "
                found[text + f"{run['contender']} {run[key]}"] = None
    return list(found)


def contenders_table(rows: list[Run]) -> str:
    """Write the rows as Markdown, each beside the fastest that is not conceptstats."""
    peers = [row["seconds"] for row in rows if row["contender"] != "conceptstats"]
    lines = [
        "| contender | seconds (least–most) | captions/s | × the fastest peer | peak memory, GiB |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in sorted(rows, key=lambda row: row["seconds"]):
        ratio = f"{min(peers) / row['seconds']:.2f}" if peers else "–"
        lines.append(
            f"| {row['contender']} "
            f"| {row['seconds']:.2f} ({row['seconds_least']:.2f}–{row['seconds_most']:.2f}) "
            f"| {row['captions_per_second']:,.0f} | {ratio} | {_gib(row):.2f} |"
        )
    return "\n".join(lines)


def scaling_table(rows: list[Run]) -> str:
    """Write time and memory at both sizes and their ratios, a line a contender."""
    lines = [
        f"| contender | captions | seconds | time ratio | time ratio ÷ {SCALING_FACTOR} "
        "| peak memory, GiB | memory ratio |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    by_contender: dict[str, list[Run]] = {}
    for row in rows:
        by_contender.setdefault(row["contender"], []).append(row)
    for name, sizes in by_contender.items():
        small, large = sorted(sizes, key=lambda row: row["n_captions"])
        time_ratio = large["seconds"] / small["seconds"]
        memory_ratio = large["peak_memory_bytes"] / small["peak_memory_bytes"]
        lines.append(
            f"| {name} | {small['n_captions']:,} → {large['n_captions']:,} "
            f"| {small['seconds']:.2f} → {large['seconds']:.2f} "
            f"| {time_ratio:.2f} | {time_ratio / SCALING_FACTOR:.2f} "
            f"| {_gib(small):.2f} → {_gib(large):.2f} | {memory_ratio:.2f} |"
        )
    return "\n".join(lines)


def describe_machine() -> dict[str, object]:
    """Describe processor, memory and versions, as far as the system tells."""
    cpu_info = Path("/proc/cpuinfo")
    names = [
        line.split(":", 1)[1].strip()
        for line in (cpu_info.read_text().splitlines() if cpu_info.exists() else [])
        if line.startswith("model name")
    ]
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "system": platform.platform(),
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "python": platform.python_version(),
        "versions": versions,
    }


def parse_arguments() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description="Measure conceptstats beside its peers.")
    parser.add_argument("--captions", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the median counts")
    parser.add_argument("--max-concepts", type=int, default=20_000)
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, metavar="NAME")
    parser.add_argument(
        "--scaling",
        action="store_true",
        help=f"run at N and at {SCALING_FACTOR} N captions (conceptstats alone, unless named)",
    )
    arguments = parser.parse_args()
    if min(arguments.captions, arguments.repeat, arguments.max_concepts, arguments.cores) < 1:
        parser.error("--captions, --repeat, --max-concepts and --cores must be at least 1")
    if arguments.contenders is None:
        arguments.contenders = ["conceptstats"] if arguments.scaling else list(CONTENDERS)
    return arguments


def main() -> None:
    """Measure, check that all counts are equal, print a table and write it all as JSON."""
    arguments = parse_arguments()
    WORK.mkdir(exist_ok=True)
    factors = (1, SCALING_FACTOR) if arguments.scaling else (1,)
    runs = [
        measure(name, factor * arguments.captions, arguments)
        for _ in range(arguments.repeat)  # outermost: slow minutes of a shared machine hit all
        for factor in factors
        for name in arguments.contenders
    ]
    rows = summarise(runs)
    disagreements = find_disagreements(runs)
    results = {
        "machine": describe_machine(),
        "arguments": vars(arguments),
        "same_counts": not disagreements,
        "disagreements": disagreements,
        "summary": rows,
        "runs": runs,
    }
    name = "scaling.json" if arguments.scaling else "results.json"
    (WORK / name).write_text(json.dumps(results, indent=2) + "\n")
    print(scaling_table(rows) if arguments.scaling else contenders_table(rows))
    if disagreements:
        raise SystemExit("\ncounts differ:\n" + "\n".join(disagreements))
    for n_captions in sorted({run["n_captions"] for run in runs}):
        same = [run for run in runs if run["n_captions"] == n_captions]
        if len(same) > 1:  # one run agrees with nothing
            print(
                f"\n{n_captions:,} captions: the same counts in all {len(same)} runs, "
                f"{same[0]['n_pairs']:,} pairs of {same[0]['n_concepts']:,} concepts"
            )


if __name__ == "__main__":
    main()
