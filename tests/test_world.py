"""Worlds: their joint table, the PMI that it means, and their files."""

from __future__ import annotations

import io
import json
import math
import re
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

from conceptstats import CaptionIndex, build_index
from conceptstats.cli import cli
from conceptstats.errors import (
    OutputExistsError,
    ParameterError,
    TableError,
    UnknownConceptError,
)
from conceptstats.synth import world_files
from conceptstats.synth.cli import synth_group
from conceptstats.synth.sprites import ACCESSORIES, KEYS
from conceptstats.synth.world import (
    World,
    draw_pictures,
    joint_as_table,
    joint_table,
    read_world,
    true_pmi,
    world_from,
)
from conceptstats.synth.world_files import load_world, write_world
from conceptstats.table_files import load_table
from conceptstats.tables import JOINT

BOTH, ONE = ("a {key} with {accessory}",), ("just {concept}",)


def small(**changes: Any) -> World:
    """A world of 5 keys and 6 accessories, of which pictures are drawn quickly."""
    settings = {
        "keys": 5,
        "accessories": 6,
        "n": 30,
        "zipf": 0.5,
        "association": 3.0,
        "associated": 1.0,
        "empty": 0.1,
        "named_one": 0.4,
        "size": 16,
        "both_templates": BOTH,
        "one_templates": ONE,
        "seed": 3,
    }
    return world_from(settings | changes)


def files_of(folder: Path) -> dict[str, bytes]:
    """Bytes of every file, by relative path."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def interaction(joint: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What of the logarithms rows and columns do not explain: the odds ratios."""
    logs = np.log(joint)
    means: npt.NDArray[np.float64] = logs - logs.mean(0) - logs.mean(1, keepdims=True) + logs.mean()
    return means


@pytest.mark.parametrize("zipf", [0.0, 0.7, 2.0])
@pytest.mark.parametrize(("association", "empty"), [(0, 0), (0, 0.2), (3.0, 0), (4.0, 0.1)])
def test_marginals_follow_zipf(zipf: float, association: float, empty: float) -> None:
    """The weight of rank r is r ** -zipf to 1e-9, whatever the association; empties are counted."""
    world = small(keys=8, accessories=10, zipf=zipf, association=association, empty=empty)
    joint = joint_table(world)
    for axis, size in ((1, 8), (0, 10)):
        weights = np.arange(1.0, size + 1) ** -zipf
        found = np.sort(joint.sum(axis))[::-1]
        assert found == pytest.approx(weights / weights.sum(), abs=1e-9)
    assert (joint == 0).sum() == round(empty * joint.size)
    assert joint.sum() == pytest.approx(1, abs=1e-12)


def test_worlds_share_marginals_and_differ_in_association() -> None:
    """Reversed: each odds ratio becomes its inverse, and the concepts are as common as before."""
    main = joint_table(small(empty=0.0))
    opposite = joint_table(small(empty=0.0, reverse=True))
    for axis in (0, 1):
        assert opposite.sum(axis) == pytest.approx(main.sum(axis), abs=1e-9)
    assert interaction(opposite) == pytest.approx(-interaction(main), abs=1e-8)
    assert interaction(main).std() > 0.5
    stronger = joint_table(small(empty=0.0, association=6.0))
    assert interaction(stronger) == pytest.approx(2 * interaction(main), abs=1e-8)


def test_the_empty_pairs_are_those_of_least_weight() -> None:
    """They have the lowest odds of a world without empty pairs; reversed, the highest."""
    weights = interaction(joint_table(small(empty=0.0, zipf=0.0)))
    empty = joint_table(small(empty=0.1)) == 0
    reverse = joint_table(small(empty=0.1, reverse=True)) == 0
    assert empty.sum() == reverse.sum() == 3
    assert not (empty & reverse).any()
    assert weights[empty].mean() < -0.5
    assert weights[reverse].mean() > 0.5


