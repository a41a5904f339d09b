from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from index_files import write_captions
from scipy.stats import kendalltau, spearmanr

from conceptstats.cli import cli
from conceptstats.errors import ParameterError
from conceptstats.eval.frequency.agreement import agreement, agreement_files
from conceptstats.eval.frequency.agreement_results import Pair, Point
from conceptstats.eval.frequency.concept_counts import Concepts, name_concepts
from conceptstats.index import build_index
from conceptstats.table_files import save_table
from conceptstats.tables import COUNTS


def concepts(**n: int) -> Concepts:
    """Concepts by name."""
    rows = {"dataset": ["d"] * len(n), "concept": list(n), "n_captions": list(n.values())}
    return name_concepts(pa.table(rows))


def numbered(n: Any) -> Concepts:
    """Concepts called 000, 001, ..."""
    return concepts(**{f"{k:03}": int(x) for k, x in enumerate(n)})


def compared(a: Concepts, b: Concepts, **options: Any) -> Pair:
    """The only pair."""
    options = {"n_bootstrap": 0} | options
    (pair,) = agreement({"a": a, "b": b}, **options).pairs
    return pair


def test_a_worked_example() -> None:
    """Four concepts in both, two in one only.

    Counts (a, b): cat (10, 1), dog (100, 100), elk (1000, 10), fox (0, 5). Logarithms to base 10 of
    the three seen in both: (1, 2, 3) and (0, 2, 1); r = 1 / 2. Ranks of all four: (2, 3, 4, 1) and
    (1, 4, 3, 2): the differences squared add to 1 + 1 + 1 + 1, and Spearman is 1 - 6*4/60 = 0.6. Of
    six pairs of concepts (cat, fox) and (dog, elk) are in another order in b: (4 - 2) / 6.
    The two most frequent are elk and dog in both.
    """
    a = concepts(cat=10, dog=100, elk=1000, fox=0, gnu=7)
    b = concepts(cat=1, dog=100, elk=10, fox=5, hen=9, ibis=8)
    pair = compared(a, b, top=(1, 2, 100))
    assert (pair.n_both, pair.n_a_only, pair.n_b_only) == (4, 1, 2)
    assert (pair.a_only, pair.b_only) == (("gnu",), ("hen", "ibis"))
    assert (pair.n_zero_a, pair.n_zero_b, pair.n_zero_both, pair.n_used) == (1, 0, 0, 3)
    assert pair.pearson_log.value == pytest.approx(0.5)
    assert pair.spearman.value == pytest.approx(0.6)
    assert pair.kendall.value == pytest.approx(1 / 3)
    assert [(x.k, x.share.value, x.by_chance) for x in pair.overlaps] == [
        (1, 0.0, 0.25), (2, 1.0, 0.5),
    ]  # fmt: skip
    # Zeros as 1: (1, 2, 3, 0) and (0, 2, 1, lg 5); means 1.5 and 0.9247; products add to 2.4515.
    x, y = np.array([1, 2, 3, 0]), np.array([0, 2, 1, math.log10(5)])
    assert pair.pearson_log_zeros_as_one.value == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert pair.points[0] == Point("cat", 10, 1)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=3, max_size=40),
    st.integers(1, 1000),
)
def test_as_scipy_and_in_either_direction(counts: list[tuple[int, int]], factor: int) -> None:
    """Spearman and Kendall are scipy's; turning the pair, or more samples, changes none."""
    n_a, n_b = np.array(counts).T
    pair = compared(numbered(n_a), numbered(n_b), top=(2,))
    turned = compared(numbered(n_b), numbered(n_a), top=(2,))
    larger = compared(numbered(n_a * factor), numbered(n_b), top=(2,))
    if np.ptp(n_a) and np.ptp(n_b):
        assert pair.spearman.value == pytest.approx(spearmanr(n_a, n_b).statistic)
        assert pair.kendall.value == pytest.approx(kendalltau(n_a, n_b).statistic)
    else:
        assert pair.spearman.value is None
    for name in ("pearson_log", "spearman", "kendall"):
        value = getattr(pair, name).value
        for other in (turned, larger):
            found = getattr(other, name).value
            assert found == (None if value is None else pytest.approx(value, abs=1e-6))
    assert [x.share for x in turned.overlaps] == [x.share for x in pair.overlaps]
    assert bool(pair.overlaps) == ((n_a > 0).sum() >= 2 and (n_b > 0).sum() >= 2)


def test_the_same_counts_agree_wholly() -> None:
    """A data set agrees with itself, in every figure and in every replicate."""
    own = numbered(np.random.default_rng(0).zipf(1.8, 60))
    pair = compared(own, own, n_bootstrap=40, top=(10, 50))
    for estimate in (pair.pearson_log, pair.spearman, pair.kendall,
                     *(overlap.share for overlap in pair.overlaps)):  # fmt: skip
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx((1, 1, 1))


