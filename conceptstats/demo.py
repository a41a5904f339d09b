"""The demo: a small corpus whose joint distribution is known, and what the index makes of it.

A caption names a thing, a companion, or both. Which thing and which companion stand together is
drawn from a joint table with Zipf marginals and a random association, so the PMI of every pair is
known exactly and can be set against the PMI that the index recovers.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from conceptstats.errors import OutputExistsError
from conceptstats.index import CaptionIndex, build_index
from conceptstats.tables import output_errors

N_CAPTIONS = 50_000
LEAST_COUNT = 30  # captions of a pair that is compared: fewer say little about its PMI
THINGS = tuple(
    "anchor balloon bicycle boat bridge canoe camel candle castle clock cradle drum guitar kettle "
    "ladder lantern lighthouse piano rocket sailboat teapot tractor umbrella windmill".split()
)
COMPANIONS = tuple(
    "acorn apple banana basket bell bird bottle bowl bucket butterfly carrot chair cloud crown cup "
    "feather flower hammer hat key leaf lemon mirror moon mushroom pear pumpkin ribbon ring rock "
    "rose shell shoe spoon star tree".split()
)
_MARK = ".conceptstats-demo"  # a file in the folder of a demo
_BOTH = 0.6  # share of captions that name both; the others name one of the two
_ZIPF = 0.7
_ASSOCIATION = 1.0  # standard deviation of the log association
_EMPTY = 0.08  # share of pairs that never stand together
_BOTH_TEMPLATES = (
    "A {thing} with a {companion}",
    "{thing} and {companion}, stock photo",
    "Vintage {thing} next to two {companion}s | 1024x768",
    "the {companion} beside our {thing}",
)
_ONE_TEMPLATES = ("A photo of a {0}", "{0} - free image", "Two {0}s on a white background")


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo found."""

    captions: int
    seconds: float  # to index them
    captions_per_second: float
    n_concepts: int
    n_pairs: int
    n_compared: int  # pairs with `LEAST_COUNT` captions or more
    r_pmi: float  # Pearson correlation of PMI recovered and PMI true over them
    max_error: float  # nats
    coverage: float  # share of their 95% intervals that hold the true PMI
    index: str
    figure: str | None
    pairs: list[dict[str, Any]]  # some of them: the strongest, the middle, the weakest, the unseen

    def to_json(self) -> dict[str, Any]:
        """As a dict of JSON types."""
        return asdict(self)

    def facts(self) -> dict[str, Any]:
        """What is printed above the pairs."""
        return {
            "captions": self.captions,
            "captions per second (the first build compiles)": round(self.captions_per_second),
            "concepts": self.n_concepts,
            "pairs seen": self.n_pairs,
            f"pairs compared ({LEAST_COUNT} captions or more)": self.n_compared,
            "correlation of PMI recovered and true": f"{self.r_pmi:.4f}",
            "largest error in nats": f"{self.max_error:.3f}",
            "95% intervals that hold the truth": f"{self.coverage:.1%}",
            "index": self.index,
        }