def test_without_association_key_and_accessory_are_independent() -> None:
    """Exactly: the table is the product of its marginals, and every PMI the same."""
    joint = joint_table(small(association=0.0, empty=0.0))
    assert joint == pytest.approx(np.outer(joint.sum(1), joint.sum(0)), abs=1e-15)
    assert np.ptp(true_pmi(joint, 0.4)) < 1e-12
    assert true_pmi(joint, 0.0) == pytest.approx(0, abs=1e-12)


def test_pmi_by_hand() -> None:
    """PMI over captions, of which half name one of the two only.

    Pictures: p(k1, a1) = 0.4, p(k1) = 0.5, p(a1) = 0.6. A caption names both in 0.5 of cases, the
    key alone in 0.25, the accessory alone in 0.25. So

        p(k1 and a1 named) = 0.5 * 0.4  = 0.2
        p(k1 named)        = 0.75 * 0.5 = 0.375
        p(a1 named)        = 0.75 * 0.6 = 0.45
        PMI = ln(0.2 / (0.375 * 0.45)) = ln(1.185185...) = 0.169899
    """
    joint = np.array([[0.4, 0.1, 0.0], [0.2, 0.1, 0.2]])
    pmi = true_pmi(joint, 0.5)
    assert pmi[0, 0] == pytest.approx(0.169899, abs=1e-6)
    assert pmi[0, 2] == -np.inf
    assert np.isneginf(true_pmi(joint, 1.0)).all()


def test_the_truth_as_a_table() -> None:
    """Each pair once, with its probabilities, its PMI, and -inf where it is empty."""
    world = small()
    joint = joint_table(world)
    rows = joint_as_table(world).to_pylist()
    assert len(rows) == 30
    for row in rows:
        k, a = world.keys.index(row["key"]), world.accessories.index(row["accessory"])
        assert row["p"] == joint[k, a]
        assert row["p_key"] == pytest.approx(joint[k].sum())
        assert row["p_accessory"] == pytest.approx(joint[:, a].sum())
        assert math.isinf(row["pmi"]) == (joint[k, a] == 0)


def test_captions_name_what_the_picture_shows() -> None:
    """Both, or one of the two, in the shares that were asked for; empty pairs never."""
    world = small(n=5000)
    drawn = draw_pictures(world)
    forms: Counter[str] = Counter()
    for k, a, caption in zip(drawn.key, drawn.accessory, drawn.captions, strict=True):
        key, accessory = world.keys[k], world.accessories[a]
        said = {f"a {key} with {accessory}": "both", f"just {key}": "key",
                f"just {accessory}": "accessory"}  # fmt: skip
        forms[said[caption]] += 1
    # Three standard deviations of a share of 5,000 are 0.02 at most.
    shares = {form: n / 5000 for form, n in forms.items()}
    assert shares == pytest.approx({"both": 0.6, "key": 0.2, "accessory": 0.2}, abs=0.02)
    joint = joint_table(world)
    seen = np.zeros_like(joint)
    np.add.at(seen, (drawn.key, drawn.accessory), 1 / 5000)
    assert seen == pytest.approx(joint, abs=0.02)
    assert not seen[joint == 0].any()


def test_a_world_depends_on_its_settings_alone() -> None:
    """Drawn again it is the same; with another seed it is not; its pictures are in one order."""
    assert draw_pictures(small()).captions == draw_pictures(small()).captions
    assert draw_pictures(small()).captions != draw_pictures(small(seed=4)).captions
    assert draw_pictures(small(n=40)).captions[:30] != []
    assert world_from(json.loads(json.dumps(small().to_json()))) == small()


