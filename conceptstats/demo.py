"""The demo: from captions to the correlation of accuracy with PMI, where the answer is known.

It is a list of commands, each of which a user can run by itself: three worlds that differ in their
association alone, a model trained in each, the same probe images for all, and the statistics.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conceptstats.errors import OutputExistsError
from conceptstats.index import CaptionIndex
from conceptstats.progress import Progress, Silent
from conceptstats.runs import dump_json
from conceptstats.table_files import load_table
from conceptstats.tables import JOINT, output_errors

LEAST_COUNT = 30  # captions of a pair whose PMI is compared with the truth
_MARK = ".conceptstats-demo"  # a file in the folder of a demo
_WORLDS = {  # what each has besides the settings that all share
    "main": [],
    "independent": ["--association", "0", "--empty", "0"],
    "opposite": ["--reverse", "--empty", "0"],
}
_TEMPLATES = "photo of {}"

Command = tuple[str, ...]
Run = Callable[[Sequence[str]], None]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything."""

    n: int  # captions
    pictures: int  # that the first of them have: what a model is trained on
    keys: int
    accessories: int
    steps: int  # of training
    strata: int
    per_stratum: int
    per_probe: int  # images
    draws: int  # bootstrap replicates, permutations


FULL = Scale(500_000, 50_000, 28, 40, 1600, 20, 48, 20, 1000)
QUICK = Scale(25_000, 2_500, 8, 12, 120, 5, 12, 8, 200)


