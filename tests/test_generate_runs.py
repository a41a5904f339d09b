"""Runs that make pictures: shares, interruptions, failures, and what becomes of each picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from painter import Painter, assert_same, make, paint, write_probes
from PIL import Image

from conceptstats.errors import (
    ConceptStatsError,
    ModelError,
    ParameterError,
    TableError,
)
from conceptstats.shards import Shard
from conceptstats.synth.images import ImageRequest, Refused, image_seed
from conceptstats.synth.picture_folder import FAILURES, MADE
from conceptstats.table_files import load_table, save_table
from conceptstats.tables import PROBES, PROMPTS


@pytest.fixture
def probes(tmp_path: Path) -> Path:
    """Five probes."""
    return write_probes(tmp_path / "probes.parquet")


@pytest.fixture
def whole(probes: Path, tmp_path: Path) -> Path:
    """The folder of one run from beginning to end."""
    make(probes, tmp_path / "whole")
    return tmp_path / "whole"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_shares_give_what_one_run_gives(
    probes: Path, tmp_path: Path, whole: Path, order: tuple[int, ...]
) -> None:
    """In any order, with other batch sizes: the last gathers the table, byte for byte the same."""
    output = tmp_path / "shares"
    found = [
        make(probes, output, shard=Shard(index, 3), batch_size=index + 1)[0] for index in order
    ]
    assert [one.complete for one in found] == [False, False, True]
    assert [one.n for one in found] == [5, 5, 15]
    assert found[0].table == output / f"images-{order[0]}-of-3.parquet"
    assert found[2].table == output / "images.parquet"
    assert_same(output, whole)


def test_more_shares_than_pictures(probes: Path, tmp_path: Path) -> None:
    """A share of nothing is done at once, and counts."""
    make(probes, tmp_path / "one", per_probe=1)
    for index in range(7):
        found, _ = make(probes, tmp_path / "seven", per_probe=1, shard=Shard(index, 7))
        assert found.complete == (index == 6)
    assert_same(tmp_path / "seven", tmp_path / "one")


def test_a_run_without_shares_takes_over_what_they_made(
    probes: Path, tmp_path: Path, whole: Path
) -> None:
    """When one never came to its end: only its pictures are made, and all are in the table."""
    output = tmp_path / "shares"
    for index in (0, 2):
        make(probes, output, shard=Shard(index, 3))
    found, painter = make(probes, output)
    assert found.complete
    assert len(painter.asked) == 5
    assert_same(output, whole)


@pytest.mark.parametrize("stops_after", [1, 7, 14])
def test_an_interrupted_run_goes_on(
    probes: Path, tmp_path: Path, whole: Path, stops_after: int
) -> None:
    """What is there is not made again, and the end is the same."""
    output = tmp_path / "images"
    with pytest.raises(KeyboardInterrupt):
        make(probes, output, Painter(stops_after=stops_after))
    assert len(list(output.rglob("*.png"))) == stops_after
    assert not (output / "images.parquet").exists()
    found, painter = make(probes, output)
    assert len(painter.asked) == 15 - stops_after
    assert found.n == 15
    assert_same(output, whole)


def test_damaged_and_strange_pictures_are_made_again(
    probes: Path, tmp_path: Path, whole: Path
) -> None:
    """Half a file, a flipped bit, a picture of another seed, and one from elsewhere."""
    output = tmp_path / "images"
    with pytest.raises(KeyboardInterrupt):
        make(probes, output, Painter(stops_after=12))
    half, flipped, other, strange = sorted(output.rglob("*.png"))[:4]
    half.write_bytes(half.read_bytes()[:-30])
    data = bytearray(flipped.read_bytes())
    data[-20] ^= 1
    flipped.write_bytes(data)
    other.write_bytes(sorted(output.rglob("*.png"))[7].read_bytes())
    paint(3).save(strange)
    _, painter = make(probes, output)
    assert len(painter.asked) == 3 + 4
    assert_same(output, whole)


def test_pictures_say_where_they_come_from(probes: Path, tmp_path: Path) -> None:
    """Texts in the PNG: of the picture, of the generator's settings, and of versions."""
    settings = {"model": "modèle \u4e2d", "arguments": {"steps": 3}, "revision": None}
    make(probes, tmp_path / "images", settings=settings, packages=("torch",))
    with Image.open(tmp_path / "images" / "car-hat" / "0002.png") as image:
        texts = dict(image.info)
    versions = json.loads(texts.pop("versions"))
    assert {"conceptstats", "torch", "pillow"} <= versions.keys()
    assert texts == {
        "image_id": "car-hat-0002",
        "probe_id": "car-hat",
        "key": "car",
        "accessory": "hat",
        "prompt": "a photo of a car with a hat",
        "seed": str(image_seed(0, "car-hat", 2)),
        "backend": "painter",
        "model": "modèle \u4e2d",
        "arguments": '{"steps": 3}',
    }