def test_the_index_recovers_the_pmi(tmp_path: Path) -> None:
    """Counted by an index over 20,000 captions, PMI goes with the truth with r above 0.99."""
    settings = {"keys": 8, "accessories": 9, "n": 20_000, "association": 3.0, "named_one": 0.3}
    world = world_from(settings | {"associated": 1.0, "zipf": 0.3, "empty": 0.05, "seed": 1})
    folder = write_world(world, tmp_path / "world", pictures=0)
    index = CaptionIndex.open(build_index(folder / "captions.parquet", tmp_path / "index"))
    assert index.n == 20_000
    found = []
    for row in load_table(folder / "joint.parquet", JOINT).to_pylist():
        pair = index.pmi(row["key"], row["accessory"])
        if math.isinf(row["pmi"]):
            assert pair.n_ab == 0
        elif pair.n_ab >= 30:
            found.append((pair.pmi, row["pmi"]))
    assert len(found) > 50
    measured, true = np.array(found).T
    assert np.corrcoef(measured, true)[0, 1] > 0.99
    assert np.abs(measured - true).max() < 0.5


def test_captions_are_laid_out_as_laion(tmp_path: Path) -> None:
    """The columns of LAION-400M; an index finds captions and ids without being told where."""
    folder = write_world(small(), tmp_path / "world", pictures=0)
    table = pq.read_table(folder / "captions.parquet")
    assert table.column_names == [
        *("SAMPLE_ID", "URL", "TEXT", "HEIGHT", "WIDTH", "LICENSE", "NSFW", "similarity")
    ]
    index = CaptionIndex.open(build_index(folder / "captions.parquet", tmp_path / "index"))
    captions = table["TEXT"].to_pylist()
    key = small().keys[0]
    rows = [row for row, caption in enumerate(captions) if key in caption.split()]
    assert index.count(key) == len(rows) > 0
    assert [str(found.id) for found in index.find(key, k=100)] == list(map(str, rows))


@pytest.fixture
def two_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of 20 pictures, so that 30 make two."""
    monkeypatch.setattr(world_files, "_SHARD", 20)


@pytest.mark.usefixtures("two_shards")
def test_shards_hold_what_the_captions_say(tmp_path: Path) -> None:
    """A picture of the world's size for each row, at its URL, with its caption and its pair."""
    world = small()
    folder = write_world(world, tmp_path / "world")
    rows = pq.read_table(folder / "captions.parquet").to_pylist()
    drawn = draw_pictures(world)
    assert [row["TEXT"] for row in rows] == drawn.captions
    members: dict[str, bytes] = {}
    for shard in sorted((folder / "shards").iterdir()):
        with tarfile.open(shard) as archive:
            for member in archive:
                content = archive.extractfile(member)
                assert content is not None
                members[f"shards/{shard.name}/{member.name}"] = content.read()
    assert len(members) == 3 * len(rows) == 90
    for number, row in enumerate(rows):
        stem = row["URL"].removesuffix(".png")
        picture = Image.open(io.BytesIO(members[row["URL"]]))
        assert (picture.mode, picture.size) == ("RGB", (row["WIDTH"], row["HEIGHT"]))
        assert picture.size == (16, 16)
        assert members[f"{stem}.txt"].decode() == row["TEXT"]
        assert json.loads(members[f"{stem}.json"]) == {
            "key": f"{number:09d}",
            "caption": row["TEXT"],
            "target": world.keys[drawn.key[number]],
            "accessory": world.accessories[drawn.accessory[number]],
        }
    assert (folder / "keys.txt").read_text("utf-8").split() == list(world.keys)
    assert (folder / "accessories.txt").read_text("utf-8").split() == list(world.accessories)


@pytest.mark.usefixtures("two_shards")
def test_the_files_do_not_depend_on_the_workers(tmp_path: Path) -> None:
    """One process and two write the same bytes."""
    one = files_of(write_world(small(), tmp_path / "one", workers=1))
    assert files_of(write_world(small(), tmp_path / "two", workers=2)) == one
    assert {name for name in one if "/" in name} == {"shards/00000.tar", "shards/00001.tar"}


