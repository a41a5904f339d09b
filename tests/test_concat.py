"""Tables put together: order, ids, paths and records."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from conceptstats.concat import concat
from conceptstats.errors import OutputExistsError, ParameterError, TableError
from conceptstats.runs import run_record
from conceptstats.shards import Shard
from conceptstats.table_files import load_table, save_table
from conceptstats.tables import ANSWERS, COUNTS, IMAGES, PREDICTIONS, PROBES, PROMPTS


def answers(ids: list[str], **columns: Any) -> pa.Table:
    rows = [{"question_id": name, "answer": f"of {name}", "model": "m"} | columns for name in ids]
    return pa.Table.from_pylist(rows, schema=ANSWERS)


def save_share(
    folder: Path, table: pa.Table, schema: pa.Schema, shard: str, **changes: Any
) -> Path:
    """A table with a record of a run with --shard."""
    path = folder / f"share-{shard.replace('/', '-')}.parquet"
    arguments = {"shard": shard, "temperature": 0.1} | changes.pop("arguments", {})
    record = run_record("eval vqa run", arguments, {f"{folder}/in": "sha256:1"}, seed=0)
    save_table(path, table, schema, record=record | changes, overwrite=True)
    return path


IDS = [f"q{number}" for number in (5, 3, 9, 1, 7, 0, 8)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_shares_come_back_in_order(tmp_path: Path, order: tuple[int, ...]) -> None:
    """Whatever the order in which they are given."""
    table = answers(IDS).append_column("place", pa.array(range(len(IDS))))
    paths = [
        save_share(tmp_path, table.take(Shard(i, 3).take(range(7))), ANSWERS, f"{i}/3")
        for i in order
    ]
    made = concat(paths, tmp_path / "all.parquet")
    assert (made.kind, made.n, made.order, made.missing) == ("answers", 7, "place", ())
    assert load_table(made.output, ANSWERS)["question_id"].to_pylist() == IDS
    record = json.loads((tmp_path / "all.parquet.run.json").read_text())
    assert list(record["inputs"]) == [str(path) for path in paths]
    assert [one["arguments"]["shard"] for one in record["records"]] == [f"{i}/3" for i in order]


def test_without_places_the_order_is_as_given(tmp_path: Path) -> None:
    """Tables of a user's own."""
    for name, ids in (("a", ["2", "1"]), ("b", ["0"])):
        save_table(tmp_path / f"{name}.csv", answers(ids), ANSWERS)
    made = concat([tmp_path / "b.csv", tmp_path / "a.csv"], tmp_path / "all.csv")
    assert made.order == "given"
    assert load_table(made.output, ANSWERS)["question_id"].to_pylist() == ["0", "2", "1"]