def demo_commands(output: Path, scale: Scale, seed: int = 0) -> Iterator[Command]:
    """The whole chain, as arguments of `conceptstats`.

    Parameters
    ----------
    output : Path
        Folder of all that is made.
    scale : Scale
    seed : int
        Of the worlds, the models and the images.

    Yields
    ------
    tuple of str
    """
    at = _Places(output)
    for world, changes in _WORLDS.items():
        sizes = ["--n", scale.n, "--pictures", scale.pictures]
        sizes += ["--keys", scale.keys, "--accessories", scale.accessories]
        yield _line("synth world -o", at.world(world), *sizes, *changes, "--seed", seed)
        yield _line("index build", at.captions(world), "-o", at.index(world))
    shared = ["--keys", at.world("main") / "keys.txt"]
    shared += ["--accessories", at.world("main") / "accessories.txt"]
    spread = ["--strata", scale.strata, "--per-stratum", scale.per_stratum]
    yield _line("probes", at.index("main"), *shared, *spread, "-o", at.probes)
    look = ["--world", at.world("main"), "--per-probe", scale.per_probe, "--seed", seed]
    yield _line("synth generate", at.probes, *look, "-o", at.images.parent)
    for world in _WORLDS:
        shards = at.world(world) / "shards" / "*.tar"
        steps = ["--steps", scale.steps, "--seed", seed]
        yield _line("eval finetune", shards, "--from-scratch", *steps, "-o", at.model(world))
        classes = ["--classes", at.world("main") / "keys.txt", "--templates", _TEMPLATES]
        model = ["--model", at.model(world), *classes, "--top-k", 0]
        yield _line("eval zeroshot", at.images, *model, "-o", at.predictions(world))
        yield at.join(world, at.index(world))
        yield at.correlate(world, scale)
    truth = ["--images", at.images, "--probes", at.probes]
    truth += ["--joint", at.world("main") / "joint.parquet"]
    evidence = at.predictions("independent")
    yield _line("eval observer", evidence, *truth, "-o", at.predictions("observer"))
    yield at.join("observer", at.index("main"))
    yield at.correlate("observer", scale)
    yield _line("eval shuffle", at.examples("main"), "-o", at.results("shuffled"))
    both = at.examples("main"), at.examples("opposite")
    draws = ["--bootstrap", scale.draws, "--permutations", scale.draws]
    bins = ["--bins", min(20, scale.strata * scale.per_stratum // 4)]
    yield _line("eval compare", *both, *bins, *draws, "-o", at.results("opposite-difference"))
    figure = ["-o", output / "figure.png", "-o", output / "figure.pdf"]
    seen = [f"{name}={at.results(name)}" for name in ("main", "independent", "observer")]
    yield _line("eval figure", *seen, *figure)
    page = ["--images", at.images, "--title", "A controlled world", "-o", output / "report.html"]
    yield _line(
        "eval report",
        *seen,
        *(f"{name}={at.results(name)}" for name in ("opposite", "opposite-difference", "shuffled")),
        *page,
    )


@dataclass(frozen=True, slots=True)
class _Places:
    """Where everything lies in the folder of a demo."""

    output: Path

    def world(self, name: str) -> Path:
        return self.output / "worlds" / name

    def captions(self, name: str) -> Path:
        return self.world(name) / "captions.parquet"

    def index(self, name: str) -> Path:
        return self.output / "indexes" / name

    @property
    def probes(self) -> Path:
        return self.output / "probes.parquet"

    @property
    def images(self) -> Path:
        return self.output / "images" / "images.parquet"

    def model(self, name: str) -> Path:
        return self.output / "models" / name

    def predictions(self, name: str) -> Path:
        return self.output / "predictions" / f"{name}.parquet"

    def examples(self, name: str) -> Path:
        return self.output / "examples" / f"{name}.parquet"

    def results(self, name: str) -> Path:
        return self.output / "results" / f"{name}.json"

    def join(self, name: str, index: Path) -> Command:
        tables = ["--images", self.images, "--probes", self.probes, "--index", index]
        return _line("eval join", self.predictions(name), *tables, "-o", self.examples(name))

    def correlate(self, name: str, scale: Scale) -> Command:
        draws = ["--bootstrap", scale.draws, "--permutations", scale.draws]
        where = ["--cluster", "class", "-o", self.results(name)]
        return _line("eval correlate", self.examples(name), *draws, *where)


def _line(command: str, *arguments: object) -> Command:
    return (*command.split(), *map(str, arguments))


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo found, as its JSON has it."""

    report: Path
    data: dict[str, Any]

    def rows(self) -> list[dict[str, Any]]:
        """One row a world or control, for people."""
        rows = []
        for name in ("main", "independent", "observer"):
            found = self.data[name]
            interval = f"{_figure(found['slope'])} [{_figure(found['slope_low'])}, "
            rows.append(
                {
                    "": name,
                    "r binned": _figure(found["r_binned"]),
                    "r unbinned": _figure(found["r_unbinned"]),
                    "gap 5%": _figure(found["gap_5pct"]),
                    "slope": f"{interval}{_figure(found['slope_high'])}]",
                }
            )
        other, mixed = self.data["opposite"], self.data["shuffled"]
        rows.append(
            {
                "": "main - opposite, pair by pair",
                "r binned": _figure(other["r_delta_binned"]),
                "r unbinned": _figure(other["r_delta_unbinned"]),
                "gap 5%": "",
                "slope": "",
            }
        )
        rows.append(
            {
                "": "main, PMI shuffled (mean)",
                "r binned": _figure(mixed["r_binned"]),
                "r unbinned": _figure(mixed["r_unbinned"]),
                "gap 5%": _figure(mixed["gap_5pct"]),
                "slope": "",
            }
        )
        return rows


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def run_demo(
    output: Path,
    run: Run,
    *,
    scale: Scale = FULL,
    seed: int = 0,
    progress: Progress | None = None,
) -> DemoResult:
    """Run all commands of the demo, and gather what they found.

    Parameters
    ----------
    output : Path
        Folder; an earlier demo there is replaced. ``commands.sh`` has the commands, ``log.txt``
        what they printed.
    run : callable
        Runs one command, given as the arguments of `conceptstats`.
    scale : Scale
        `QUICK` is a small world, in about a minute: too small for its figures to mean much.
    seed : int
    progress : Progress, optional
        Is told each command.

    Raises
    ------
    OutputExistsError
        When the folder holds something and is no demo.
    """
    progress = progress or Silent()
    began = time.perf_counter()
    _clear(output)
    commands = list(demo_commands(output, scale, seed))
    lines = [shlex.join(("conceptstats", *command)) for command in commands]
    (output / "commands.sh").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with (output / "log.txt").open("w", encoding="utf-8") as log:
        for number, (line, command) in enumerate(zip(lines, commands, strict=True), 1):
            progress.say(f"[{number}/{len(lines)}] {line}")
            log.write(f"$ {line}\n")
            with contextlib.redirect_stdout(log):
                run(command)
    at = _Places(output)
    data: dict[str, Any] = {
        "captions": sum(CaptionIndex.open(at.index(world)).n for world in _WORLDS),
        "seconds": round(time.perf_counter() - began, 1),
        "scale": asdict(scale),
        "seed": seed,
    }
    index = CaptionIndex.open(at.index("main"))
    data["recovered"] = compare_with_truth(index, at.world("main") / "joint.parquet")
    for name in ("main", "independent", "observer"):
        data[name] = _take(at.results(name), "r_binned n_bins r_unbinned gap_5pct slope")
    data["opposite"] = _take(at.results("opposite-difference"), "r_delta_binned r_delta_unbinned")
    data["shuffled"] = _take(at.results("shuffled"), "r_binned n_bins r_unbinned gap_5pct")
    data["report"] = str(output / "report.html")
    dump_json(output / "demo.json", data)
    return DemoResult(output / "report.html", data)


def _take(path: Path, names: str) -> dict[str, Any]:
    """Some figures of a result, with their intervals."""
    found = json.loads(path.read_text(encoding="utf-8"))
    wanted = [name + end for name in names.split() for end in ("", "_low", "_high")]
    return {name: found[name] for name in wanted if name in found}


def compare_with_truth(index: CaptionIndex, joint: Path) -> dict[str, Any]:
    """PMI that the index recovers against PMI of the world, over pairs that were seen enough.

    Returns
    -------
    dict
        ``n`` captions, ``r`` (Pearson), ``n_pairs``, ``max_error`` (nats), and ``coverage``: the
        share of 95% intervals that hold the truth.
    """
    table = load_table(joint, JOINT)
    pairs = zip(table["key"].to_pylist(), table["accessory"].to_pylist(), strict=True)
    found = [index.pmi(key, accessory) for key, accessory in pairs]
    enough = np.array([pair.n_ab >= LEAST_COUNT for pair in found])
    truth: npt.NDArray[np.float64] = np.asarray(table["pmi"])[enough]
    value, low, high = (
        np.array([getattr(pair, name) for pair in found])[enough]
        for name in ("pmi", "pmi_low", "pmi_high")
    )
    known = len(truth) > 2
    return {
        "n": index.n,
        "n_pairs": len(truth),
        "r": float(np.corrcoef(value, truth)[0, 1]) if known else None,
        "max_error": float(np.abs(value - truth).max()) if known else None,
        "coverage": float(np.mean((low <= truth) & (truth <= high))) if known else None,
    }


def _clear(output: Path) -> None:
    """Make an empty folder there; an earlier demo, which has its mark, is removed."""
    mark = output / _MARK
    if output.exists() and not mark.exists() and (output.is_file() or any(output.iterdir())):
        raise OutputExistsError(f"{output} exists and is no demo.", "choose another folder")
    with output_errors(output):
        if mark.exists():
            shutil.rmtree(output)
        output.mkdir(parents=True, exist_ok=True)
        mark.touch()
