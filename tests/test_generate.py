"""Pictures of probes: each is of its probe, its number and the seed alone, and accounted for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from painter import PAIRS, Painter, write_probes
from PIL import Image

from conceptstats.cli import cli
from conceptstats.errors import (
    ConceptStatsError,
    OutputExistsError,
    ParameterError,
    TableError,
    UnknownConceptError,
)
from conceptstats.synth import pool
from conceptstats.synth.generate import Generated, generate_images
from conceptstats.synth.images import ImageRequest, image_seed
from conceptstats.synth.sprites import Sprites
from conceptstats.synth.world import world_from
from conceptstats.synth.world_files import write_world
from conceptstats.table_files import load_table, save_table
from conceptstats.tables import IMAGES, PROBES

SMALL = Sprites(16)


@pytest.fixture
def probes(tmp_path: Path) -> Path:
    """A table of five probes."""
    return write_probes(tmp_path / "probes.parquet")


def digests(images: Generated) -> dict[str, str]:
    """SHA-256 of each picture by its id, as the table says."""
    table = load_table(images.table, IMAGES)
    return dict(zip(table["image_id"].to_pylist(), table["sha256"].to_pylist(), strict=True))


def test_the_table_accounts_for_every_picture(probes: Path, tmp_path: Path) -> None:
    """Path relative to the table, digest, seed, size, probe and target of each file there is."""
    images = generate_images(probes, tmp_path / "images", SMALL, per_probe=3, seed=5).table
    rows = load_table(images, IMAGES).to_pylist()
    assert [row["probe_id"] for row in rows] == [f"{k}-{a}" for k, a in PAIRS for _ in range(3)]
    assert len({row["image_id"] for row in rows}) == len({row["seed"] for row in rows}) == 15
    for number, row in enumerate(rows):
        file = images.parent / row["path"]
        assert not Path(row["path"]).is_absolute()
        assert hashlib.sha256(file.read_bytes()).hexdigest() == row["sha256"]
        assert row["seed"] == image_seed(5, row["probe_id"], number % 3)
        with Image.open(file) as picture:
            assert picture.size == (row["width"], row["height"]) == (16, 16)
        assert row["target"] == row["probe_id"].split("-")[0]
        assert row["backend"] == "sprites"
        assert row["key_found"] is row["accessory_found"] is None
    written = {path.relative_to(images.parent) for path in images.parent.rglob("*.png")}
    assert written == {Path(row["path"]) for row in rows}
    record = json.loads((tmp_path / "images" / "images.parquet.run.json").read_text("utf-8"))
    assert record["arguments"]["per_probe"] == 3
    assert (record["seed"], list(record["inputs"])) == (5, [str(probes)])
    assert "pillow" in record["versions"]


def test_order_and_workers_do_not_change_a_pixel(probes: Path, tmp_path: Path) -> None:
    """Probes turned round, in other batches, in two processes: every digest is the same."""
    expected = digests(generate_images(probes, tmp_path / "a", SMALL, per_probe=2))
    other = write_probes(tmp_path / "other.parquet", reverse=True)
    fewer = generate_images(other, tmp_path / "b", SMALL, per_probe=2, batch_size=2)
    assert digests(fewer) == expected
    two = generate_images(probes, tmp_path / "c", SMALL, per_probe=2, workers=2, batch_size=3)
    assert digests(two) == expected
    assert list(digests(two)) == list(expected)
    more = digests(generate_images(probes, tmp_path / "d", SMALL, per_probe=3))
    assert {name: more[name] for name in expected} == expected
    others = digests(generate_images(probes, tmp_path / "e", SMALL, per_probe=2, seed=1))
    assert not set(others.values()) & set(expected.values())


def test_a_generator_is_asked_for_the_pair(probes: Path, tmp_path: Path) -> None:
    """Any `ImageGenerator` will do; it gets prompt, seed, key and accessory."""
    painter = Painter()
    images = generate_images(probes, tmp_path / "images", painter, per_probe=1)
    prompt = "a photo of a bus with a apple"
    expected = ImageRequest(prompt, image_seed(0, "bus-apple", 0), "bus", "apple")
    assert painter.asked[0] == [expected]
    row = load_table(images.table, IMAGES).to_pylist()[0]
    assert (row["backend"], row["width"], row["height"]) == ("painter", 4, 2)


def test_seeds_of_pictures() -> None:
    """They fit into 62 bits, differ in each of the three, and stay what they are."""
    seeds = {image_seed(s, p, n) for s in range(10) for p in ("a", "b", "0") for n in range(100)}
    assert len(seeds) == 3000
    assert all(0 <= seed < 2**62 for seed in seeds)
    assert image_seed(1, "1", 1) != image_seed(11, "", 1)
    assert image_seed(0, "bus-apple", 0) == 4597235314918432302


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "/a", "a\\b", "images.parquet"])
def test_probes_that_cannot_be_folders(name: str, tmp_path: Path) -> None:
    """An id never leads out of the folder of the pictures."""
    probes = write_probes(tmp_path / "probes.parquet", ["fine", name])
    with pytest.raises(TableError, match="cannot be the name of a folder"):
        generate_images(probes, tmp_path / "in" / "images", SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["probes.parquet"]


def test_probes_that_are_not_there(tmp_path: Path) -> None:
    """No probes, a probe twice, a probe without a drawing: nothing is left behind."""
    twice = write_probes(tmp_path / "twice.parquet", ["a", "b", "a"])
    none = tmp_path / "none.parquet"
    save_table(none, PROBES.empty_table(), PROBES)
    ufo = tmp_path / "ufo.parquet"
    row = {"probe_id": "x", "key": "ufo", "accessory": "sun"}
    save_table(ufo, pa.Table.from_pylist([row], PROBES), PROBES)
    for path, error, message in (
        (twice, TableError, "'a' stands more than once"),
        (none, TableError, "has no probes"),
        (ufo, UnknownConceptError, "no drawing of 'ufo'"),
    ):
        with pytest.raises(error, match=message):
            generate_images(path, tmp_path / "images", SMALL)
    assert {path.suffix for path in tmp_path.iterdir()} == {".parquet"}


def test_settings_that_cannot_be(probes: Path, tmp_path: Path) -> None:
    """Less than one picture, and a negative seed."""
    for settings in ({"per_probe": 0}, {"seed": -1}):
        with pytest.raises(ParameterError, match="expected 1 and 0 or more"):
            generate_images(probes, tmp_path / "images", SMALL, **settings)


def test_only_pictures_made_here_are_overwritten(probes: Path, tmp_path: Path) -> None:
    """Not a folder with a table of images of one's own, nor one that holds the probes."""
    images = generate_images(probes, tmp_path / "images", SMALL, per_probe=1)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        generate_images(probes, tmp_path / "images", SMALL, per_probe=2)
    assert len(digests(images)) == 5
    generate_images(probes, tmp_path / "images", SMALL, per_probe=2, overwrite=True)
    assert len(digests(images)) == 10
    mine = tmp_path / "mine"
    save_table(mine / "images.parquet", load_table(images.table, IMAGES), IMAGES)
    with pytest.raises(OutputExistsError, match="not replaced"):
        generate_images(probes, mine, SMALL, overwrite=True)
    inside = write_probes(tmp_path / "images" / "probes.parquet")
    with pytest.raises(ParameterError, match="is inside"):
        generate_images(inside, tmp_path / "images", SMALL, overwrite=True)
    assert inside.exists()


