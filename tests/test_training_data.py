"""Image-text pairs: what cannot be read is said, and training sees what evaluation sees."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from training_files import COLOURS, coloured, names_in, write_config, write_shard

from conceptstats.errors import SourceError
from conceptstats.eval.finetune import train as finetune
from conceptstats.eval.finetune.data import find_shards, read_pairs
from conceptstats.eval.finetune.train import Training, train_from_scratch
from conceptstats.eval.models import load_model
from conceptstats.pictures import decode_image
from conceptstats.progress import Silent

QUICK = Training(steps=1, batch_size=16, warmup=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards, and a model to train."""
    folder = tmp_path_factory.mktemp("pairs")
    members = list(coloured().items())
    write_shard(folder / "0.tar", dict(members[:40]))
    write_shard(folder / "1.tar", dict(members[40:]))
    write_config(folder / "config.json")
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of that size."""
    output = tmp_path_factory.mktemp("trained") / "model"
    settings = {"config": folder / "config.json", "training": QUICK, "device": "cpu"}
    return train_from_scratch([str(folder / "*.tar")], output, **settings).path


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"]


@pytest.fixture(scope="module")
def modes(folder: Path) -> dict[str, bytes]:
    """A picture of each mode, of another shape than the model's, as a file."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (45, 70, 4)).astype(np.uint8)
    files: dict[str, bytes] = {}
    for mode in MODES:
        buffer = io.BytesIO()
        if mode == "I;16":
            Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(buffer, "PNG")
        else:
            image = Image.fromarray(pixels, "RGBA" if "A" in mode else None).convert("RGBA")
            image = image if mode == "RGBA" else image.convert("RGB").convert(mode)
            kind = "JPEG" if mode == "CMYK" else "PNG"
            image.save(buffer, kind, **({"transparency": 3} if mode == "P" else {}))
        files[mode] = buffer.getvalue()
    return files


def test_training_sees_what_evaluation_sees(
    trained: Path, modes: dict[str, bytes], tmp_path: Path
) -> None:
    """Grey, transparent, with a palette, of 16 bits: RGB of the model's size, as zero-shot has."""
    members: dict[str, bytes] = {}
    for number, (mode, data) in enumerate(modes.items()):
        members[f"{number}.{'jpg' if mode == 'CMYK' else 'png'}"] = data
        members[f"{number}.txt"] = mode.encode()
    shard = write_shard(tmp_path / "modes.tar", members)
    run = finetune._start(trained, QUICK, torch.device("cpu"))
    data = read_pairs([str(shard)], run.geometry, run.tokenizer, 1 << 30, Silent())
    assert data.pixels.shape == (len(MODES), 32, 32, 3)
    assert data.pixels.dtype == torch.uint8
    mean, deviation = run.normalise
    normal = (data.pixels.permute(0, 3, 1, 2).float() - mean) / deviation
    model = load_model(trained, device="cpu")
    for row, content in zip(normal, modes.values(), strict=True):
        expected = model.preprocess(decode_image(content))
        assert row.numpy() == pytest.approx(expected.numpy(), abs=1e-5)


def test_captions_are_kept_once(folder: Path, trained: Path) -> None:
    """Each distinct caption has one row of tokens, which its images point to."""
    run = finetune._start(trained, QUICK, torch.device("cpu"))
    shards = [str(folder / "0.tar"), str(folder / "1.tar")]
    data = read_pairs(shards, run.geometry, run.tokenizer, 1 << 30, Silent())
    assert (len(data), data.tokens.shape) == (48, (4, 6))
    assert data.caption.tolist() == [number % 4 for number in range(48)]
    assert torch.equal(data.tokens, run.tokenizer([f"all {name}" for name in COLOURS]))


def without(name: str) -> dict[str, bytes]:
    """Samples, one of which lacks a member."""
    return {member: data for member, data in coloured(20).items() if member != name}


SAMPLES: dict[str, tuple[dict[str, bytes], str]] = {
    "no caption": (without("0003.txt"), r"0003 has no caption \(\.txt\)"),
    "no image": (without("0003.png"), "0003 has no image"),
    "two images": (coloured(20) | {"0019.jpg": b""}, "0019 holds several images"),
    "damaged image": (coloured(20) | {"0003.png": b"\x89PNG no"}, "image of sample 0003 cannot"),
    "cut image": (
        coloured(20) | {"0003.png": coloured(20)["0003.png"][:300]},
        "image of sample 0003 cannot",
    ),
    "caption of bytes": (coloured(20) | {"0003.txt": b"\xff\xfe"}, "no UTF-8"),
    "no samples": ({}, "no image"),
}


@pytest.mark.parametrize("case", SAMPLES)
def test_samples_that_cannot_be_used(case: str, folder: Path, tmp_path: Path) -> None:
    """The error names shard and sample, and nothing is left behind."""
    members, message = SAMPLES[case]
    shard = write_shard(tmp_path / "shard.tar", members)
    with pytest.raises(SourceError, match=f"shard.tar.*{message}"):
        train_from_scratch([str(shard)], tmp_path / "model", config=folder / "config.json",
                           training=QUICK, device="cpu")  # fmt: skip
    assert names_in(tmp_path) == ["shard.tar"]


def test_shards_that_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    """A shard that was cut off, also between two members, and a file that is none."""
    whole = (folder / "0.tar").read_bytes()
    with tarfile.open(folder / "0.tar") as archive:
        starts = [member.offset for member in archive]
    for content in (whole[: starts[5]], whole[: starts[5] + 700], b"no tar file" * 100):
        (tmp_path / "shard.tar").write_bytes(content)
        with pytest.raises(SourceError, match="missing or damaged"):
            train_from_scratch([str(tmp_path / "shard.tar")], tmp_path / "model",
                               config=folder / "config.json", device="cpu")  # fmt: skip
        assert names_in(tmp_path) == ["shard.tar"]


@pytest.fixture
def in_shards(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Shards called 0.tar, 1.tar and [x].tar, in the current folder."""
    monkeypatch.chdir(folder)
    odd = folder / "[x].tar"
    odd.write_bytes(b"")
    yield folder
    odd.unlink()


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["0.tar"], ["0.tar"]),
        (["*.tar"], ["0.tar", "1.tar", "[x].tar"]),
        (["1.tar", "{0..1}.tar"], ["1.tar", "0.tar"]),
        (["[x].tar", "[0-9].tar"], ["[x].tar", "0.tar", "1.tar"]),
        (["{0,1}.t*"], ["0.tar", "1.tar"]),
    ],
)
@pytest.mark.usefixtures("in_shards")
def test_shards_are_found(patterns: Sequence[str], expected: list[str]) -> None:
    """By name, glob or braces, each once, in the order in which they are named."""
    assert find_shards(patterns) == expected
    absolute = [str(Path.cwd() / pattern) for pattern in patterns]
    assert find_shards(absolute) == [str(Path.cwd() / name) for name in expected]


@pytest.mark.parametrize("pattern", ["none.tar", "{0..3}.tar", "*.zip", "", ".", "{0.tar"])
def test_shards_that_are_not_there(pattern: str, in_shards: Path, tmp_path: Path) -> None:
    """Whatever was named; nothing is left behind."""
    with pytest.raises(SourceError, match=r"no such shard|cannot be understood"):
        train_from_scratch([pattern], tmp_path / "model", device="cpu")
    assert names_in(tmp_path) == []