def test_intervals_hold_what_is_known() -> None:
    """Of 60 samples of log counts with r = 0.6, the 95% interval holds it in 51 at least."""
    held = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        logs = rng.multivariate_normal([8, 8], [[1, 0.6], [0.6, 1]], 150)
        n_a, n_b = np.round(np.exp(logs)).T
        r = compared(numbered(n_a), numbered(n_b), n_bootstrap=120, top=(), seed=seed).pearson_log
        assert r.low is not None
        assert r.high is not None
        held += r.low <= 0.6 <= r.high
    assert held >= 51


def test_nothing_in_common() -> None:
    """Where no concept is shared there are no figures, and the counts still add up."""
    pair = compared(concepts(cat=1), concepts(dog=2, elk=3))
    assert (pair.n_both, pair.n_a_only, pair.n_b_only, pair.points) == (0, 1, 2, ())
    assert pair.pearson_log.value is None
    assert pair.kendall.value is None
    assert pair.overlaps == ()


def test_two_concepts_are_too_few() -> None:
    """Of two points r would always be 1 or -1: it is not given."""
    pair = compared(concepts(cat=1, dog=2), concepts(cat=3, dog=9))
    assert (pair.n_both, pair.spearman.value, pair.pearson_log.value) == (2, None, None)
    three = compared(concepts(cat=1, dog=2, elk=0), concepts(cat=3, dog=9, elk=1))
    assert (three.n_used, three.pearson_log.value) == (2, None)
    assert three.spearman.value == pytest.approx(1)


def test_what_cannot_be_had_is_said() -> None:
    """Nothing shared, nothing that occurs in both, too few for intervals: a note each."""
    one, other = concepts(cat=1, dog=2, elk=3), concepts(cow=1)
    for b, note in (
        (other, "a and b share 0 concepts, of which nothing"),
        (concepts(cat=0, dog=0, elk=4), "a and b share 1 concepts that occur in both"),
        (concepts(cat=3, dog=1, elk=4), "a and b share 3 concepts, too few for intervals"),
    ):
        found = agreement({"a": one, "b": b}, n_bootstrap=30)
        assert found.notes[-1].startswith(note)
    many = {name: numbered(range(1, 20)) for name in "ab"}
    assert not any("share" in note for note in agreement(many, n_bootstrap=0).notes)


def test_what_never_occurs_is_not_among_the_most_frequent() -> None:
    """An overlap is given of as many concepts as occur in both, and of no more."""
    pair = compared(numbered([9, 8, 7, 0, 0]), numbered([5, 4, 3, 2, 1]), top=(3, 4))
    assert [(x.k, x.share.value) for x in pair.overlaps] == [(3, 1.0)]
    assert compared(numbered([0] * 5), numbered([1, 2, 3, 4, 5]), top=(1,)).overlaps == ()


def test_no_data_set_takes_the_place_of_another(tmp_path: Path) -> None:
    """Parts of files whose labels come out alike are refused."""
    parts = {"dataset": "d", "concept": "c", "n_captions": 1, "pretraining": "p"}
    rows = [parts | {"search": search} for search in ("text", "tags")]
    save_table(tmp_path / "both.csv", pa.Table.from_pylist(rows), COUNTS)
    save_table(tmp_path / "one.csv", pa.Table.from_pylist(rows[:1]), COUNTS)
    paths = {"x": tmp_path / "both.csv", "x text": tmp_path / "one.csv"}
    with pytest.raises(ParameterError, match="two data sets are called 'x text'"):
        agreement_files(paths, None, by="search", n_bootstrap=0)


def test_every_pair_of_several() -> None:
    """Three data sets make three pairs, and each set's own rows are told."""
    found = agreement({"x": concepts(a=1, A=2), "y": concepts(a=1), "z": concepts(b=0)})
    assert [(pair.a, pair.b) for pair in found.pairs] == [("x", "y"), ("x", "z"), ("y", "z")]
    first = found.sets[0]
    assert (first.n_rows, first.n_repeated, first.n_disagreeing, first.n_concepts) == (2, 1, 1, 1)
    assert [one.n_zero for one in found.sets] == [0, 0, 1]


def test_many_points_are_drawn_from() -> None:
    """Of many joined concepts some are kept for pictures; figures are of all of them."""
    n = np.arange(1, 2501)
    pair = compared(numbered(n), numbered(n[::-1]))
    assert (pair.n_both, pair.n_points, len(pair.points)) == (2500, 2000, 2000)
    assert pair.spearman.value == pytest.approx(-1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_bootstrap": -1}, "bootstrap is -1"),
        ({"seed": -1}, "seed -1"),
        ({"level": 0}, "level"),
        ({"top": (0,)}, "top is 0"),
    ],
)
def test_settings_outside_their_range(options: dict[str, Any], message: str) -> None:
    """They are refused by name."""
    with pytest.raises(ParameterError, match=message):
        agreement({"a": concepts(x=1), "b": concepts(x=2)}, **options)


