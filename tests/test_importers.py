"""Files of other tools are known by what they hold, and every row is accounted for."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path

import importer_samples as samples
import pyarrow as pa
import pytest
from click.testing import CliRunner
from importer_samples import imported, left_out
from pair_tables import make_images, make_probes

from conceptstats.cli import cli
from conceptstats.errors import OutputExistsError, ParameterError, TableError
from conceptstats.eval.importers.detect import FORMATS
from conceptstats.eval.importers.run import import_files, read_inputs
from conceptstats.eval.join import join_examples
from conceptstats.table_files import load_table
from conceptstats.tables import ACCURACIES, ANSWERS, PREDICTIONS


def test_metrics_of_clip_benchmark(tmp_path: Path) -> None:
    """A JSON file a run: metrics are rows, settings are left out."""
    metrics = {"acc1": 0.625, "mean_per_class_recall": 0.5, "fewshot_k": 4}
    path = samples.write_json(tmp_path / "a.json", samples.clip_benchmark(metrics=metrics))
    found = imported(path)
    assert found.kind.name == "accuracies"
    assert found.table.to_pylist()[0] == {
        "dataset": "wds/vtab/tiny",
        "concept": None,
        "metric": "acc1",
        "value": 0.625,
        "n": None,
        "model": "ViT-S",
        "pretrained": "own_e1",
        "task": "zeroshot_classification",
        "language": "en",
    }
    assert found.table["metric"].to_pylist() == ["acc1", "mean_per_class_recall"]
    assert left_out(found) == {"no accuracy": 1}


def test_acc5_of_few_classes_does_not_exist(tmp_path: Path) -> None:
    """CLIP_benchmark writes NaN for it; any other metric that is NaN is an error."""
    metrics = {"acc1": 0.5, "acc5": math.nan}
    path = samples.write_json(tmp_path / "a.json", samples.clip_benchmark(metrics=metrics))
    found = imported(path)
    assert found.table["metric"].to_pylist() == ["acc1"]
    assert left_out(found) == {"acc5 of a data set with too few classes": 1}
    samples.write_json(path, samples.clip_benchmark(metrics={"acc1": math.nan}))
    with pytest.raises(TableError, match=r"a\.json, metrics, acc1: 'acc1' is nan"):
        imported(path)


def test_the_table_that_clip_benchmark_builds(tmp_path: Path) -> None:
    """A row a run; a cell is empty where a run has no such metric."""
    row = {"dataset": "tiny", "model": "M", "pretrained": "", "task": "t", "acc1": 0.5,
           "image_retrieval_recall@5": "", "model_fullname": "M "}  # fmt: skip
    other = row | {"dataset": "small", "acc1": "", "image_retrieval_recall@5": 0.25}
    found = imported(samples.write_table(tmp_path / "benchmark.csv", [row, other]))
    rows = found.table.select(["dataset", "metric", "value", "pretrained"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("tiny", "acc1", 0.5, None),
        ("small", "image_retrieval_recall@5", 0.25, None),
    ]


def test_epochs_of_open_clip(tmp_path: Path) -> None:
    """Each line is an evaluation of a checkpoint; ranks and losses are no accuracies."""
    path = samples.write_lines(tmp_path / "results.jsonl", samples.OPEN_CLIP)
    found = imported(path, model="ViT-S", pretrained="own", dataset="cc3m-val")
    assert found.table.num_rows == 8
    assert found.table["pretrained"].to_pylist()[::4] == ["own, epoch 1", "own, epoch 2"]
    first = found.table.slice(0, 4).select(["dataset", "metric", "value"]).to_pylist()
    assert [tuple(row.values()) for row in first] == [
        ("imagenet", "acc1", 0.25),
        ("imagenet", "acc5", 0.5),
        ("cc3m-val", "image_to_text_R@1", 0.375),
        ("cc3m-val", "text_to_image_R@10", 0.75),
    ]
    assert left_out(found) == {"no accuracy": 10}
    with pytest.raises(ParameterError, match=r"does not name its model. Hint: --model"):
        imported(path)


def test_a_validation_set_without_a_name_is_left_out(tmp_path: Path) -> None:
    """open_clip does not say what it validated on."""
    path = samples.write_lines(tmp_path / "results.jsonl", samples.OPEN_CLIP[:1])
    found = imported(path, model="ViT-S")
    assert set(found.table["dataset"].to_pylist()) == {"imagenet"}
    assert left_out(found)["of a validation set without a name: --dataset"] == 2


def test_lines_of_open_clip_without_an_epoch_are_told_apart(tmp_path: Path) -> None:
    """It writes the epoch only where there is a validation set."""
    lines = [{"imagenet-zeroshot-val-top1": 0.25}, {"imagenet-zeroshot-val-top1": 0.5}]
    found = imported(samples.write_lines(tmp_path / "results.jsonl", lines), model="M")
    assert found.table["pretrained"].to_pylist() == ["line 1", "line 2"]
    assert found.notes == ("lines without an epoch are told apart by their number",)
    again = samples.OPEN_CLIP[:1] * 2
    with pytest.raises(TableError, match=r"2 rows stand more than once.*line 1.*line 2"):
        imported(samples.write_lines(tmp_path / "results.jsonl", again), model="M")


def test_the_published_table_of_open_clip(tmp_path: Path) -> None:
    """A column a data set, or a recall in one; sizes and averages are neither."""
    found = imported(samples.write_table(tmp_path / "results.csv", samples.OPEN_CLIP_TABLE))
    rows = found.table.select(["dataset", "metric", "value", "model"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("ImageNet 1k", "main_metric", 0.5, "ViT-S"),
        ("Flickr", "image_retrieval_recall@1", 0.125, "ViT-S"),
        ("xm3600 de", "text_retrieval_recall@5", 0.25, "ViT-S"),
        ("Flickr", "image_retrieval_recall@1", 0.125, "ViT-M"),
        ("xm3600 de", "text_retrieval_recall@5", 0.25, "ViT-M"),
    ]
    assert left_out(found) == {"a column of no data set": 8, "an empty cell": 1}


TOP_FIVE = [
    samples.top_five("tensor(7)", "tensor(2)", [2, 0, 1], [0.75, 0.125, 0.125]),
    samples.top_five("tensor(8, device='cuda:0')", 1, [2.0, 1.0, 0.0],
                     ["tensor(0.5)", 0.25, 0.25]),
    samples.top_five("009/a_1.jpg", "003", ["0", "1", "2"], [0.5, 0.5, 0.0]),
]  # fmt: skip


def test_top_five_predictions(tmp_path: Path) -> None:
    """What is wrong is known; how far beyond the five it is, and the probability, are not."""
    path = samples.write_table(tmp_path / "p.csv", TOP_FIVE)
    found = imported(path, model="ViT-B-32", pretrained="laion400m_e31")
    rows = found.table.to_pydict()
    assert rows["example_id"] == ["7", "8", "009/a_1.jpg"]
    assert rows["target"] == ["2", "1", "3"]
    assert rows["labels"][1] == ["2", "1", "0"]
    assert rows["probabilities"][1] == [0.5, 0.25, 0.25]
    assert rows["target_rank"] == [1, 2, None]
    assert rows["target_probability"] == [None] * 3
    assert len(found.notes) == 2
    assert "softmax over the 3 classes that a row lists" in found.notes[1]
    with pytest.raises(ParameterError, match="does not name its model"):
        imported(path)


def test_numbered_classes_get_names(tmp_path: Path) -> None:
    """And a number without a name is an error, or left out."""
    path = samples.write_table(tmp_path / "p.csv", TOP_FIVE)
    (tmp_path / "names.txt").write_text("cup\nbus\ntree\nhat\n", encoding="utf-8")
    found = imported(path, model="M", classes=str(tmp_path / "names.txt"))
    assert found.table["target"].to_pylist() == ["tree", "bus", "hat"]
    assert found.table["labels"][0].as_py() == ["tree", "cup", "bus"]
    with pytest.raises(TableError, match=r"p\.csv, line 4: class '3' is none"):
        imported(path, model="M", classes="cup,bus,tree")
    found = imported(path, model="M", classes="cup,bus,tree", on_error="skip")
    assert found.left_out[0].examples == (f"{path}, line 4",)


JUDGED = [
    samples.vlmevalkit(5, "cup", image_id=3, hit=1),
    samples.vlmevalkit(1000005, "a hat\nor so", image_id=3, hit=0),
    samples.vlmevalkit("x", "", image_id=None, hit=True),
    samples.vlmevalkit(7, "Failed to obtain answer via API.", image_id=4, hit=0),
]


@pytest.mark.parametrize("ending", ["xlsx", "tsv", "csv", "json"])
def test_predictions_of_vlmevalkit(ending: str, tmp_path: Path) -> None:
    """In each of its formats; answers that the tool did not get are no answers."""
    path = tmp_path / f"p.{ending}"
    writers: dict[str, Callable[[], Path]] = {
        "xlsx": lambda: samples.write_workbook(path, JUDGED),
        "tsv": lambda: samples.write_table(path, JUDGED, "\t", csv.QUOTE_ALL),
        "csv": lambda: samples.write_table(path, JUDGED),
        "json": lambda: samples.write_json(path, JUDGED, indent=4),
    }
    found = imported(writers[ending](), model="M")
    rows = found.table.to_pydict()
    assert rows["question_id"] == ["5", "1000005", "x"]
    assert rows["answer"] == ["cup", "a hat\nor so", ""]
    assert rows["score"] == [1.0, 0.0, 1.0]
    assert rows["image_id"] == ["3", "3", None]
    assert rows["metric"] == ["hit"] * 3
    assert rows["target"] == ["cup"] * 3
    assert left_out(found) == {"the tool could not obtain an answer": 1}
    assert found.notes == ("an empty prediction is an empty answer",)


def test_predictions_without_a_score(tmp_path: Path) -> None:
    """They are answers all the same; two scores are one too many."""
    path = samples.write_table(tmp_path / "p.tsv", [samples.vlmevalkit(1, "cup")], "\t")
    found = imported(path)
    assert found.table["score"].null_count == found.table["metric"].null_count == 1
    assert found.notes == ("no scores: the file holds predictions that nobody has judged",)
    two = [samples.vlmevalkit(1, "cup", eval_score=0.5, score=1)]
    samples.write_table(path, two, "\t")
    with pytest.raises(ParameterError, match="more than one score: eval_score, score"):
        imported(path)
    assert imported(path, metric="eval_score").table["score"].to_pylist() == [0.5]


def test_questions_answers_and_counts_go_to_their_readers(tmp_path: Path) -> None:
    """LLaVA's answers; questions with their annotations; [U]'s counts and results."""
    lines = [{"question_id": "i1", "prompt": "What?", "text": "Cup", "answer_id": "A",
              "model_id": "llava", "metadata": {}}]  # fmt: skip
    found = imported(samples.write_lines(tmp_path / "a.jsonl", lines))
    assert found.kind.name == "answers"
    assert found.table["model"].to_pylist() == ["llava"]
    asked = {"questions": [{"question": "what?", "image_id": "i1", "question_id": 1}]}
    noted = {"annotations": [{"question_id": 1, "image_id": "i1",
                              "answers": [{"answer": "cup"}]}]}  # fmt: skip
    questions = samples.write_json(tmp_path / "q.json", asked)
    annotations = samples.write_json(tmp_path / "n.json", noted)
    found = imported(annotations, questions)
    assert found.kind.name == "questions"
    assert found.table["answers"].to_pylist() == [["cup"]]
    assert found.files[0].annotations == (str(annotations),)
    assert "come without people's answers" in imported(questions).notes[0]
    with pytest.raises(TableError, match="0 files of questions are given"):
        imported(annotations)
    row = {"question_id": 1, "question": "what?", "answer": "cup"}  # a person's or a model's
    either = samples.write_json(tmp_path / "e.json", [row])
    with pytest.raises(TableError, match="of no known format"):
        imported(either)
    assert read_inputs([either], format="vqa_answers").kind.name == "answers"
    counts = tmp_path / "cars_laion400m_rampp0.7_search_counts.json"
    found = imported(samples.write_json(counts, {"bus": 12, "cup": 0}))
    assert found.table["n_captions"].to_pylist() == [12, 0]
    results = {"backboneM_pretrainedL": {"full": 50.0, "classwise": {"bus": 25.0}}}
    found = imported(samples.write_json(tmp_path / "cars_ensemble_results.json", results))
    assert found.table["value"].to_pylist() == [0.5, 0.25]


def test_the_name_of_a_file_says_nothing(tmp_path: Path) -> None:
    """A format is told by what a file holds, compressed or not, under any name."""
    path = samples.write_lines(tmp_path / "openclip_results.csv", [samples.lm_eval(0, "a")])
    assert imported(path).files[0].format == "lm_eval"
    path = samples.write_json(tmp_path / "samples.jsonl", samples.clip_benchmark())
    assert imported(path).files[0].format == "clip_benchmark"
    long = samples.lm_eval(0, "a", doc={"text": 'x, {[ \\" ' * 60_000})  # longer than the head
    path = samples.write_lines(tmp_path / "long", [long])
    assert imported(path).files[0].format == "lm_eval"


def test_folders(tmp_path: Path) -> None:
    """All known files of a folder; others are listed, and never an error."""
    for i in range(3):
        run = samples.clip_benchmark(dataset=f"d{i}")
        (tmp_path / f"r{i}").mkdir()
        samples.write_json(tmp_path / f"r{i}" / "result.json", run)
    samples.write_json(tmp_path / "config.json", {"lr": 0.5, "name": "x"})
    (tmp_path / "log.txt").write_text("hello\n", encoding="utf-8")
    samples.write_json(tmp_path / ".hidden.json", {"bus": 1})
    found = imported(tmp_path)
    assert [each.n_imported for each in found.files] == [3, 3, 3]
    assert found.not_imported == (str(tmp_path / "config.json"),)
    with pytest.raises(TableError, match=r"config\.json is of no known format \(it has lr, name\)"):
        imported(tmp_path / "config.json")


def test_files_of_one_call_make_one_kind_of_table(tmp_path: Path) -> None:
    """Formats of one kind go together, and options go where they are taken."""
    run = samples.write_json(tmp_path / "a.json", samples.clip_benchmark())
    training = samples.write_lines(tmp_path / "b.jsonl", samples.OPEN_CLIP[:1])
    found = imported(run, training, model="M")
    assert {each.format for each in found.files} == {"clip_benchmark", "open_clip"}
    answers = samples.write_lines(tmp_path / "c.jsonl", [samples.lm_eval(0, "a")])
    with pytest.raises(TableError, match=r"different tables: .*a\.json \(clip_benchmark\): acc"):
        imported(run, answers)
    with pytest.raises(ParameterError, match=r"model is given, and files of clip_benchmark do not"):
        imported(run, model="M")


def test_the_command(tmp_path: Path) -> None:
    """Writes a table with its record, prints facts or JSON, and says the format on stderr."""
    lines = [samples.lm_eval(0, "a"), samples.lm_eval(1, "b", exact_match=2.0)]
    path = samples.write_lines(tmp_path / "s.jsonl", lines)
    output = tmp_path / "answers.parquet"
    command = ["eval", "import", str(path), "-o", str(output), "--on-error", "skip"]
    done = CliRunner().invoke(cli, [*command, "--json"])
    assert done.exit_code == 0, done.output
    assert "s.jsonl: lm_eval, 1 rows" in done.stderr
    facts = json.loads(done.stdout)
    assert (facts["n_read"], facts["n_imported"], facts["n_left_out"]) == (2, 1, 1)
    assert facts["left_out"] == [
        {
            "reason": "'exact_match' is 2.0, expected a number from 0 to 1",
            "n": 1,
            "examples": [f"{path}, line 2"],
        }
    ]
    assert load_table(output, ANSWERS)["score"].to_pylist() == [1.0]
    record = json.loads((tmp_path / "answers.parquet.run.json").read_text("utf-8"))
    assert record["inputs"][str(path)].startswith("sha256:")
    assert record["found"]["notes"] == facts["notes"]
    done = CliRunner().invoke(cli, [*command, "--overwrite"])
    assert "left out: 'exact_match' is 2.0" in done.stdout
    with pytest.raises(OutputExistsError):
        import_files([path], output, on_error="skip")


def test_the_help_names_every_format() -> None:
    """But for annotations, which go with questions."""
    done = CliRunner().invoke(cli, ["eval", "import", "--help"])
    text = " ".join(done.output.split())
    for format in FORMATS:
        assert format.name in text or format.name == "vqa_annotations"


def test_an_unknown_format_is_an_error(tmp_path: Path) -> None:
    """It lists those that there are; so does a wrong way with errors."""
    path = samples.write_json(tmp_path / "a.json", samples.clip_benchmark())
    with pytest.raises(ParameterError, match="format is 'coco', expected auto or one of clip_"):
        read_inputs([path], format="coco")
    with pytest.raises(ParameterError, match="on_error is 'ignore'"):
        imported(path, on_error="ignore")
    with pytest.raises(TableError, match="no column 'doc_id' or 'filtered_resps'"):
        read_inputs([path], format="lm_eval")


@pytest.mark.parametrize(
    ("path", "kind", "n"),
    [
        ("frequency/zero_shot", "accuracies", 14_064),
        ("frequency/search_counts", "counts", 16_842),
        ("vqa/textvqa/llava-v1.5-13b_predictions.jsonl", "answers", 5_000),
        ("vqa/textvqa/val_questions_vqa_format.json", "questions", 5_000),
    ],
)
def test_published_files(path: str, kind: str, n: int, test_data: Path) -> None:
    """Files that were published are known, and come in whole."""
    found = imported(test_data / "data" / path)
    assert (found.kind.name, found.table.num_rows) == (kind, n)


def test_tables_have_their_schemas(tmp_path: Path) -> None:
    """The columns of the kind first, with its types; others behind."""
    run = samples.write_json(tmp_path / "a.json", samples.clip_benchmark())
    top = samples.write_table(tmp_path / "p.csv", TOP_FIVE)
    for found, schema in (
        (imported(run).table, ACCURACIES),
        (imported(top, model="M").table, PREDICTIONS),
    ):
        assert pa.schema(list(found.schema)[: len(schema)]).equals(schema)


def test_imported_predictions_are_joined(tmp_path: Path) -> None:
    """A target without a rank counts as wrong; its probability is no outcome.

    Of three images, the targets have rank 1, rank 2, and none of the labels: outcomes 1, 0, 0.
    """
    predictions = imported(samples.write_table(tmp_path / "p.csv", TOP_FIVE), model="M").table
    shown = dict.fromkeys(("7", "8", "009/a_1.jpg"), "bus-sun")
    images, probes = make_images(shown), make_probes({"bus-sun": ("bus", "sun")})
    joined = join_examples(predictions, images, probes)
    assert joined.table["outcome"].to_pylist() == [1.0, 0.0, 0.0]
    with pytest.raises(TableError, match=r"probability of the target is unknown in 3 of 3"):
        join_examples(predictions, images, probes, outcome="probability")
    place = predictions.schema.get_field_index("target_rank")
    without = predictions.set_column(place, "target_rank", pa.nulls(3, pa.int32()))
    with pytest.raises(TableError, match=r"'7' has no target_rank, and its target '2' is not"):
        join_examples(without, images, probes)
