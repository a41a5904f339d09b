"""What users give to `eval import` besides clean files: folders, compression, other delimiters."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import importer_samples as samples
import openpyxl
import pytest
from importer_samples import imported, left_out

from conceptstats.errors import TableError
from conceptstats.eval.importers.run import read_inputs

LLAVA = [
    {"question_id": i, "prompt": f"What is {i}?", "text": "Cup", "answer_id": "A", "model_id": "m"}
    for i in range(3)
]


def run(name: str) -> str:
    return json.dumps(samples.clip_benchmark(dataset=name))


def test_compressed_files_of_a_folder(tmp_path: Path) -> None:
    """They are looked at as others are, in any format."""
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(run("a").encode()))
    (tmp_path / "b.json").write_text(run("b"), encoding="utf-8")
    assert [each.n_imported for each in imported(tmp_path).files] == [3, 3]
    questions = {"questions": [{"question_id": 1, "image_id": 2, "question": "What?"}]}
    notes = {"annotations": [{"question_id": 1, "answers": [{"answer": "cup"}]}]}
    counts = tmp_path / "counts" / "pets_laion400m_rampp0.7_search_counts.json.gz"
    counts.parent.mkdir()
    for path, data in {
        tmp_path / "q.json.gz": questions,
        tmp_path / "n.json.gz": notes,
        tmp_path / "p.json.gz": [{"question_id": 1, "answer": "cup"}],
        counts: {"cat": 3},
    }.items():
        path.write_bytes(gzip.compress(json.dumps(data).encode()))
    found = imported(tmp_path / "n.json.gz", tmp_path / "q.json.gz")
    assert found.table["answers"].to_pylist() == [["cup"]]
    assert imported(tmp_path / "p.json.gz").table["answer"].to_pylist() == ["cup"]
    rows = imported(counts.parent).table.select(["dataset", "pretraining", "search", "n_captions"])
    assert rows.to_pylist() == [
        {"dataset": "pets", "pretraining": "laion400m", "search": "rampp0.7", "n_captions": 3}
    ]


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    """Those below the folder; the folder itself may be hidden."""
    folder = tmp_path / ".runs"
    for place in (folder, folder / ".git", folder / ".ipynb_checkpoints" / "sub"):
        place.mkdir(parents=True, exist_ok=True)
        (place / "a.json").write_text(run("a"), encoding="utf-8")
    assert imported(folder).files[0].path == str(folder / "a.json")


def test_files_of_a_folder_that_are_of_no_format(tmp_path: Path) -> None:
    """They are listed, and never an error: settings, lists, notes."""
    (tmp_path / "a.json").write_text(run("a"), encoding="utf-8")
    others = {"epochs.json": '{"epochs": 3}', "list.json": "[1, 2]", "notes.csv": "hello",
              "none.json": "{}", "no rows.json": "[]"}  # fmt: skip
    for name, text in others.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = imported(tmp_path)
    assert set(found.not_imported) == {str(tmp_path / name) for name in others}
    for name in others:
        with pytest.raises(TableError) as raised:
            imported(tmp_path / name)
        assert str(tmp_path / name) in raised.value.message


def test_an_empty_file_of_a_folder(tmp_path: Path) -> None:
    """It may be of a run that was killed: an error, and left out with skip, as its hint says."""
    (tmp_path / "a.json").write_text(run("a"), encoding="utf-8")
    (tmp_path / "b.json").touch()
    with pytest.raises(TableError, match=r"b\.json is empty. Hint: --on-error skip leaves such"):
        imported(tmp_path)
    found = imported(tmp_path, on_error="skip")
    assert left_out(found) == {f"{tmp_path / 'b.json'} is empty": 1}
    with pytest.raises(TableError, match=r"nothing of .* can be imported \(1: .* is empty\)"):
        imported(tmp_path / "b.json", on_error="skip")


def test_one_format_of_a_folder(tmp_path: Path) -> None:
    """Where a folder makes several tables, naming the format takes the files of one."""
    questions = [{"question_id": i, "image": "i.jpg", "text": "What?"} for i in range(2)]
    samples.write_lines(tmp_path / "q.jsonl", questions)
    samples.write_lines(tmp_path / "a.jsonl", LLAVA)
    with pytest.raises(
        TableError, match=r"different tables.*--format NAME takes one kind of a fol"
    ):
        imported(tmp_path)
    for name, n in (("vqa_answers", 3), ("vqa_questions", 2)):
        found = read_inputs([tmp_path], format=name)
        assert (found.table.num_rows, len(found.not_imported)) == (n, 1)


def test_a_file_that_is_given_twice(tmp_path: Path) -> None:
    """By itself and by its folder: it is read once."""
    path = tmp_path / "a.json"
    path.write_text(run("a"), encoding="utf-8")
    assert imported(tmp_path, path).table.num_rows == 3


def test_tables_with_tabs_for_commas(tmp_path: Path) -> None:
    """Of any tool that writes tables."""
    rows = {
        "clip_benchmark": {"dataset": "d", "model": "M", "pretrained": "p", "task": "t", "acc1": 1},
        "open_clip": {"name": "M", "pretrained": "p", "ImageNet 1k": 0.5},
        "quxie": samples.top_five(1, 1, [1, 0], [0.75, 0.25]),
    }
    for name, row in rows.items():
        path = samples.write_table(tmp_path / name, [row], "\t")
        options = {"model": "M"} if name == "quxie" else {}
        found = imported(path, **options)
        assert (found.files[0].format, found.table.num_rows) == (name, 1)


def test_tables_from_windows(tmp_path: Path) -> None:
    """With a byte order mark and its ends of lines."""
    path = samples.write_table(tmp_path / "p.csv", [samples.vlmevalkit(1, "a cup", hit=1)])
    text = path.read_text("utf-8").replace("\r\n", "\n").replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = imported(path)
    assert found.table.select(["question_id", "score"]).to_pylist() == [
        {"question_id": "1", "score": 1.0}
    ]


def test_the_last_line_without_an_end(tmp_path: Path) -> None:
    """It may be half a number, and the error says what to do."""
    path = samples.write_table(tmp_path / "p.csv", [samples.vlmevalkit(1, "a", hit=1)])
    path.write_bytes(path.read_bytes().rstrip())
    with pytest.raises(TableError, match=r"line 2: the last line has no end.*end it if"):
        imported(path)


def test_answers_longer_than_python_reads_by_itself(tmp_path: Path) -> None:
    """Csv stops at 131,072 characters unless told; rows behind would be lost."""
    rows = [samples.vlmevalkit(1, "x" * 200_000), samples.vlmevalkit(2, "cup")]
    found = imported(samples.write_table(tmp_path / "p.tsv", rows, "\t"))
    assert [len(text) for text in found.table["answer"].to_pylist()] == [200_000, 3]


def test_workbooks_with_empty_cells_around(tmp_path: Path) -> None:
    """Cells that were formatted and never filled are no columns and no rows."""
    path = samples.write_workbook(tmp_path / "p.xlsx", [samples.vlmevalkit(1, "=1+1")])
    book = openpyxl.load_workbook(path)
    for row, column in ((1, 6), (1, 7), (2, 9), (5, 1)):
        book.active.cell(row, column).font = openpyxl.styles.Font(bold=True)
    found = imported(samples.save_workbook(path, book))
    assert found.table["answer"].to_pylist() == ["=1+1"]
    book.active.cell(2, 9).value = "more"
    with pytest.raises(TableError, match="row 2: more than 4 cells"):
        imported(samples.save_workbook(path, book))


def test_half_of_a_surrogate_pair(tmp_path: Path) -> None:
    """JSON can hold it, where an answer was cut within a character; no table can."""
    lines = [samples.lm_eval(0, "fine"), samples.lm_eval(1, "cut \ud83d")]
    path = tmp_path / "s.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(TableError, match=r"s\.jsonl, line 2: text with half of a surrogate pair"):
        imported(path)
    found = imported(path, on_error="skip")
    assert found.table["answer"].to_pylist() == ["fine"]
    whole = samples.lm_eval(2, "\U0001f600 \u0645\u0631\u062d\u0628\u0627")
    path.write_text(json.dumps(whole) + "\n", encoding="utf-8")
    assert imported(path).table["answer"].to_pylist() == [
        "\U0001f600 \u0645\u0631\u062d\u0628\u0627"
    ]


def test_answers_of_llava_row_by_row(tmp_path: Path) -> None:
    """A row without an answer, and the end of a run that was killed, cost no other row."""
    path = samples.write_lines(tmp_path / "a.jsonl", [LLAVA[0], {"question_id": 9}, *LLAVA[1:]])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        TableError, match=r"a\.jsonl, line 2: no answer of text \(keys: question_id"
    ):
        imported(path)
    found = imported(path, on_error="skip")
    assert found.table["question_id"].to_pylist() == ["0", "1"]
    assert [each.examples for each in found.left_out] == [
        (f"{path}, line 2",),
        (f"{path}, line 4",),
    ]
    with pytest.raises(TableError, match=r"1 rows stand more than once.*a\.jsonl, line 1.*line 3"):
        imported(samples.write_lines(path, [LLAVA[0], LLAVA[1], LLAVA[0]]))


def test_lines_of_pope_are_numbered_as_they_stand(tmp_path: Path) -> None:
    """They have no ids: a bad line keeps its number, a blank one has none."""
    path = tmp_path / "a.json"
    path.write_text(
        '{"question": "Is there a cup?", "answer": "yes"}\n\n{"question": \n'
        '{"question": "Is there a hat?", "answer": "no"}\n',
        encoding="utf-8",
    )
    found = imported(path, on_error="skip")
    assert found.table["question_id"].to_pylist() == ["1", "3"]


def test_rows_that_do_not_tell_the_model_s_answer(tmp_path: Path) -> None:
    """A person's answer is never taken for the model's."""
    rows = [{"question_id": 1, "question": "What?", "answer": "cup", "prediction": "hat"}]
    path = samples.write_json(tmp_path / "a.json", rows)
    with pytest.raises(TableError, match="of no known format"):
        imported(path)
    with pytest.raises(TableError, match="answer and prediction, and nobody knows"):
        read_inputs([path], format="vqa_answers")


def test_twice_in_one_file_of_questions(tmp_path: Path) -> None:
    """The file is named once."""
    rows = [{"question_id": 1, "image": "i.jpg", "text": "What?"}] * 2
    path = samples.write_lines(tmp_path / "q.jsonl", rows)
    with pytest.raises(TableError, match=rf"1 rows stand more than once, such as '1' \({path}\)"):
        imported(path)


def test_scores_of_winogavil_in_the_table_of_open_clip(tmp_path: Path) -> None:
    """The name of the column holds data set and metric; a score is no data set."""
    row = {"name": "M", "pretrained": "p", "WinoGAViL avg jaccard score": 0.5,
           "WinoGAViL jaccard score 10-12": 0.25}  # fmt: skip
    found = imported(samples.write_table(tmp_path / "r.csv", [row])).table
    assert found.select(["dataset", "metric", "value"]).to_pylist() == [
        {"dataset": "WinoGAViL", "metric": "avg_jaccard_score", "value": 0.5},
        {"dataset": "WinoGAViL", "metric": "jaccard_score_10-12", "value": 0.25},
    ]