def test_one_data_set_is_too_few() -> None:
    """The error says how one file becomes several."""
    with pytest.raises(ParameterError, match="data sets is 1") as caught:
        agreement({"a": concepts(x=1)})
    assert "--by" in str(caught.value.hint)


def write_counts(path: Path, *rows: tuple[str, int, str, str]) -> Path:
    """A table of counts: concept, samples, pretraining, search."""
    concept, n, pretraining, search = zip(*rows, strict=True)
    table = pa.table(
        {"dataset": ["d"] * len(rows), "concept": concept, "n_captions": n,
         "pretraining": pretraining, "search": search}
    )  # fmt: skip
    save_table(path, table, COUNTS)
    return path


def test_one_file_of_several_pretrainings(tmp_path: Path) -> None:
    """Values of a column make data sets; counts of several searches are not put together."""
    path = write_counts(
        tmp_path / "counts.parquet", ("cat", 1, "cc3m", "text"), ("cat", 9, "laion", "text"),
        ("dog", 2, "cc3m", "text"), ("dog", 5, "laion", "text"), ("dog", 6, "laion", "tags"),
    )  # fmt: skip
    found = agreement_files({"all": path}, None, search="text", n_bootstrap=0)
    assert [one.label for one in found.sets] == ["cc3m", "laion"]
    assert found.pairs[0].n_both == 2
    with pytest.raises(ParameterError, match="2 values of search: 'tags', 'text'"):
        agreement_files({"all": path}, None)
    by_search = agreement_files({"all": path}, None, by="search", pretraining="laion")
    assert [one.label for one in by_search.sets] == ["tags", "text"]
    both = agreement_files({"x": path, "y": path}, None, search="text", n_bootstrap=0)
    assert [one.label for one in both.sets] == ["x cc3m", "x laion", "y cc3m", "y laion"]
    with pytest.raises(ParameterError, match="by is 'model'"):
        agreement_files({"all": path}, None, by="model")  # type: ignore[arg-type]


def test_command_with_an_index(tmp_path: Path) -> None:
    """`eval agreement` sets a table against an index, and writes its result with the run."""
    source = write_captions(tmp_path / "captions.parquet", ["dog park", "dog", "cat dog"])
    build_index([source], tmp_path / "IDX")
    table = write_counts(tmp_path / "c.csv", ("Dog", 90, "x", "text"), ("cat", 40, "x", "text"))
    output = tmp_path / "agreement.json"
    arguments = ["eval", "agreement", f"mine={table}", str(tmp_path / "IDX"), "--search", "text",
                 "--top", "1", "-o", str(output)]  # fmt: skip
    done = CliRunner().invoke(cli, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    printed, written = json.loads(done.stdout), json.loads(output.read_text())
    run = written.pop("run")
    assert written == printed
    assert sorted(run["inputs"]) == sorted([str(table), str(tmp_path / "IDX")])
    (pair,) = printed["pairs"]
    assert (pair["a"], pair["b"], pair["n_both"], pair["b_only"]) == ("mine", "IDX", 2, ["park"])
    assert pair["points"][1] == {"concept": "dog", "n_a": 90, "n_b": 3}
    shown = CliRunner().invoke(cli, [*arguments, "--overwrite"])
    assert "Spearman" in shown.stdout


def test_published_counts(test_data: Path) -> None:
    """Text, tags and both in LAION-400M: every concept joined, and r as computed by hand."""
    folder = test_data / "data" / "frequency" / "search_counts"
    found = agreement_files({"laion": folder}, None, by="search", n_bootstrap=0)
    assert [one.n_concepts for one in found.sets] == [3738] * 3
    pair = found.pairs[2]
    assert (pair.a, pair.b, pair.n_both) == ("lemmatized", "rampp0.7", 3738)
    n: dict[str, dict[str, int]] = {}
    for search in (pair.a, pair.b):
        mine = n.setdefault(search, {})
        for file in folder.glob(f"*_{search}_search_counts.json"):
            for name, count in json.loads(file.read_text()).items():
                key = " ".join(name.casefold().replace("_", " ").split())
                mine[key] = max(mine.get(key, 0), count)
    x, y = (np.array([n[search][key] for key in sorted(n[pair.a])]) for search in n)
    seen = (x > 0) & (y > 0)
    assert pair.n_used == seen.sum()
    r = np.corrcoef(np.log(x[seen]), np.log(y[seen]))[0, 1]
    assert pair.pearson_log.value == pytest.approx(r, abs=1e-9)
    assert pair.spearman.value == pytest.approx(spearmanr(x, y).statistic, abs=1e-9)