def test_the_order_of_settings_does_not_matter(probes: Path, tmp_path: Path) -> None:
    """A run goes on when its settings are given in another order, and takes its pictures over."""
    settings: dict[str, Any] = {"model": "x", "arguments": {"a": 1, "b": 2}}
    with pytest.raises(KeyboardInterrupt):
        make(probes, tmp_path / "images", Painter(stops_after=6), settings=settings)
    turned = {"arguments": {"b": 2, "a": 1}, "model": "x"}
    _, painter = make(probes, tmp_path / "images", settings=turned)
    assert len(painter.asked) == 9


def test_prompts_that_are_read_in_part(probes: Path, tmp_path: Path) -> None:
    """Counted, recorded and said; asked for once each, whatever the share."""
    asked: list[list[str]] = []

    def longer(prompts: Sequence[str]) -> list[str]:
        asked.append(list(prompts))
        return [prompt for prompt in prompts if len(prompt) > 28]

    for index in range(2):
        options = {"shard": Shard(index, 2), "read_in_part": longer}
        found, _ = make(probes, tmp_path / "images", **options)
    expected = ["a photo of a bus with a apple", "a photo of a car with a apple"]
    assert found.read_in_part == (*expected,)
    assert found.to_json()["n_prompts_read_in_part"] == 2
    assert [len(prompts) for prompts in asked] == [5, 5]
    record = json.loads((tmp_path / "images" / "images.parquet.run.json").read_text("ascii"))
    assert record["read_in_part"] == expected
    assert make(probes, tmp_path / "other")[0].read_in_part == ()


def test_prompts_are_taken_in_turn(probes: Path, tmp_path: Path) -> None:
    """A probe's three pictures have its two prompts; a probe without any is counted."""
    rows = [
        {"probe_id": "bus-sun", "prompt": "one"},
        {"probe_id": "bus-sun", "prompt": "two"},
        {"probe_id": "car-hat", "prompt": "only"},
        {"probe_id": "ufo", "prompt": "never"},
    ]
    prompts = tmp_path / "prompts.parquet"
    save_table(prompts, pa.Table.from_pylist(rows, PROMPTS), PROMPTS)
    found, painter = make(probes, tmp_path / "images", prompts=prompts)
    assert painter.prompts == ["one", "two", "one", "only", "only", "only"]
    table = load_table(found.table, MADE)
    assert table["prompt"].to_pylist() == painter.prompts
    assert found.without_prompt == ("bus-apple", "car-apple", "mug-book")
    record = json.loads((tmp_path / "images" / "images.parquet.run.json").read_text("ascii"))
    assert record["without_prompt"] == list(found.without_prompt)
    assert set(record["inputs"]) == {str(probes), str(prompts)}


