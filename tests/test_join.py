"""Predictions, images, probes and counts: every row is accounted for, none is made up."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from pair_tables import make_images, make_predictions, make_probes

from conceptstats import CaptionIndex, build_index
from conceptstats.cli import cli
from conceptstats.errors import OutputExistsError, ParameterError, TableError
from conceptstats.eval.join import Joined, join_examples, join_files
from conceptstats.table_files import load_table, save_table
from conceptstats.tables import EXAMPLES, IMAGES, PREDICTIONS, PROBES

PAIRS = {"bus-sun": ("bus", "sun"), "bus-hat": ("bus", "hat"), "car-sun": ("car", "sun")}
COUNTS = {"n_key": [30, 30, 50], "n_accessory": [20, 10, 20], "n_pair": [6, 0, 12],
          "pmi": [0.5, -math.inf, 0.25]}  # fmt: skip
SHOWN = {"i1": "bus-sun", "i2": "bus-hat", "i3": "car-sun", "i4": "bus-sun"}
ANSWERS = {
    "i3": {"bus": 0.5, "car": 0.375, "mug": 0.125},
    "i1": {"bus": 0.75, "car": 0.25, "mug": 0.0},
    "i2": {"bus": 0.25, "car": 0.125, "mug": 0.625},
}
TARGETS = ["car", "bus", "bus"]


def probes(**columns: Any) -> pa.Table:
    return make_probes(PAIRS, **(COUNTS | columns))


def predictions() -> pa.Table:
    return make_predictions(ANSWERS, TARGETS)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> CaptionIndex:
    """100 captions: 40 with a bus, 20 with a sun, 10 with both; 5 with a hat, never with a bus."""
    captions = ["bus sun"] * 10 + ["a bus"] * 30 + ["the sun"] * 10 + ["hat mug"] * 5
    captions += ["book"] * 45
    folder = tmp_path_factory.mktemp("join")
    (folder / "captions.txt").write_text("\n".join(captions) + "\n", encoding="utf-8")
    return CaptionIndex.open(build_index(folder / "captions.txt", folder / "index"))


def test_each_prediction_gets_the_statistics_of_its_pair() -> None:
    """In the order of the predictions, whatever that of images and probes."""
    joined = join_examples(predictions(), make_images(SHOWN), probes())
    found = joined.table.to_pydict()
    assert found["example_id"] == found["image"] == ["i3", "i1", "i2"]
    assert found["outcome"] == [0.0, 1.0, 0.0]
    assert found["pair"] == ["car-sun", "bus-sun", "bus-hat"]
    assert found["class"] == ["car", "bus", "bus"]
    assert found["accessory"] == ["sun", "sun", "hat"]
    assert found["pmi"] == [0.25, 0.5, -math.inf]
    assert (found["n_key"], found["n_pair"]) == ([50, 30, 30], [12, 6, 0])
    assert found["log_n_accessory"] == pytest.approx(np.log([20, 20, 10]))
    assert found["log_n_pair"] == [math.log(12), math.log(6), -math.inf]
    assert found["target_probability"] == [0.375, 0.75, 0.25]
    assert found["n"] == found["pmi_low"] == [None, None, None]
    assert joined.to_json() == {
        "n": 3,
        "n_unmatched_predictions": 0,
        "n_unmatched_images": 1,
        "n_other_target": 0,
        "n_unknown": 0,
        "n_unseen": 1,
    }


def test_outcomes() -> None:
    """Right or wrong, or the probability of the target; nothing else."""
    table = join_examples(predictions(), make_images(SHOWN), probes(), outcome="probability").table
    assert table["outcome"].to_pylist() == [0.375, 0.75, 0.25]
    outcome: Any = "rank"
    with pytest.raises(ParameterError, match="expected correct or probability"):
        join_examples(predictions(), make_images(SHOWN), probes(), outcome=outcome)


def test_statistics_of_an_index(index: CaptionIndex) -> None:
    """Counted there, and not taken from the probes.

    bus and sun: ln(10 * 100 / (40 * 20)) = ln 1.25 = 0.223144. bus and hat: never together, -inf.
    car is in no caption: null.
    """
    joined = join_examples(predictions(), make_images(SHOWN), probes(), index)
    unknown, seen, unseen = joined.table.to_pylist()
    names = ("n", "n_key", "n_accessory", "n_pair")
    assert [seen[name] for name in names] == [100, 40, 20, 10]
    assert seen["pmi"] == pytest.approx(0.223144, abs=1e-6)
    assert seen["pmi_low"] < seen["pmi"] < seen["pmi_high"]
    assert seen["log_n_key"] == pytest.approx(math.log(40))
    assert [unseen[name] for name in names] == [100, 40, 5, 0]
    assert unseen["pmi"] == unseen["pmi_low"] == unseen["log_n_pair"] == -math.inf
    assert math.isfinite(unseen["pmi_high"])
    assert [unknown[name] for name in names] == [100, None, None, None]
    assert unknown["pmi"] is unknown["pmi_low"] is unknown["log_n_key"] is None
    assert (joined.n_unknown, joined.n_unseen) == (1, 1)


def test_unknown_concepts_of_a_cut_vocabulary(tmp_path: Path) -> None:
    """What was cut is unknown too; where all are, the columns keep their types."""
    (tmp_path / "captions.txt").write_text("mug book\nmug\nmug book\ncar\n", encoding="utf-8")
    built = build_index(tmp_path / "captions.txt", tmp_path / "index", max_concepts=2)
    joined = join_examples(predictions(), make_images(SHOWN), probes(), CaptionIndex.open(built))
    assert joined.n_unknown == 3
    assert joined.table.schema.field("n_pair").type == pa.int64()
    assert joined.table.schema.field("pmi").type == pa.float64()


def test_probes_without_statistics() -> None:
    """Null, and nan, are unknown; intervals and n that the probes have are kept."""
    table = make_probes(PAIRS, pmi=[math.nan, None, 1.0], pmi_low=[0, None, 1], n=[9, 9, 9])
    joined = join_examples(predictions(), make_images(SHOWN), table)
    assert joined.table["pmi"].to_pylist() == [1.0, None, None]
    assert joined.table["pmi_low"].to_pylist() == [1.0, 0.0, None]
    assert joined.table["n"].to_pylist() == [9, 9, 9]
    assert joined.n_unknown == 2
    with pytest.raises(TableError, match="'pmi_low' is string, expected numbers"):
        join_examples(predictions(), make_images(SHOWN), probes(pmi_low=["low", "", ""]))


def test_a_pair_of_one_concept_is_refused(index: CaptionIndex) -> None:
    """It has no PMI, and is no accident."""
    twice = make_probes({"a": ("bus", "Buses")})
    images = make_images({"i1": "a"})
    with pytest.raises(ParameterError, match="two different concepts"):
        join_examples(make_predictions({"i1": {"bus": 1.0}}, ["bus"]), images, twice, index)


def test_columns_of_ones_own_do_no_harm() -> None:
    """Images that have columns key and accessory too, such as those of another tool."""
    images = make_images(SHOWN, key=["x"] * 4, accessory=["y"] * 4)
    joined = join_examples(predictions(), images, probes())
    assert joined.table["accessory"].to_pylist() == ["sun", "sun", "hat"]


@pytest.mark.parametrize("name", ["predictions", "images", "probes"])
def test_ids_that_stand_twice(name: str) -> None:
    """The error names table and id."""
    tables = {"predictions": predictions(), "images": make_images(SHOWN), "probes": probes()}
    tables[name] = pa.concat_tables([tables[name], tables[name].slice(1, 1)])
    with pytest.raises(TableError, match=f"{name}: 1 values of .*_id stand more than once"):
        join_examples(tables["predictions"], tables["images"], tables["probes"])


def test_predictions_without_image_or_probe() -> None:
    """An error that names them, unless so many may be; then they are counted and left out."""
    images = make_images({"i1": "bus-sun", "i2": None, "i3": "none"})
    with pytest.raises(TableError, match=r"2 of 3 .* no image .* 'i3', 'i2'; at most"):
        join_examples(predictions(), images, probes())
    with pytest.raises(TableError, match="at most 60% may"):
        join_examples(predictions(), images, probes(), max_unmatched=0.6)
    joined = join_examples(predictions(), images, probes(), max_unmatched=0.67)
    assert joined.table["example_id"].to_pylist() == ["i1"]
    assert (joined.n_unmatched_predictions, joined.n_unmatched_images) == (2, 2)
    for share in (-0.1, 1.1, math.nan):
        with pytest.raises(ParameterError, match="expected a share"):
            join_examples(predictions(), images, probes(), max_unmatched=share)


def test_tables_of_different_runs(index: CaptionIndex) -> None:
    """Without one row in common there is nothing to give; empty tables have none."""
    other = make_images({"x": "bus-sun"})
    none = make_images({})
    for images, table in ((other, probes()), (none, probes()), (none, make_probes({}))):
        with pytest.raises(TableError, match="no prediction has an image and a probe"):
            join_examples(predictions(), images, table, index, max_unmatched=1)
    empty = PREDICTIONS.empty_table()
    with pytest.raises(TableError, match="no prediction has"):
        join_examples(empty, make_images(SHOWN), probes())


def test_another_target_than_the_image_shows() -> None:
    """It is counted, and not hidden; an image without target says nothing."""
    images = make_images(SHOWN, target=["bus", "mug", None, "bus"])
    assert join_examples(predictions(), images, probes()).n_other_target == 1


NAMES = st.sets(st.sampled_from([f"i{number}" for number in range(12)]))
SOME_PROBES = st.sampled_from([*PAIRS, "none", None])


@settings(max_examples=60, deadline=None)
@given(NAMES, st.dictionaries(st.sampled_from([f"i{n}" for n in range(12)]), SOME_PROBES))
def test_every_row_is_accounted_for(names: set[str], shown: dict[str, str | None]) -> None:
    """Of each table the rows that are used and those that are not add up to all."""
    answers = {name: {"bus": 1.0} for name in sorted(names)}
    table, images = make_predictions(answers, ["bus"] * len(names)), make_images(shown)
    used = sorted(name for name in names if shown.get(name) in PAIRS)
    joined: Joined | None = None
    try:
        joined = join_examples(table, images, probes(), max_unmatched=1)
    except TableError:
        assert not used
        return
    assert joined.table["example_id"].to_pylist() == used
    assert joined.table["pair"].to_pylist() == [shown[name] for name in used]
    assert joined.n_unmatched_predictions + len(used) == len(names)
    assert joined.n_unmatched_images + len(used) == len(shown)
    n_unseen = sum(shown[name] == "bus-hat" for name in used)
    assert (joined.n_unseen, joined.n_unknown) == (n_unseen, 0)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """The three tables as files."""
    tables = {
        "predictions": (predictions(), PREDICTIONS),
        "images": (make_images(SHOWN), IMAGES),
        "probes": (probes(), PROBES),
    }
    for name, (table, schema) in tables.items():
        save_table(tmp_path / f"{name}.parquet", table, schema)
    return {name: tmp_path / f"{name}.parquet" for name in tables}


def test_files(files: dict[str, Path], index: CaptionIndex, tmp_path: Path) -> None:
    """Examples with their run record, which names all that they were made of."""
    output = tmp_path / "examples.parquet"
    joined = join_files(files["predictions"], output, images=files["images"],
                        probes=files["probes"], index=index.path)  # fmt: skip
    assert load_table(output, EXAMPLES).equals(
        joined.table.cast(load_table(output, EXAMPLES).schema)
    )
    record = json.loads((tmp_path / "examples.parquet.run.json").read_text("utf-8"))
    assert set(record["inputs"]) == {*map(str, files.values()), str(index.path)}
    with pytest.raises(OutputExistsError):
        join_files(files["predictions"], output, images=files["images"], probes=files["probes"])


def test_command(files: dict[str, Path], tmp_path: Path) -> None:
    """`eval join` says how many rows found their other half."""
    output = tmp_path / "examples.csv"
    arguments = ["eval", "join", str(files["predictions"]), "-o", str(output)]
    arguments += ["--images", str(files["images"]), "--probes", str(files["probes"])]
    done = CliRunner().invoke(cli, [*arguments, "--outcome", "probability", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["n"], found["n_unmatched_images"], found["n_unseen"]) == (3, 1, 1)
    assert load_table(output, EXAMPLES)["outcome"].to_pylist() == [0.375, 0.75, 0.25]
    done = CliRunner().invoke(cli, [*arguments, "--overwrite"])
    assert "unmatched images" in done.stdout
