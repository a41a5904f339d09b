"""Damaged files give an error that names the file and the line; whole ones come back as written."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import importer_samples as samples
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conceptstats.errors import ConceptStatsError, TableError
from conceptstats.eval.importers.account import Options
from conceptstats.eval.importers.run import Imported, read_inputs

Writer = Callable[[Path], Path]
TOP = [samples.top_five(i, 1, [1, 0], [0.75, 0.25]) for i in range(3)]
ANSWERED = [samples.lm_eval(i, "a cup") for i in range(3)]
JUDGED = [samples.vlmevalkit(i, "a cup", hit=1) for i in range(3)]

WRITERS: dict[str, Writer] = {
    "clip_benchmark": lambda path: samples.write_json(path, samples.clip_benchmark(), 1),
    "open_clip": lambda path: samples.write_lines(path, samples.OPEN_CLIP),
    "open_clip table": lambda path: samples.write_table(path, samples.OPEN_CLIP_TABLE),
    "quxie": lambda path: samples.write_table(path, TOP),
    "lm_eval": lambda path: samples.write_lines(path, ANSWERED),
    "vlmevalkit xlsx": lambda path: samples.write_workbook(path.with_suffix(".xlsx"), JUDGED),
    "vlmevalkit tsv": lambda path: samples.write_table(path, JUDGED, "\t", csv.QUOTE_ALL),
    "vlmevalkit json": lambda path: samples.write_json(path, JUDGED, 4),
}
MODEL = {"open_clip": "M", "quxie": "M"}


def read(path: Path, on_error: Any = "stop", **options: str) -> Imported:
    return read_inputs([path], on_error=on_error, options=Options(**options))


def read_as(name: str, path: Path, on_error: Any = "stop") -> Imported:
    return read(path, on_error, **({"model": "M"} if name in MODEL else {}))


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_is_cut_in_the_middle(name: str, tmp_path: Path) -> None:
    """Wherever it is cut: an error that names the file, or fewer rows at the end of one."""
    whole = WRITERS[name](tmp_path / "file")
    data = whole.read_bytes()
    n = read_as(name, whole).table.num_rows
    n_errors = 0
    for end in np.linspace(1, len(data) - 2, 40).astype(int):
        whole.write_bytes(data[:end])
        try:
            found = read_as(name, whole)
        except ConceptStatsError as error:
            assert str(whole) in error.message
            n_errors += 1
        else:
            assert found.table.num_rows < n
    assert n_errors >= 30


@pytest.mark.parametrize("name", ["quxie", "lm_eval", "vlmevalkit tsv", "vlmevalkit json"])
def test_the_end_of_a_cut_file_is_left_out_with_skip(name: str, tmp_path: Path) -> None:
    """What is before the cut is kept, and what is lost is counted."""
    whole = WRITERS[name](tmp_path / "file")
    data = whole.read_bytes()
    whole.write_bytes(data[:-15])
    with pytest.raises(TableError, match=rf"{whole}, line \d+: "):
        read_as(name, whole)
    found = read_as(name, whole, "skip")
    assert found.table.num_rows == 2
    assert (found.n_read, sum(each.n for each in found.left_out)) == (3, 1)


@pytest.mark.parametrize("name", [name for name in WRITERS if "xlsx" not in name])
def test_bytes_that_are_no_text(name: str, tmp_path: Path) -> None:
    """Not UTF-8: an error that names file and line."""
    path = WRITERS[name](tmp_path / "file")
    data = path.read_bytes()
    known = next(word for word in (b"a cup", b"ViT-S", b"top5", b"0.75") if word in data)
    path.write_bytes(data.replace(known, known[:2] + b"\xff" + known[3:]))
    with pytest.raises(TableError, match=rf"{path}, line \d+"):
        read_as(name, path)


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("quxie", [samples.top_five(1, 1, [1, 0], ["nan", 0.25])], "line 2: 'prob1' is 'nan'"),
        ("quxie", [samples.top_five(1, 1, [1, 0], [1.5, 0.25])], "line 2: 'prob1' is '1.5'"),
        ("quxie", [samples.top_five(1, 1, [1, 0], [0.5, ""])], "line 2: a probability is missing"),
        ("quxie", [samples.top_five(1, 1, [1, 0], [0.25, 0.75])], "line 2: the probabilities rise"),
        ("quxie", [samples.top_five("", 1, [1, 0], [0.75, 0.25])], "line 2: an image, a target"),
        ("quxie", [samples.top_five(1, 1, [1, 0], [0.75])], "no column 'prob2'"),
        ("lm_eval", [samples.lm_eval(0, "a", exact_match=None)], "line 1: 'exact_match' is None"),
        ("lm_eval", [samples.lm_eval(0, "a", metrics=["f", "g"])], "no metric is a share"),
        ("lm_eval", [ANSWERED[0], samples.lm_eval(1, "a", exact_match="1")], "line 2: 'exact_mat"),
        ("lm_eval", [samples.lm_eval(0, "a", filtered_resps=[])], "line 1: filtered_resps holds n"),
        ("lm_eval", [{**ANSWERED[0], "doc_id": None}], "line 1: no doc_id"),
        ("lm_eval", [{**ANSWERED[0], "doc_id": [1]}], "line 1: no doc_id"),
        ("vlmevalkit tsv", [samples.vlmevalkit(1, "a", hit=2)], "line 2: 'hit' is '2'"),
        ("vlmevalkit tsv", [samples.vlmevalkit(1, "a", hit="")], "line 2: no 'hit'"),
        ("vlmevalkit tsv", [samples.vlmevalkit("", "a", hit=1)], "line 2: no index"),
        ("open_clip", [{"imagenet-zeroshot-val-top1": 62.5}], "line 1, imagenet-zeroshot-val-top1"),
        ("open_clip table", [{"name": "M", "pretrained": "", "ImageNet 1k": "60%"}], "'60%', expe"),
    ],
)
def test_values_of_the_wrong_type(
    name: str, rows: list[dict[str, Any]], message: str, tmp_path: Path
) -> None:
    """Also missing columns, NaN, and shares that are none."""
    path = tmp_path / "file"
    if name in ("lm_eval", "open_clip"):
        samples.write_lines(path, rows)
    else:
        samples.write_table(path, rows, "\t" if "tsv" in name else ",")
    with pytest.raises(ConceptStatsError) as raised:
        read_as(name, path)
    assert message in raised.value.message
    assert str(path) in raised.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image_id,target,pred1,prob1\n1,1,1,1,1\n", "line 2: 5 fields, expected 4"),
        ('image_id,target,pred1,prob1\n1,1,"1,1\n', "line 2: no rows from here on: unexpected end"),
        ("image_id,target,pred1,prob1,prob1\n", "more than one column is called 'prob1'"),
        ('{"doc_id": 0, "filtered_resps": ["a"]}\n[1]\n', "line 2: a JSON list, expected an obj"),
        ('{"doc_id": 0, "filtered_resps": ["a"]}\n{"doc_id"\n', "line 2: invalid JSON, Expecting"),
        ('[{"index": 1, "prediction": "a"}\n {"index": 2}]', "line 1: invalid JSON, Expecting"),
        ('[{"index": 1, "prediction": "a"},\n 5]', "line 2: a JSON int, expected an object"),
        ('{"dataset": "d", "model": "m", "pretrained": "p", "metrics": 5}', "'metrics' is no obj"),
        ('{"dataset": "d", "model": "m", "metrics": {}}', "no column 'pretrained' (columns: datas"),
        ("[1, 2]", "line 1: no JSON object, or list of objects, begins here"),
        ("PK\x03\x04 no workbook", "is no whole workbook"),
        ("hello", "is neither JSON, nor a table with a header, nor a workbook"),
        ("", "is empty"),
    ],
)
def test_damaged_layouts(text: str, message: str, tmp_path: Path) -> None:
    """The error says what was expected, and where."""
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConceptStatsError) as raised:
        read_inputs([path], options=Options(model="M") if text.startswith("image") else None)
    assert message in raised.value.message
    assert str(path) in raised.value.message


def test_a_missing_file_and_a_folder_of_nothing(tmp_path: Path) -> None:
    """They are errors of ours."""
    with pytest.raises(TableError, match="is missing or damaged"):
        read(tmp_path / "none.json")
    with pytest.raises(TableError, match="no file of a known format"):
        read(tmp_path)


def test_a_damaged_file_of_a_folder_is_left_out_with_skip(tmp_path: Path) -> None:
    """The others are imported, and the damage is an entry of what was left out."""
    samples.write_json(tmp_path / "a.json", samples.clip_benchmark())
    whole = json.dumps(samples.clip_benchmark(dataset="b"))
    (tmp_path / "b.json").write_text(whole[:-20], encoding="utf-8")
    with pytest.raises(TableError, match=r"b\.json, line 1: invalid JSON"):
        read(tmp_path)
    found = read(tmp_path, "skip")
    assert (found.n_read, found.table.num_rows, found.left_out[0].n) == (4, 3, 1)
    assert found.left_out[0].examples == (f"{tmp_path / 'b.json'}, from here on",)
    (tmp_path / "a.json").unlink()
    with pytest.raises(TableError, match=r"nothing of .* can be imported \(1: .*invalid JSON"):
        read(tmp_path, "skip")


def test_damaged_compression(tmp_path: Path) -> None:
    """The rows before the damage are kept with skip."""
    rng = np.random.default_rng(0)
    lines = [samples.lm_eval(i, rng.bytes(400).hex()) for i in range(2000)]
    data = samples.write_lines(tmp_path / "s", lines).read_bytes()
    path = tmp_path / "s.jsonl.gz"
    path.write_bytes(gzip.compress(data))
    assert read(path).table.num_rows == 2000
    path.write_bytes(gzip.compress(data)[:-50_000])
    with pytest.raises(TableError, match=r"s\.jsonl\.gz"):
        read(path)
    found = read(path, "skip")
    assert 1000 < found.table.num_rows < 2000
    assert found.n_read == found.table.num_rows + sum(each.n for each in found.left_out)


SHARES = st.floats(0, 1, width=32)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
RAGGED = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
QUICK = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def rows_of(answers: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, str, float]]]:
    """Ids, answers and scores; an answer that says that the tool failed is none."""
    said = answers.filter(lambda text: not text.startswith("Failed to obtain"))
    names = st.integers(0, 10**9).map(str)
    return st.lists(st.tuples(names, said, SHARES), min_size=1, unique_by=lambda row: row[0])


def back(found: Imported) -> list[tuple[Any, ...]]:
    columns = ("question_id", "answer", "score")
    return list(zip(*(found.table[name].to_pylist() for name in columns), strict=True))


@QUICK
@given(rows_of(RAGGED))
def test_samples_come_back_as_written(tmp_path: Path, rows: list[tuple[str, str, float]]) -> None:
    """lm-eval's JSON lines, whatever the answers hold."""
    lines = [samples.lm_eval(int(name), text, exact_match=x) for name, text, x in rows]
    assert back(read(samples.write_lines(tmp_path / "s", lines))) == rows


