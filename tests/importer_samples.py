"""Files as other tools lay them out, with values of our own, for the tests of the importers."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conceptstats.eval.importers.account import Options
from conceptstats.eval.importers.run import Imported, read_inputs

Rows = Sequence[Mapping[str, Any]]


def imported(*paths: Path, on_error: Any = "stop", **options: str) -> Imported:
    """Read files, and hold that no row is lost."""
    found = read_inputs(paths, on_error=on_error, options=Options(**options))
    assert found.n_read == found.table.num_rows + sum(each.n for each in found.left_out)
    return found


def left_out(found: Imported) -> dict[str, int]:
    """How many rows were left out, by reason."""
    return {each.reason: each.n for each in found.left_out}


def write_json(path: Path, value: Any, indent: int | None = None) -> Path:
    path.write_text(json.dumps(value, indent=indent, ensure_ascii=False), encoding="utf-8")
    return path


def write_lines(path: Path, rows: Rows) -> Path:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


def write_table(path: Path, rows: Rows, delimiter: str = ",", quoting: int = 0) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, quoting=quoting)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_workbook(path: Path, rows: Rows) -> Path:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    for row in [list(rows[0]), *(list(row.values()) for row in rows)]:
        sheet.append(row)
    return save_workbook(path, book)


def save_workbook(path: Path, book: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # openpyxl's clock
        book.save(path)
    return path


def clip_benchmark(**changes: Any) -> dict[str, Any]:
    """One run of CLIP_benchmark."""
    run = {
        "dataset": "wds/vtab/tiny",
        "model": "ViT-S",
        "pretrained": "own_e1",
        "task": "zeroshot_classification",
        "metrics": {"acc1": 0.625, "acc5": 0.875, "mean_per_class_recall": 0.5},
        "language": "en",
    }
    return run | changes


OPEN_CLIP = [
    {
        "imagenet-zeroshot-val-top1": 0.25,
        "imagenet-zeroshot-val-top5": 0.5,
        "image_to_text_mean_rank": 12.5,
        "image_to_text_median_rank": 3.0,
        "image_to_text_R@1": 0.375,
        "text_to_image_R@10": 0.75,
        "clip_val_loss": 1.25,
        "epoch": epoch,
        "num_samples": 64,
    }
    for epoch in (1, 2)
]

OPEN_CLIP_TABLE = [
    {
        "name": name,
        "pretrained": "own_e1",
        "params (M)": 12.5,
        "FLOPs (B)": 4.5,
        "Average perf. on 2 datasets": 30282.5,  # such a slip was published
        "ImageNet 1k": top1,
        "Flickr image retr. R@1": 0.125,
        "xm3600 text_retrieval_recall@5 de": 0.25,
        "xm3600 text_retrieval_recall@5 avg": 0.25,
    }
    for name, top1 in (("ViT-S", 0.5), ("ViT-M", ""))
]


def top_five(
    image: object, target: object, predicted: Sequence[Any], shares: Sequence[Any]
) -> dict[str, Any]:
    """A row of the predictions of [P]."""
    row = {"image_id": image, "target": target}
    row |= {f"pred{i}": label for i, label in enumerate(predicted, 1)}
    return row | {f"prob{i}": share for i, share in enumerate(shares, 1)}


def lm_eval(doc_id: int, answer: str, **changes: Any) -> dict[str, Any]:
    """A line of the samples of lm-evaluation-harness, of a task that generates."""
    sample = {
        "doc_id": doc_id,
        "doc": {"question": f"What is in picture {doc_id}?", "answer": "a cup"},
        "target": "a cup",
        "arguments": {"gen_args_0": {"arg_0": f"Q{doc_id}:", "arg_1": {"until": ["\n"]}}},
        "resps": [[answer]],
        "filtered_resps": [answer],
        "filter": "none",
        "metrics": ["exact_match"],
        "doc_hash": "d",
        "prompt_hash": "p",
        "target_hash": "t",
        "exact_match": 1.0,
    }
    return sample | changes


def lmms_eval(doc_id: int, answer: str, **metrics: Any) -> dict[str, Any]:
    """A line of the samples of lmms-eval: without the document, and without ``resps``."""
    sample = {
        "doc_id": doc_id,
        "target": "['a cup', 'cup']",
        "filtered_resps": [answer],
        "doc_hash": "d",
    }
    return sample | metrics | {"input": f"<image>\nWhat is {doc_id}?"}


def vlmevalkit(index: object, prediction: object, **changes: Any) -> dict[str, Any]:
    """A row of the judged predictions of VLMEvalKit."""
    row = {"index": index, "question": "What is it?", "answer": "cup", "prediction": prediction}
    return row | changes