def test_worlds_of_one_seed_have_the_same_scenes(tmp_path: Path) -> None:
    """Where two worlds show the same pair at the same place, the picture is the same."""
    folders = [write_world(small(reverse=r), tmp_path / f"{r}") for r in (False, True)]
    drawn = [draw_pictures(small(reverse=r)) for r in (False, True)]
    pictures = []
    for folder in folders:
        with tarfile.open(folder / "shards" / "00000.tar") as archive:
            names = [name for name in archive.getnames() if name.endswith(".png")]
            pictures.append([archive.extractfile(name).read() for name in names])
    same_pair = (drawn[0].key == drawn[1].key) & (drawn[0].accessory == drawn[1].accessory)
    same_picture = [a == b for a, b in zip(*pictures, strict=True)]
    assert 0 < same_pair.sum() < 30
    assert same_picture == same_pair.tolist()


def test_a_world_is_read_back(tmp_path: Path) -> None:
    """Its settings as they were, with the versions that drew it."""
    folder = write_world(small(), tmp_path / "world", pictures=0)
    assert load_world(folder) == small()
    record = json.loads((folder / "world.json").read_text("utf-8"))
    assert record["seed"] == 3
    assert record["pictures"] == 0
    assert {"pillow", "webdataset"} < set(record["versions"])


@pytest.mark.parametrize("text", [None, "{", "[]", '{"arguments": 1}', '{"arguments": {"n": -1}}',
                                  '{"arguments": {"keys": ["ufo", "bus"]}}'])  # fmt: skip
def test_what_is_no_world(text: str | None, tmp_path: Path) -> None:
    """A folder without settings, or with others, is a clear error."""
    if text is not None:
        (tmp_path / "world.json").write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match="is no world"):
        load_world(tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"colour": 1},
        {"n": 0},
        {"n": 2.5},
        {"n": True},
        {"n": "many"},
        {"seed": -1},
        {"zipf": -0.1},
        {"zipf": math.nan},
        {"association": 1000},
        {"empty": 0.95},
        {"named_one": 1.5},
        {"reverse": 1},
        {"keys": 1},
        {"keys": len(KEYS) + 1},
        {"keys": "bus"},
        {"keys": [1, 2]},
        {"keys": ["bus", "bus"]},
        {"accessories": ["sun"]},
        {"accessories": len(ACCESSORIES) + 1},
        {"size": 3},
        {"size": 64.0},
        {"noise": 2},
        {"key_visibility": 1.1},
        {"accessory_visibility": "clear"},
        {"both_templates": []},
        {"both_templates": "a {key} with {accessory}"},
        {"both_templates": ["a {key}"]},
        {"both_templates": ["{key} {accessory} {place}"]},
        {"both_templates": ["{key} {accessory} {}"]},
        {"both_templates": ["{key} {accessory"]},
        {"one_templates": ["{concept.size}"]},
        {"one_templates": ["{concept[a]}"]},
        {"one_templates": ["{concept:d}"]},
        {"one_templates": ["{concept} under an Apple-tree"]},
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    """Unknown, of another type, out of range; templates that lack, add or name a concept."""
    with pytest.raises(ParameterError):
        small(**settings)


def test_concepts_without_a_drawing() -> None:
    """The error names them, and those that there are."""
    with pytest.raises(UnknownConceptError, match=r"no drawing of ufo.*anchor"):
        small(keys=["bus", "ufo"])


def test_too_many_empty_pairs() -> None:
    """No table of three by three with one filled pair has these marginals."""
    with pytest.raises(ParameterError, match="90% empty pairs"):
        joint_table(small(keys=3, accessories=3, empty=0.9))


@pytest.mark.parametrize("head", ["", "[world]\n"])
def test_settings_of_a_file(head: str, tmp_path: Path) -> None:
    """At the top or under [world]; options win; the rest are defaults."""
    path = tmp_path / "world.toml"
    path.write_text(f'{head}keys = ["bus", "car"]\naccessories = 4\nseed = 5\n', encoding="utf-8")
    expected = World(keys=("bus", "car"), accessories=ACCESSORIES[:4], seed=6, reverse=True)
    assert read_world(path, seed=6, reverse=True, n=None) == expected