def test_prompts_that_cannot_be(probes: Path, tmp_path: Path) -> None:
    """None of any probe, an empty one, and templates with nothing or too much in them."""
    for name, prompt, message in (("ufo", "x", "no prompt of a probe"), ("bus-sun", " ", "empty")):
        path = tmp_path / f"{name}.parquet"
        rows = [{"probe_id": name, "prompt": prompt}]
        save_table(path, pa.Table.from_pylist(rows, PROMPTS), PROMPTS)
        with pytest.raises(TableError, match=message):
            make(probes, tmp_path / "images", prompts=path)
    for template in ("a photo", "a {key} in {place}"):
        with pytest.raises(ParameterError, match="expected a text with"):
            make(probes, tmp_path / "images", template=template)
    found, painter = make(probes, tmp_path / "images", template="only {accessory}", per_probe=1)
    assert found.n == 5
    assert painter.prompts[0] == "only apple"


def test_an_error_is_tried_again_with_the_same_seed(
    probes: Path, tmp_path: Path, whole: Path
) -> None:
    """So that a GPU that was full for a while changes no pixel."""
    found, painter = make(probes, tmp_path / "images", Painter(shaky=2))
    assert found.failures == ()
    assert len({call[0].seed for call in painter.asked[:3]}) == 1
    assert_same(tmp_path / "images", whole)


def test_what_is_refused_gets_the_next_seed(probes: Path, tmp_path: Path) -> None:
    """It derives from probe and number too, and a run that goes on takes the picture for right."""
    bad = {image_seed(0, "bus-sun", 1), image_seed(0, "bus-sun", 1, attempt=1)}
    found, _ = make(probes, tmp_path / "a", Painter(bad_seeds=bad))
    rows = load_table(found.table, MADE).to_pylist()
    assert rows[4]["seed"] == image_seed(0, "bus-sun", 1, attempt=2)
    others = [row["seed"] for row in rows if row["image_id"] != "bus-sun-0001"]
    names = [(row["probe_id"], int(row["image_id"][-4:])) for row in rows]
    assert others == [image_seed(0, *name) for name in names if name != ("bus-sun", 1)]
    with pytest.raises(KeyboardInterrupt):
        make(probes, tmp_path / "b", Painter(bad_seeds=bad, stops_after=9))
    make(probes, tmp_path / "b", Painter(bad_seeds=bad))
    assert_same(tmp_path / "a", tmp_path / "b")


def test_failures_are_listed_and_stop_nothing(probes: Path, tmp_path: Path) -> None:
    """In a table of their own, over shares too, and every picture is in one of the two."""
    expected, _ = make(probes, tmp_path / "one", Painter(broken={"car"}), retries=1)
    assert (expected.n, len(expected.failures)) == (9, 6)
    assert expected.failures[0] == ("car-apple-0000", "ValueError: no car today")
    for index in range(2):
        options: dict[str, Any] = {"shard": Shard(index, 2), "retries": 1}
        found, painter = make(probes, tmp_path / "two", Painter(broken={"car"}), **options)
    assert found.failures == expected.failures
    assert len(painter.asked) == 4 + 2 * 3
    assert_same(tmp_path / "one", tmp_path / "two")
    failures = load_table(tmp_path / "two" / "failures.parquet", FAILURES).to_pylist()
    assert failures[0] == {
        "image_id": "car-apple-0000",
        "probe_id": "car-apple",
        "prompt": "a photo of a car with a apple",
        "seed": image_seed(0, "car-apple", 0),
        "attempts": 2,
        "kind": "error",
        "reason": "ValueError: no car today",
    }
    made = load_table(found.table, MADE)["image_id"].to_pylist()
    assert len({*made, *(row["image_id"] for row in failures)}) == 15


def test_a_reason_is_one_line(probes: Path, tmp_path: Path) -> None:
    """Also where a library says much, as of CUDA."""

    class Talker(Painter):
        def generate(self, requests: Sequence[ImageRequest]) -> list[Image.Image | Refused]:
            if requests[0].key == "mug":
                raise RuntimeError("CUDA error\n" + "see the manual\n" * 99)
            return super().generate(requests)

    found, _ = make(probes, tmp_path / "images", Talker())
    reason = found.failures[0][1]
    assert reason.startswith("RuntimeError: CUDA error see the manual see")
    assert (len(reason.splitlines()), len(reason) <= 300) == (1, True)