@QUICK
@given(rows_of(RAGGED))
def test_judged_text_comes_back_as_written(
    tmp_path: Path, rows: list[tuple[str, str, float]]
) -> None:
    """VLMEvalKit's JSON and tab-separated text, with tabs, quotes and ends of lines within."""
    judged = [samples.vlmevalkit(name, text, eval_score=x) for name, text, x in rows]
    assert back(read(samples.write_json(tmp_path / "j", judged, 4))) == rows
    assert back(read(samples.write_table(tmp_path / "t", judged, "\t", csv.QUOTE_ALL))) == rows


@settings(QUICK, max_examples=15)
@given(rows_of(TEXTS))
def test_judged_workbooks_come_back_as_written(
    tmp_path: Path, rows: list[tuple[str, str, float]]
) -> None:
    """VLMEvalKit's workbooks; whole numbers may be cells of numbers or of text."""
    judged = [
        samples.vlmevalkit(int(name) if len(name) % 2 else name, text, eval_score=x)
        for name, text, x in rows
    ]
    found = back(read(samples.write_workbook(tmp_path / "w.xlsx", judged)))
    assert [row[:2] for row in found] == [row[:2] for row in rows]
    scores = [row[2] for row in rows]  # workbooks hold 16 digits
    assert [row[2] for row in found] == pytest.approx(scores, rel=1e-15, abs=0)


