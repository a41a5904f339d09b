"""Runs of `synth verify`: scores and flags of every picture, the same however they are run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from picture_tables import SIZES, picture, read_rows, write_pictures
from PIL import Image
from tiny_detectors import save_grounding_dino, save_owlv2

from conceptstats.concat import concat
from conceptstats.errors import OutputExistsError, ParameterError, TableError
from conceptstats.shards import Shard
from conceptstats.synth import looking
from conceptstats.synth.detectors import Detector, Finding
from conceptstats.synth.verify import set_threshold, verify_images
from conceptstats.table_files import load_table, save_table
from conceptstats.tables import IMAGES, PROBES


@pytest.fixture(scope="session")
def owlv2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny OWLv2."""
    return save_owlv2(tmp_path_factory.mktemp("models") / "owlv2")


@pytest.fixture(scope="session")
def dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny Grounding DINO."""
    return save_grounding_dino(tmp_path_factory.mktemp("models") / "dino")


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    """Images and probes."""
    return write_pictures(tmp_path)


@pytest.mark.parametrize("name", ["owlv2", "dino"])
def test_every_picture_keeps_its_row(
    name: str, owlv2: Path, dino: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """The output has the rows of the images in order, with scores, boxes inside, and what is found.

    Its paths are relative to it, wherever it is.
    """
    images, probes = inputs
    output = tmp_path / "elsewhere" / "verified.parquet"
    output.parent.mkdir()
    model = {"owlv2": owlv2, "dino": dino}[name]
    verify_images(images, output, probes=probes, model=model)
    middle = pc.quantile(load_table(output, IMAGES)["key_score"])[0].as_py()
    found = verify_images(
        images, output, probes=probes, model=model, threshold=middle, overwrite=True
    )
    assert 0 < found.n_key < 12
    table, before = load_table(output, IMAGES), load_table(images, IMAGES)
    for column in ("image_id", "probe_id", "target", "sha256"):
        assert table[column].to_pylist() == before[column].to_pylist()
    for number, row in enumerate(table.to_pylist()):
        with Image.open(output.parent / row["path"]) as opened:
            assert opened.size == SIZES[number % 3]
        for thing in ("key", "accessory"):
            assert row[f"{thing}_found"] == (row[f"{thing}_score"] >= middle)
            left, top, right, bottom = row[f"{thing}_box"]
            assert 0 <= left < right <= SIZES[number % 3][0]
            assert 0 <= top < bottom <= SIZES[number % 3][1]
    assert table["detector"].unique().to_pylist() == [str(model)]
    assert table["unverified"].null_count == found.n == 12
    assert found.n_key == pc.sum(table["key_found"]).as_py()
    both = pc.and_(table["key_found"], table["accessory_found"])
    assert found.n_both == pc.sum(both).as_py()
    record = json.loads(Path(f"{output}.run.json").read_text())
    assert record["arguments"]["threshold"] == middle
    assert record["arguments"]["model"] == str(model)
    assert record["inputs"]["weights"].startswith("xxh3:")


def test_usual_query_and_threshold_are_the_models_own(
    owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """Without options, the record says what was asked, and from which score on things are found."""
    images, probes = inputs
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    assert verify_images(images, first, probes=probes, model=owlv2).threshold == 0.1
    arguments = json.loads(Path(f"{first}.run.json").read_text())["arguments"]
    assert (arguments["query"], arguments["threshold"]) == ("a photo of a {}", 0.1)
    verify_images(images, second, probes=probes, model=owlv2, query="{}")
    scores = [load_table(path, IMAGES)["key_score"].to_pylist() for path in (first, second)]
    assert scores[0] != scores[1]


@pytest.mark.parametrize("name", ["owlv2", "dino"])
def test_threads_and_shares_change_nothing(
    name: str, owlv2: Path, dino: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """One thread or four, one share or three that are put together: the same bits."""
    images, probes = inputs
    model = {"owlv2": owlv2, "dino": dino}[name]
    whole, together = tmp_path / "whole.parquet", tmp_path / "together.parquet"
    verify_images(images, whole, probes=probes, model=model)
    shares = [tmp_path / "shares" / f"{number}.parquet" for number in range(3)]
    for number, share in enumerate(shares):
        found = verify_images(
            images, share, probes=probes, model=model, shard=Shard(number, 3), workers=4
        )
        assert found.n == 4
    concat(shares, together)
    assert load_table(together, IMAGES).equals(load_table(whole, IMAGES))


def test_a_killed_run_goes_on(
    owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was looked at before a crash is not looked at again, and the result is the same."""
    images, probes = inputs
    monkeypatch.setattr(looking, "_PART", 4)
    whole, resumed = tmp_path / "whole.parquet", tmp_path / "resumed.parquet"
    verify_images(images, whole, probes=probes, model=owlv2)
    find: Callable[..., list[Finding]] = Detector.find
    calls = []

    def count(*arguments: Any) -> list[Finding]:
        calls.append(arguments)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return find(*arguments)

    monkeypatch.setattr(Detector, "find", count)
    with pytest.raises(KeyboardInterrupt):
        verify_images(images, resumed, probes=probes, model=owlv2)
    assert not resumed.exists()
    verify_images(images, resumed, probes=probes, model=owlv2, workers=3)
    assert len(calls) == 10 + 4  # eight were kept
    assert resumed.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_another_threshold_needs_no_model(
    owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """The scores say what is found from another score on; a score that is just reached counts."""
    images, probes = inputs
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    verify_images(images, first, probes=probes, model=owlv2)
    scores = sorted(load_table(first, IMAGES)["key_score"].to_pylist())
    found = set_threshold(first, second, threshold=scores[5])
    assert (found.n_key, found.threshold) == (7, scores[5])
    assert [r["key_score"] for r in read_rows(second).values() if r["key_found"]].count(
        scores[5]
    ) == 1
    with pytest.raises(TableError, match="not verified"):
        set_threshold(images, tmp_path / "third.parquet", threshold=0.5)


def test_scores_of_two_detectors_are_not_mixed(
    owlv2: Path, dino: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """They are not on one scale, so one threshold cannot be set for both."""
    images, probes = inputs
    shares = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for number, (share, model) in enumerate(zip(shares, (owlv2, dino), strict=True)):
        verify_images(images, share, probes=probes, model=model, shard=Shard(number, 2))
    mixed = tmp_path / "mixed.parquet"
    tables = [load_table(share, IMAGES) for share in shares]
    save_table(mixed, pa.concat_tables(tables), IMAGES)
    with pytest.raises(TableError, match=r"expected scores of one detector.*owlv2, .*dino"):
        set_threshold(mixed, tmp_path / "c.parquet", threshold=0.5)


def test_ids_that_stand_twice_are_refused(
    owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """Of images and of probes: a row must say which picture, and which pair, it is of."""
    images, probes = inputs
    for path, schema, column in ((images, IMAGES, "image_id"), (probes, PROBES, "probe_id")):
        table = load_table(path, schema)
        twice = path.with_name("twice.parquet")
        save_table(twice, pa.concat_tables([table, table]), schema)
        given = {"images": images, "probes": probes} | {path.stem: twice}
        with pytest.raises(TableError, match=f"{column} stand more than once"):
            verify_images(given["images"], tmp_path / "v.parquet", probes=given["probes"],
                          model=owlv2)  # fmt: skip
        twice.unlink()


def test_a_turned_picture_is_seen_upright(
    owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """EXIF says how a picture lies: scores and boxes are those of the picture as it is seen."""
    images, probes = inputs
    upright = picture(0)  # 90 wide, 40 high
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees, clockwise
    path = images.parent / "turned.png"
    upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    rows = [
        {"image_id": "turned", "path": "turned.png", "probe_id": "p0"},
        {"image_id": "upright", "path": "0.png", "probe_id": "p0"},
    ]
    table = images.parent / "two.parquet"
    save_table(table, pa.Table.from_pylist(rows, schema=IMAGES), IMAGES)
    verify_images(table, tmp_path / "v.parquet", probes=probes, model=owlv2)
    turned, straight = read_rows(tmp_path / "v.parquet").values()
    assert turned["key_score"] == straight["key_score"]
    assert turned["key_box"] == straight["key_box"]


def test_wrong_settings_are_refused(owlv2: Path, inputs: tuple[Path, Path], tmp_path: Path) -> None:
    """Each error says what was expected."""
    images, probes = inputs
    output = tmp_path / "v.parquet"

    def run(output: Path = output, **options: Any) -> None:
        verify_images(images, output, **{"probes": probes, "model": owlv2, **options})

    with pytest.raises(ParameterError, match="from 0 to 1"):
        run(threshold=1.5)
    with pytest.raises(ParameterError, match=r"expected \{\} in it"):
        run(query="a photo")
    with pytest.raises(ParameterError, match="parquet or"):
        run(tmp_path / "v.csv")
    with pytest.raises(ParameterError, match="workers is 0"):
        run(workers=0)
    with pytest.raises(ParameterError, match="on_error is 'go on'"):
        run(on_error="go on")
    output.write_text("taken")
    with pytest.raises(OutputExistsError):
        run()
