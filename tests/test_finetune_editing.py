"""Accessories pasted into photographs as they are trained on: which, how, and all accounted for."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow.parquet as pq
import pytest
import torch
from messages import Messages
from PIL import Image
from training_files import CAPTIONS, COLOURS, rows_of_log, tune, write_cut_out, write_task

from conceptstats.errors import SourceError
from conceptstats.eval.finetune.cut_outs import list_cut_outs
from conceptstats.eval.finetune.editing import Editor, prepare_editor
from conceptstats.eval.finetune.photographs import Photographs, Turn, batches
from conceptstats.eval.finetune.tune import PASTED_TABLE
from conceptstats.eval.finetune.tuning import Tuned
from conceptstats.eval.models import load_model
from conceptstats.eval.zeroshot.image_sources import Place


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, cut-outs, captions and a model."""
    return write_task(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def tuned(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """A model that was fine-tuned without a break."""
    return tune(folder, tmp_path_factory.mktemp("tuned") / "model")


def test_the_account_says_what_was_pasted(folder: Path, tuned: Tuned) -> None:
    """As often as the log and the result say; white is in no caption, so it is never edited."""
    table = pq.read_table(tuned.path / PASTED_TABLE).to_pylist()
    rows = rows_of_log(tuned.path)
    assert {row["class"] for row in table} == {"red", "green", "blue"}
    assert len(table) == 12
    assert sum(row["n_pasted"] for row in table) == tuned.n_pasted
    assert sum(int(row["n_pasted"]) for row in rows) == tuned.n_pasted
    assert sum(int(row["n_not_pasted"]) for row in rows) == tuned.n_not_pasted > 0
    assert sum(tuned.pasted_by_level.values()) == pytest.approx(1)
    seen = {(r["class"], r["accessory"]): r for r in table}
    red_hat = seen["red", "hat"]
    assert (red_hat["n_class"], red_hat["n_accessory"], red_hat["n_pair"]) == (28, 20, 12)
    n = sum(1 for _ in CAPTIONS)
    assert red_hat["pmi"] == pytest.approx(math.log(12 * n / (28 * 20)))
    assert seen["red", "cup"]["pmi"] == -math.inf
    assert [seen["red", name]["level"] for name in ("cup", "kite", "ball", "hat")] == [0, 1, 2, 3]


def editor_of(folder: Path, **settings: Any) -> Editor:
    return prepare_editor(folder / "cut-outs", folder / "index", list(COLOURS), **settings).editor


def test_accessories_are_drawn_evenly_over_levels(folder: Path) -> None:
    """Red has four levels of one accessory each: a quarter of its edits each; white has none.

    Of 2,000 draws 500 are expected, with a standard deviation of 19.
    """
    editor = editor_of(folder, probability=1.0)
    photo = np.zeros((40, 48, 3), np.uint8)
    names = editor.pairing.accessories
    rng = np.random.default_rng(0)
    found = Counter(names[editor.edit(photo, 0, rng).accessory] for _ in range(2000))
    assert set(found) == {"hat", "ball", "kite", "cup"}
    assert all(abs(count - 500) < 80 for count in found.values())
    white = editor.edit(photo, list(COLOURS).index("white"), rng)
    assert white.failed
    assert white.pixels is photo


def test_a_share_of_photographs_is_edited(folder: Path) -> None:
    """The accessory's box takes the share of the photograph that was asked for."""
    editor = editor_of(folder, probability=0.3, area=0.2)
    photo = np.zeros((60, 60, 3), np.uint8)
    edited = [editor.edit(photo, 0, np.random.default_rng(seed)) for seed in range(400)]
    shares = [float((e.pixels.any(2)).mean()) for e in edited if e.accessory is not None]
    assert abs(len(shares) - 120) < 40
    assert all(0.12 < share < 0.21 for share in shares)  # an ellipse is .785 of its box
    assert not any(e.failed or e.pixels.any() for e in edited if e.accessory is None)
    assert not photo.any()


def test_what_does_not_fit_is_told(folder: Path) -> None:
    """In a photograph of 12 pixels an accessory would be 4 pixels: it stays as it is."""
    editor = editor_of(folder, probability=1.0)
    found = editor.edit(np.zeros((12, 12, 3), np.uint8), 0, np.random.default_rng(0))
    assert found.failed
    assert found.accessory is None


def photographs(folder: Path, seed: int = 0) -> Photographs:
    """Photographs of red, edited and cropped."""
    model = load_model(folder / "original", device="cpu")
    module: Any = model.module
    transform = open_clip.image_transform(module.visual.image_size, is_train=True)
    files = [Place(str(path)) for path in sorted((folder / "photos" / "red").iterdir())]
    places = np.zeros(len(files), np.int64)
    return Photographs(files, places, transform, editor_of(folder), seed)


def test_a_turn_of_a_photograph_depends_on_seed_epoch_and_row_alone(folder: Path) -> None:
    """Whatever was taken before; the caller's random numbers stay as they were."""
    first, second = photographs(folder), photographs(folder)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    second[Turn(0, 5)]
    assert torch.equal(torch.rand(2), expected)

    def epoch_of(one: Photographs, epoch: int) -> torch.Tensor:
        return torch.stack([one[Turn(epoch, row)].pixels for row in range(12)])

    assert torch.equal(epoch_of(first, 2), epoch_of(second, 2))
    assert not torch.equal(epoch_of(first, 2), epoch_of(first, 3))
    assert not torch.equal(epoch_of(first, 2), epoch_of(photographs(folder, 1), 2))
    whole = list(batches(first, range(6), 4, 0, pinned=False))
    rest = list(batches(second, range(4, 6), 4, 0, pinned=False))
    assert [batch.pasted for batch in whole[4:]] == [batch.pasted for batch in rest]
    assert all(torch.equal(a.pixels, b.pixels) for a, b in zip(whole[4:], rest, strict=True))


def test_what_is_left_out_is_said(folder: Path, tmp_path: Path) -> None:
    """Files that are no cut-outs, accessories that name a class or are in no caption, classes."""
    cut_outs = tmp_path / "cut-outs"
    write_cut_out(cut_outs / "hat.png")
    write_cut_out(cut_outs / "Red" / "1.png")
    write_cut_out(cut_outs / "walrus_12.png")
    Image.new("RGB", (30, 30)).save(cut_outs / "ball.jpg")
    (cut_outs / "kite.png").write_bytes(b"no picture")
    (cut_outs / "notes.txt").write_text("no picture")
    listed = list_cut_outs(cut_outs)
    assert list(listed.files) == ["Red", "hat", "walrus"]
    assert [name for name, _ in listed.problems] == ["ball.jpg", "kite.png"]
    progress = Messages()
    tune(folder, tmp_path / "model", accessories=cut_outs, progress=progress)
    said = "\n".join(progress.said)
    for words in ("ball.jpg is left out: nothing in it is transparent", "kite.png is left out",
                  "the accessory Red is left out: it names a class",
                  "the accessory walrus is left out: no caption holds it",
                  "photographs of classes that no caption holds, or no accessory goes with, are "
                  "never edited (1): white"):  # fmt: skip
        assert words in said
    with pytest.raises(SourceError, match="holds no cut-out"):
        list_cut_outs(folder / "photos" / "red")
    with pytest.raises(SourceError, match="no such folder"):
        list_cut_outs(folder / "nowhere")