@pytest.mark.parametrize("text", [None, "keys = ", "world = 3", "colour = 1", "\xff"])
def test_files_that_cannot_be_read(text: str | None, tmp_path: Path) -> None:
    """Missing, no TOML, of other settings, no UTF-8."""
    if text is not None:
        (tmp_path / "world.toml").write_text(text, encoding="latin-1")
    with pytest.raises(ParameterError):
        read_world(tmp_path / "world.toml")


def test_only_worlds_are_overwritten(tmp_path: Path) -> None:
    """A world is kept unless told otherwise; a folder that is none is kept in any case."""
    world = tmp_path / "world"
    write_world(small(), world, pictures=0)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        write_world(small(seed=4), world, pictures=0)
    assert load_world(world) == small()
    write_world(small(seed=4), world, pictures=0, overwrite=True)
    assert load_world(world) == small(seed=4)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").touch()
    with pytest.raises(OutputExistsError, match="not replaced"):
        write_world(small(), other, pictures=0, overwrite=True)
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]


def test_after_an_error_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither half a world, nor less than the world that was to be replaced."""
    write_world(small(), tmp_path / "old", pictures=0)
    before = files_of(tmp_path)

    def fail(image: Image.Image) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(world_files, "png_bytes", fail)
    for name in ("old", "new"):
        with pytest.raises(KeyboardInterrupt):
            write_world(small(seed=4), tmp_path / name, overwrite=True)
    assert files_of(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_command(tmp_path: Path) -> None:
    """`synth world` writes a world of a file and options, and says what is in it."""
    spec, output = tmp_path / "spec.toml", tmp_path / "world"
    spec.write_text("n = 50\nempty = 0.0\nkeys = 3\nsize = 16\n", encoding="utf-8")
    arguments = ["synth", "world", str(spec), "-o", str(output), "--n", "40", "--accessories", "4"]
    arguments += ["--reverse", "--named-one", "0.25", "--json", "--quiet", "--workers", "1"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["captions"], found["keys"], found["pairs"]) == (40, 3, 12)
    assert (found["settings"]["reverse"], found["settings"]["named_one"]) == (True, 0.25)
    assert load_world(output).to_json() == found["settings"]
    assert (output / "shards" / "00000.tar").is_file()
    done = CliRunner().invoke(cli, arguments)
    assert isinstance(done.exception, OutputExistsError)
    done = CliRunner().invoke(cli, [*arguments, "--overwrite", "--pictures", "0"])
    assert done.exit_code == 0
    assert not (output / "shards").exists()


def test_help_tells_the_defaults() -> None:
    """Those of `World`, in each option that has one."""
    command = synth_group.commands["world"]
    plain = World()
    for option in command.params:
        if not isinstance(option, click.Option) or option.name not in plain.to_json():
            continue
        value = getattr(plain, str(option.name))
        value = len(value) if isinstance(value, tuple) else value
        told = re.search(r"\[default: (.*)\]", option.help or "")
        if isinstance(value, bool):
            assert told is None
            assert not value
        else:
            assert told, option.name
            assert float(told[1].replace(",", "")) == value, option.name


def test_the_first_captions_have_the_pictures(tmp_path: Path) -> None:
    """A world with fewer pictures than captions has those of the whole world's first captions."""
    whole = write_world(small(), tmp_path / "whole", workers=1)
    part = write_world(small(), tmp_path / "part", pictures=7, workers=1)
    read = []
    for folder in (whole, part):
        with tarfile.open(folder / "shards" / "00000.tar") as archive:
            names = [name for name in archive.getnames() if name.endswith((".txt", ".png"))]
            read.append([archive.extractfile(name).read() for name in names])  # type: ignore[union-attr]
    assert len(read[1]) == 14
    assert read[1] == read[0][:14]
    captions = [pq.read_table(folder / "captions.parquet") for folder in (whole, part)]
    assert captions[0].equals(captions[1])
    with pytest.raises(ParameterError, match="pictures"):
        write_world(small(), tmp_path / "none", pictures=small().n + 1)
