from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from index_files import names_in, random_captions, small_scale, write_captions

from conceptstats.errors import IndexFormatError
from conceptstats.index import CaptionIndex, verify_index
from conceptstats.index.build import build_index
from conceptstats.index.layout import read_manifest

KINDS = [
    "profile.json",
    "run.json",
    "vocabulary.arrow",
    "forms.arrow",
    "pairs.arrow",
    *(
        f"parts/00000-00002/{name}"
        for name in ("captions.arrow", "concepts.arrow", "forms.arrow", "part.json", "ids.arrow",
                     "duplicates.arrow")
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An index of several parts, not to be changed."""
    folder = tmp_path_factory.mktemp("built")
    source = write_captions(folder / "c.parquet", random_captions(41, 300))
    with small_scale():
        yield build_index([source], folder / "index", dedup="caption")


@pytest.fixture
def index(built: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(built, tmp_path / "index"))


def flip(path: Path, place: int) -> None:
    """Change one bit of one byte."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << place % 7
    path.write_bytes(content)


def test_an_index_as_it_was_built(index: Path) -> None:
    """No damage; every file but the checksums themselves was read."""
    ticks: list[int] = []
    verified = verify_index(index, workers=3, tick=ticks.append)
    files = [path for path in index.rglob("*") if path.is_file()]
    assert verified.damaged == ()
    assert verified.n_files == len(files) - 1 == len(ticks)
    sizes = {path: path.stat().st_size for path in files if path.name != "checksums.json"}
    assert verified.n_bytes == sum(ticks) == sum(sizes.values())


@pytest.mark.parametrize("name", KINDS)
def test_a_flipped_bit_is_found(name: str, index: Path) -> None:
    """In any kind of file, at its ends or anywhere: it is named, and nothing else is."""
    original = (index / name).read_bytes()
    generator = random.Random(name)
    for place in (0, len(original) - 1, *(generator.randrange(len(original)) for _ in range(5))):
        flip(index / name, place)
        assert verify_index(index).damaged == (f"{name}: differs from its checksum",)
        (index / name).write_bytes(original)
    assert verify_index(index).damaged == ()


def test_a_flipped_bit_in_the_manifest_is_found(index: Path) -> None:
    """It is named as differing, or as what makes the index unreadable."""
    path = index / "index.json"
    original = path.read_bytes()
    n_read = 0
    for place in range(0, len(original), 7):
        flip(path, place)
        try:
            assert verify_index(index).damaged == ("index.json: differs from its checksum",)
            n_read += 1
        except IndexFormatError as error:
            assert "index" in error.message
        path.write_bytes(original)
    assert n_read > 10


def test_flipped_bits_in_the_checksums_are_found(index: Path) -> None:
    """Each is an unreadable list, or a file that differs, is missing or does not belong."""
    path = index / "checksums.json"
    original = path.read_bytes()
    expected = json.loads(original)
    for place in range(0, len(original), 11):
        flip(path, place)
        try:
            means_the_same = json.loads(path.read_bytes()) == expected  # another blank
        except ValueError:
            means_the_same = False
        try:
            assert bool(verify_index(index).damaged) != means_the_same
        except IndexFormatError as error:
            assert "checksums.json is missing or damaged" in error.message
        path.write_bytes(original)


@pytest.mark.parametrize("name", KINDS)
def test_a_missing_file_is_named(name: str, index: Path) -> None:
    """Whatever it is, opening is not needed to tell."""
    (index / name).unlink()
    assert verify_index(index).damaged == (f"{name}: is missing",)


@pytest.mark.parametrize("name", ["pairs.arrow", "parts/00000-00000/captions.arrow"])
def test_a_truncated_file_is_named_with_its_sizes(name: str, index: Path) -> None:
    """As a copy that broke off leaves it."""
    size = (index / name).stat().st_size
    (index / name).write_bytes((index / name).read_bytes()[:-8])
    (problem,) = verify_index(index).damaged
    assert problem == f"{name}: {size - 8:,} bytes, expected {size:,}"


def test_what_does_not_belong_is_named(index: Path) -> None:
    """Files of others, wherever they are; several problems are listed in order."""
    (index / "notes.txt").write_text("mine")
    (index / "parts" / "00009-00000").mkdir()
    (index / "parts" / "00009-00000" / "ids.arrow").write_bytes(b"")
    (index / "run.json").unlink()
    assert verify_index(index).damaged == (
        "run.json: is missing",
        "notes.txt: does not belong to the index",
        "parts/00009-00000/ids.arrow: does not belong to the index",
    )


def test_a_folder_in_the_place_of_a_file(index: Path) -> None:
    """It is no file."""
    (index / "run.json").unlink()
    (index / "run.json").mkdir()
    assert verify_index(index).damaged == ("run.json: is missing",)


@pytest.mark.parametrize("open_index", [verify_index, read_manifest, CaptionIndex.open])
def test_what_is_no_index(open_index: object, index: Path, tmp_path: Path) -> None:
    """A folder of something else, a file, and nothing each have their message."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("{}")
    cases = [(tmp_path / "folder", "is not an index"), (tmp_path / "none", "does not exist")]
    cases += [(tmp_path / "file", "damaged|is not an index")]
    for path, message in cases:
        with pytest.raises(IndexFormatError, match=message):
            open_index(path)  # type: ignore[operator]
    assert names_in(tmp_path) == ["file", "folder", "index"]


MANIFESTS = {
    '{"half': "damaged",
    "\xff\xfe": "damaged|is not an index",
    "[]": "is not an index",
    '{"format": "another"}': "is not an index",
    '{"format": "conceptstats-index", "version": 999}': "format version 999, expected 1.*build it",
    '{"format": "conceptstats-index", "version": 1}': "damaged",
    '{"format": "conceptstats-index", "version": 1, "profile": {}, "settings": {"dedup": "nope"}}':
        "damaged",
}  # fmt: skip


@pytest.mark.parametrize("content", MANIFESTS)
def test_a_manifest_that_cannot_be_used(content: str, index: Path) -> None:
    """Half a file, another program's, another version's: a clear error, for every reader."""
    (index / "index.json").write_text(content, encoding="latin-1")
    for open_index in (verify_index, read_manifest, CaptionIndex.open):
        with pytest.raises(IndexFormatError, match=MANIFESTS[content]):
            open_index(index)


@pytest.mark.parametrize("content", [None, "", "[1]", '{"run.json": 3}', '{"run.json": {}}'])
def test_checksums_that_cannot_be_used(content: str | None, index: Path) -> None:
    """Missing or of another shape: an error, not a clean result."""
    (index / "checksums.json").unlink()
    if content is not None:
        (index / "checksums.json").write_text(content)
    with pytest.raises(IndexFormatError, match=r"checksums\.json is missing or damaged"):
        verify_index(index)


@pytest.mark.parametrize("name", ["vocabulary.arrow", "forms.arrow", "pairs.arrow"])
@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "another table"])
def test_opening_a_damaged_index(name: str, how: str, index: Path) -> None:
    """Where a table cannot be read, the error names it and points to `verify`."""
    path = index / name
    content = path.read_bytes()
    path.unlink()
    if how == "another table":
        shutil.copy(index / "parts" / "00000-00000" / "ids.arrow", path)
    elif how != "missing":
        path.write_bytes(content[: len(content) // 2] if how == "truncated" else b"")
    with pytest.raises(IndexFormatError, match=name):
        CaptionIndex.open(index)


def test_a_damaged_profile(index: Path) -> None:
    """It is named when a question needs it."""
    (index / "profile.json").write_text("{")
    opened = CaptionIndex.open(index)
    assert opened.count("dog") > 0
    with pytest.raises(IndexFormatError, match=r"profile\.json is missing or damaged"):
        opened.count("frisbees")