@QUICK
@given(
    st.lists(
        st.tuples(
            st.integers(0, 9), st.lists(SHARES, min_size=5, max_size=5), st.permutations(range(10))
        ),
        min_size=1,
    ),
    st.booleans(),
)
def test_top_fives_come_back_as_written(
    tmp_path: Path, rows: list[tuple[int, list[float], list[int]]], as_tensors: bool
) -> None:
    """[P]'s CSV: probabilities to the last bit, and the rank is the place of the target."""
    wrap = "tensor({})" if as_tensors else "{}"
    laid_out = [
        samples.top_five(wrap.format(i), target, order[:5],
                         [wrap.format(x) for x in sorted(shares, reverse=True)])
        for i, (target, shares, order) in enumerate(rows)
    ]  # fmt: skip
    found = read(samples.write_table(tmp_path / "p", laid_out), model="M").table.to_pydict()
    assert found["example_id"] == [str(i) for i in range(len(rows))]
    for i, (target, shares, order) in enumerate(rows):
        assert found["probabilities"][i] == sorted(shares, reverse=True)
        assert found["labels"][i] == [str(label) for label in order[:5]]
        place = order.index(target) + 1
        assert found["target_rank"][i] == (place if place <= 5 else None)


@QUICK
@given(
    st.dictionaries(st.from_regex(r"[a-zA-Z0-9 ]{1,8}", fullmatch=True).map(lambda s: f"d{s}"),
                    SHARES, min_size=1),
    TEXTS.filter(bool),
)  # fmt: skip
def test_accuracies_come_back_as_written(
    tmp_path: Path, values: dict[str, float], model: str
) -> None:
    """Of CLIP_benchmark, a run a data set; of open_clip's table, a column a data set."""
    for number, (dataset, value) in enumerate(values.items()):
        run = samples.clip_benchmark(dataset=dataset, model=model, metrics={"acc1": value})
        samples.write_json(tmp_path / f"{number}.json", run)
    runs = read_inputs([tmp_path / f"{number}.json" for number in range(len(values))]).table
    row = {"name": model, "pretrained": "p", **values}
    table = read(samples.write_table(tmp_path / "t.csv", [row])).table
    for found in (runs, table):
        names, shares = found["dataset"].to_pylist(), found["value"].to_pylist()
        assert dict(zip(names, shares, strict=True)) == values
        assert set(found["model"].to_pylist()) == {model}