def joint_table(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Probability of each thing with each companion, with Zipf marginals.

    Returns
    -------
    (things, companions) float64
        Sums to 1; some entries are 0.
    """
    shape = len(THINGS), len(COMPANIONS)
    weights = np.exp(rng.normal(0, _ASSOCIATION, shape)) * (rng.random(shape) >= _EMPTY)
    targets = [1 / np.arange(1, size + 1) ** _ZIPF for size in shape]
    rows, columns = (rng.permutation(target / target.sum()) for target in targets)
    for _ in range(200):  # iterative proportional fitting
        weights *= (rows / weights.sum(1))[:, None]
        weights *= columns / weights.sum(0)
    table: npt.NDArray[np.float64] = weights / weights.sum()
    return table


def true_pmi(joint: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """PMI of each thing with each companion over captions that are drawn from the table.

    A thing is in the captions that name both, and in half of those that name one.
    """
    share = _BOTH + (1 - _BOTH) / 2
    singles = np.outer(joint.sum(1), joint.sum(0)) * share**2
    with np.errstate(divide="ignore"):
        value: npt.NDArray[np.float64] = np.log(_BOTH * joint / singles)
    return value


def write_captions(
    path: Path, joint: npt.NDArray[np.float64], n: int, rng: np.random.Generator
) -> None:
    """Draw captions and write them as parquet, laid out as LAION-400M."""
    drawn = rng.choice(joint.size, n, p=joint.ravel())
    things, companions = np.unravel_index(drawn, joint.shape)
    named = rng.random(n)
    template = rng.integers(0, 12, n)
    texts = []
    for i in range(n):
        thing, companion = THINGS[things[i]], COMPANIONS[companions[i]]
        if named[i] < _BOTH:
            form = _BOTH_TEMPLATES[template[i] % len(_BOTH_TEMPLATES)]
            texts.append(form.format(thing=thing, companion=companion))
        else:
            one = thing if named[i] < (1 + _BOTH) / 2 else companion
            texts.append(_ONE_TEMPLATES[template[i] % len(_ONE_TEMPLATES)].format(one))
    ids = np.arange(n, dtype=np.int64)
    urls = [f"https://example.org/{i}.jpg" for i in range(n)]
    pq.write_table(pa.table({"SAMPLE_ID": ids, "URL": urls, "TEXT": texts}), path)


def run_demo(output: Path, *, n_captions: int = N_CAPTIONS, seed: int = 0) -> DemoResult:
    """Write a corpus, index it, and compare PMI recovered with PMI true.

    Parameters
    ----------
    output : Path
        Folder for captions.parquet, the index and pmi.png. An earlier demo there is replaced.
    n_captions, seed : int

    Raises
    ------
    OutputExistsError
        When the folder holds something and is no demo.
    """
    _clear(output)
    rng = np.random.default_rng(seed)
    joint = joint_table(rng)
    captions = output / "captions.parquet"
    write_captions(captions, joint, n_captions, rng)
    began = time.perf_counter()
    build_index([captions], output / "index")
    seconds = time.perf_counter() - began
    index = CaptionIndex.open(output / "index")
    pairs = _compare(index, true_pmi(joint))
    seen = [pair for pair in pairs if pair["n_ab"] >= LEAST_COUNT]
    recovered = np.array([pair["pmi"] for pair in seen])
    truth = np.array([pair["pmi_true"] for pair in seen])
    held = [pair["pmi_low"] <= pair["pmi_true"] <= pair["pmi_high"] for pair in seen]
    return DemoResult(
        captions=index.n,
        seconds=seconds,
        captions_per_second=index.n / seconds,
        n_concepts=index.n_concepts,
        n_pairs=index.manifest.totals["n_pairs"],
        n_compared=len(seen),
        r_pmi=float(np.corrcoef(recovered, truth)[0, 1]),
        max_error=float(np.abs(recovered - truth).max()),
        coverage=float(np.mean(held)),
        index=str(index.path),
        figure=_draw(output / "pmi.png", seen),
        pairs=_some(pairs),
    )


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


def _compare(index: CaptionIndex, truth: npt.NDArray[np.float64]) -> list[dict[str, Any]]:
    """Every thing with every companion, by falling true PMI."""
    pairs = []
    for i, thing in enumerate(THINGS):
        for j, companion in enumerate(COMPANIONS):
            found = index.pmi(thing, companion)._asdict()
            pairs.append({**found, "pmi_true": float(truth[i, j])})
    return sorted(pairs, key=lambda pair: -pair["pmi_true"])


def _some(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    middle = len(pairs) // 2
    return pairs[:4] + pairs[middle : middle + 3] + pairs[-3:]


def _draw(path: Path, pairs: list[dict[str, Any]]) -> str | None:
    """PMI recovered against PMI true with intervals; None without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        return None
    truth = [pair["pmi_true"] for pair in pairs]
    value = np.array([pair["pmi"] for pair in pairs])
    spread = np.abs([[pair["pmi_low"], pair["pmi_high"]] for pair in pairs] - value[:, None]).T
    figure = Figure(figsize=(4.2, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.axline((0, 0), slope=1, color="0.6", linewidth=0.8)
    axes.errorbar(truth, value, spread, fmt="o", markersize=2.5, linewidth=0.5, color="#0072B2")
    axes.set(xlabel="PMI true (nats)", ylabel="PMI recovered, 95% interval (nats)")
    axes.set_title(f"{len(pairs)} pairs in {LEAST_COUNT} captions or more", fontsize=9)
    figure.savefig(path, dpi=150)
    return str(path)