def test_a_process_that_dies(tmp_path: Path, probes: Path) -> None:
    """It is a clear error, and nothing is left."""
    with pytest.raises(ConceptStatsError, match="a worker process died"):
        generate_images(probes, tmp_path / "images", Deadly(16), workers=2, batch_size=2)
    assert [path.name for path in tmp_path.iterdir()] == ["probes.parquet"]


@dataclass(frozen=True, slots=True)
class Deadly(Sprites):
    """Ends the process that it is in."""

    def generate(self, requests: Sequence[ImageRequest]) -> list[Image.Image]:
        """As a kill does."""
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)
        return []


def test_one_item_needs_no_process() -> None:
    """With one worker, or one item, the work is done here; results are in order."""
    seen: list[int] = []
    assert list(pool.in_processes(seen.append, [1, 2, 3], 1)) == [None] * 3
    assert list(pool.in_processes(seen.append, [4], 8)) == [None]
    assert list(pool.in_processes(seen.append, [], 8)) == []
    assert seen == [1, 2, 3, 4]


def test_command(probes: Path, tmp_path: Path) -> None:
    """`synth generate` draws as the pictures of a world are."""
    world = world_from({"keys": 3, "accessories": 3, "n": 5, "size": 24, "key_visibility": 0.5})
    write_world(world, tmp_path / "world", pictures=0)
    arguments = ["synth", "generate", str(probes), "-o", str(tmp_path / "images"), "--json"]
    arguments += ["--world", str(tmp_path / "world"), "--per-probe", "1", "--workers", "1"]
    done = CliRunner().invoke(cli, [*arguments, "--quiet"])
    assert done.exit_code == 0, done.output
    images = Path(json.loads(done.stdout)["output"])
    sprites = world.sprites()
    expected = generate_images(
        probes, tmp_path / "expected", sprites, per_probe=1, settings=asdict(sprites)
    )
    table = load_table(images, IMAGES)
    assert table["sha256"].to_pylist() == list(digests(expected).values())
    record = json.loads((images.parent / "images.parquet.run.json").read_text("utf-8"))
    assert record["arguments"]["key_visibility"] == 0.5