def test_a_run_in_which_all_fails_is_an_error(probes: Path, tmp_path: Path) -> None:
    """It ends after 20 pictures, and leaves no folder behind."""
    painter = Painter(broken={"bus", "car", "mug"})
    with pytest.raises(ModelError, match="none of 20 pictures could be made: ValueError: no bus"):
        make(probes, tmp_path / "images", painter, per_probe=100, retries=0, batch_size=1)
    assert len(painter.asked) == 20
    with pytest.raises(ModelError, match="none of 5 "):
        make(probes, tmp_path / "images", painter, per_probe=1)
    assert [path.name for path in tmp_path.iterdir()] == ["probes.parquet"]


def test_a_gpu_that_fails_ends_the_run(tmp_path: Path) -> None:
    """Errors of 20 probes in a row are none of pictures; what is made stays, and it goes on."""
    rows = [{"probe_id": f"{i:02d}", "key": f"{i}", "accessory": "x"} for i in range(40)]
    path = tmp_path / "many.parquet"
    save_table(path, pa.Table.from_pylist(rows, PROBES), PROBES)
    broken = Painter(broken={str(i) for i in range(10, 40)})
    with pytest.raises(ModelError, match=r"no picture of 20 probes in a row .* no 29 today"):
        make(path, tmp_path / "images", broken, retries=0, batch_size=1)
    assert len(list((tmp_path / "images").rglob("*.png"))) == 30
    found, painter = make(path, tmp_path / "images", retries=0)
    assert (found.n, len(painter.asked)) == (120, 90)
    bad = {image_seed(0, f"{i:02d}", number) for i in range(10, 40) for number in range(3)}
    found, _ = make(path, tmp_path / "refused", Painter(bad_seeds=bad), retries=0)
    assert (found.n, len(found.failures)) == (30, 90)


def test_errors_of_ours_end_a_run_that_can_go_on(probes: Path, tmp_path: Path) -> None:
    """They are no failures of a picture; what is made stays."""

    class Careful(Painter):
        def generate(self, requests: Sequence[ImageRequest]) -> list[Image.Image | Refused]:
            if requests[0].key == "car":
                raise ConceptStatsError("the disk is full.")
            return super().generate(requests)

    with pytest.raises(ConceptStatsError, match="disk"):
        make(probes, tmp_path / "images", Careful())
    _, painter = make(probes, tmp_path / "images")
    assert len(painter.asked) == 9


def test_batches_of_one_call(probes: Path, tmp_path: Path) -> None:
    """All calls have the same size, of the same pictures, in shares and when a run goes on."""
    make(probes, tmp_path / "one", per_probe=2, batched=True, batch_size=4)
    _, painter = make(probes, tmp_path / "again", per_probe=2, batched=True, batch_size=4)
    calls = [[request.seed for request in call] for call in painter.asked]
    assert [len(call) for call in calls] == [4, 4, 4]
    assert calls[2][1] == calls[2][2] == calls[2][3]
    asked = []
    for index in range(2):
        options: dict[str, Any] = {"shard": Shard(index, 2), "per_probe": 2, "batch_size": 4}
        _, painter = make(probes, tmp_path / "two", batched=True, **options)
        asked += [[request.seed for request in call] for call in painter.asked]
    assert sorted(asked) == sorted(calls)
    assert_same(tmp_path / "one", tmp_path / "two")
    output = tmp_path / "three"
    with pytest.raises(KeyboardInterrupt):
        make(probes, output, Painter(stops_after=1), per_probe=2, batched=True, batch_size=4)
    (output / "bus-sun" / "0000.png").unlink()
    _, painter = make(probes, output, per_probe=2, batched=True, batch_size=4)
    assert [[request.seed for request in call] for call in painter.asked] == calls
    assert_same(tmp_path / "one", output)