def test_a_missing_share_is_said(tmp_path: Path) -> None:
    """What there is is put together."""
    paths = [
        save_share(tmp_path, answers([name]), ANSWERS, f"{i}/3") for i, name in ((2, "c"), (0, "a"))
    ]
    made = concat(paths, tmp_path / "all.parquet")
    assert (made.missing, made.order) == (("1/3",), "given")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arguments": {"temperature": 0.5}}, "temperature"),
        ({"seed": 1}, "seed"),
        ({"inputs": {"elsewhere": "sha256:2"}}, "inputs"),
    ],
)
def test_shares_of_different_runs_are_an_error(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    """The error says what differs; a path does not."""
    one = save_share(tmp_path, answers(["a"]), ANSWERS, "0/2")
    other = save_share(tmp_path, answers(["b"]), ANSWERS, "1/2", **change)
    with pytest.raises(ParameterError, match=rf"made with other settings.*: {message}\."):
        concat([one, other], tmp_path / "all.parquet")
    inputs = {"moved": "sha256:1", "images": "sha256:3"}  # each share reads its own images
    same = save_share(tmp_path, answers(["b"]), ANSWERS, "1/2", inputs=inputs)
    assert concat([one, same], tmp_path / "all.parquet").n == 2


def test_shares_of_other_numbers_are_an_error(tmp_path: Path) -> None:
    """Halves and thirds, or a share and a whole."""
    half = save_share(tmp_path, answers(["a"]), ANSWERS, "0/2")
    third = save_share(tmp_path, answers(["b"]), ANSWERS, "1/3")
    with pytest.raises(ParameterError, match="not shares of one run"):
        concat([half, third], tmp_path / "all.parquet")
    save_table(tmp_path / "whole.parquet", answers(["c"]), ANSWERS)
    with pytest.raises(ParameterError, match=r"whole\.parquet is none"):
        concat([half, tmp_path / "whole.parquet"], tmp_path / "all.parquet")


def test_no_id_stands_twice(tmp_path: Path) -> None:
    """The same question by two models is no repeat; by one it is, also within a table."""
    save_table(tmp_path / "a.parquet", answers(["1", "2"]), ANSWERS)
    save_table(tmp_path / "b.parquet", answers(["2", "3"], model="other"), ANSWERS)
    save_table(tmp_path / "c.parquet", answers(["2"]), ANSWERS)
    made = concat([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "ab.parquet")
    assert made.n == 4
    with pytest.raises(TableError, match=r"such as 2, m \(in .*a\.parquet, .*c\.parquet\)"):
        concat([tmp_path / "a.parquet", tmp_path / "c.parquet"], tmp_path / "ac.parquet")
    save_table(tmp_path / "d.parquet", answers(["1", "1"]), ANSWERS)
    with pytest.raises(TableError, match="stand more than once"):
        concat([tmp_path / "d.parquet"], tmp_path / "dd.parquet")


def prompts(rows: list[tuple[str, int, int]]) -> pa.Table:
    data = [
        {"probe_id": name, "prompt": f"{name} {number}", "number": number, "place": place}
        for name, number, place in rows
    ]
    table = pa.Table.from_pylist(data)
    return table.select(["probe_id", "prompt", "number", "place"])


def test_a_probe_of_several_shares_stands_once(tmp_path: Path) -> None:
    """Edited photographs of two shares show the same pair; with other counts it is an error."""
    dog, cat = (
        {"probe_id": f"{key} tree", "key": key, "accessory": "tree", "pmi": None, "n_pair": 9}
        for key in ("dog", "cat")
    )
    for name, rows in (("a", [dog, cat]), ("b", [cat]), ("c", [cat | {"n_pair": 8}])):
        save_table(tmp_path / f"{name}.parquet", pa.Table.from_pylist(rows, PROBES), PROBES)
    made = concat([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "all.parquet")
    assert load_table(made.output, PROBES)["key"].to_pylist() == ["dog", "cat"]
    with pytest.raises(TableError, match="stand more than once"):
        concat([tmp_path / "a.parquet", tmp_path / "c.parquet"], tmp_path / "other.parquet")


def test_prompts_have_their_place(tmp_path: Path) -> None:
    """Also where some were dropped, as the numbers of rows say nothing then."""
    one = save_share(tmp_path, prompts([("c", 0, 2), ("c", 1, 2)]), PROMPTS, "0/2", dropped=["a"])
    two = save_share(tmp_path, prompts([("b", 1, 1), ("d", 0, 3)]), PROMPTS, "1/2")
    made = concat([one, two], tmp_path / "all.parquet")
    assert (made.kind, made.order) == ("prompts", "place")
    assert load_table(made.output, PROMPTS)["prompt"].to_pylist() == ["b 1", "c 0", "c 1", "d 0"]


def test_places_of_several_runs_are_not_mixed(tmp_path: Path) -> None:
    """Each counts from 0, so rows are taken run after run."""
    for name in "ab":
        rows = [(f"{name}0", 0, 0), (f"{name}1", 0, 1)]
        save_table(tmp_path / f"{name}.parquet", prompts(rows), PROMPTS)
    made = concat([tmp_path / "b.parquet", tmp_path / "a.parquet"], tmp_path / "all.parquet")
    assert made.order == "given"
    found = load_table(made.output, PROMPTS)["probe_id"].to_pylist()
    assert found == ["b0", "b1", "a0", "a1"]


def test_predictions_of_shares_are_in_the_order_given(tmp_path: Path) -> None:
    """Their shares are blocks of images, so every n-th row would be no order of theirs."""
    paths = []
    for i, ids in enumerate((["0", "1"], ["2", "3"])):
        rows = [{"example_id": name, "target": "dog", "labels": ["dog"], "probabilities": [0.5],
                 "model": "m"} for name in ids]  # fmt: skip
        table = pa.Table.from_pylist(rows, PREDICTIONS)
        paths.append(save_share(tmp_path, table, PREDICTIONS, f"{i}/2"))
    made = concat(paths, tmp_path / "all.parquet")
    assert made.order == "given"
    assert load_table(made.output, PREDICTIONS)["example_id"].to_pylist() == ["0", "1", "2", "3"]


def test_pictures_keep_their_files(tmp_path: Path) -> None:
    """Paths are relative to the new table; a share of photographs has several rows of each."""
    ids = ["a", "b", "c"]
    paths = []
    for i in range(2):
        rows = [
            {"image_id": f"{name}{k}", "path": f"{name}/{k}.png", "probe_id": f"{name}{k}"}
            for name in Shard(i, 2).take(ids)
            for k in range(2)
        ]
        folder = tmp_path / f"run{i}"
        folder.mkdir()
        table = pa.Table.from_pylist(rows, schema=IMAGES)
        paths.append(save_share(folder, table, IMAGES, f"{i}/2", inputs={}))
    made = concat(paths, tmp_path / "deep" / "all.parquet")
    table = load_table(made.output, IMAGES)
    assert made.order == "given"
    assert table["image_id"].to_pylist() == ["a0", "a1", "c0", "c1", "b0", "b1"]
    assert table["path"].to_pylist()[4] == "../run1/b/0.png"


def test_tables_that_differ_are_an_error(tmp_path: Path) -> None:
    """In kind, columns or types; a column without values has any type."""
    save_table(tmp_path / "a.parquet", answers(["1"]), ANSWERS)
    extra = answers(["2"]).append_column("lead", pa.array([0.5]))
    save_table(tmp_path / "b.parquet", extra, ANSWERS)
    with pytest.raises(TableError, match=r"differ in their columns: lead\."):
        concat([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "x.parquet")
    save_table(
        tmp_path / "c.parquet", answers(["3"]).append_column("lead", pa.array(["y"])), ANSWERS
    )
    with pytest.raises(TableError, match="'lead' is string, expected double"):
        concat([tmp_path / "b.parquet", tmp_path / "c.parquet"], tmp_path / "x.parquet")
    save_table(tmp_path / "d.parquet", answers(["4"]).append_column("lead", pa.nulls(1)), ANSWERS)
    made = concat([tmp_path / "d.parquet", tmp_path / "b.parquet"], tmp_path / "x.parquet")
    assert load_table(made.output, ANSWERS)["lead"].to_pylist() == [None, 0.5]
    other = pa.table({"dataset": ["d"], "concept": ["c"], "n_captions": pa.array([1], pa.int64())})
    save_table(tmp_path / "e.parquet", other, COUNTS)
    with pytest.raises(TableError, match="question_id"):
        concat([tmp_path / "a.parquet", tmp_path / "e.parquet"], tmp_path / "y.parquet")
    save_table(tmp_path / "f.parquet", pa.table({"x": [1]}), pa.schema([]))
    with pytest.raises(TableError, match="no table of conceptstats"):
        concat([tmp_path / "f.parquet"], tmp_path / "y.parquet")
    with pytest.raises(ParameterError, match="no table"):
        concat([], tmp_path / "y.parquet")


def test_predictions_keep_their_lists(tmp_path: Path) -> None:
    """Two models over the same images are no repeats."""
    for name in ("m1", "m2"):
        rows = [
            {"example_id": "1", "target": "dog", "labels": ["dog"], "probabilities": [0.5],
             "model": name}
        ]  # fmt: skip
        save_table(tmp_path / f"{name}.arrow", pa.Table.from_pylist(rows, PREDICTIONS), PREDICTIONS)
    made = concat([tmp_path / "m1.arrow", tmp_path / "m2.arrow"], tmp_path / "all.parquet")
    assert load_table(made.output, PREDICTIONS)["labels"].to_pylist() == [["dog"], ["dog"]]


def test_the_command(tmp_path: Path) -> None:
    """One JSON document; nothing is overwritten unless asked for."""
    paths = [
        save_share(tmp_path, answers([name]), ANSWERS, f"{i}/3") for i, name in enumerate("ab")
    ]
    output = tmp_path / "all.parquet"
    command = [sys.executable, "-c", "from conceptstats.cli import main; main()", "concat",
               *map(str, paths), "-o", str(output)]  # fmt: skip
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    expected = {"output": str(output), "kind": "answers", "n": 2, "order": "given",
                "missing_shards": ["2/3"]}  # fmt: skip
    assert json.loads(done.stdout) == expected
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "exists" in done.stderr) == (1, True)
    done = subprocess.run([*command, "--overwrite"], capture_output=True, text=True, check=True)
    assert "missing: 2/3" in done.stderr
    with pytest.raises(OutputExistsError):
        concat(paths, output)
