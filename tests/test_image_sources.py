"""Images are found in tables, folders and shards, and read as they should look."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
import webdataset
from PIL import Image
from webdataset.tariterators import group_by_keys, tar_file_expander

from conceptstats.errors import ConceptStatsError, ParameterError, SourceError, TableError
from conceptstats.eval.zeroshot.classes import (
    class_indices,
    near,
    read_classes,
    read_templates,
    tell_classes,
)
from conceptstats.eval.zeroshot.image_reading import read_blocks
from conceptstats.eval.zeroshot.image_sources import Place, find_images
from conceptstats.table_files import save_table
from conceptstats.tables import IMAGES


def picture(value: int = 0, size: tuple[int, int] = (4, 4)) -> Image.Image:
    """A picture of one colour."""
    return Image.new("RGB", size, (value, 10, 20))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The file of a picture."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def as_tensor(image: Image.Image) -> torch.Tensor:
    """Pixels, as the simplest preparation there is."""
    return torch.from_numpy(np.array(image))


def first_values(places: list[Place], **options: Any) -> list[int | None]:
    """The red of each picture's first pixel; None where it cannot be read."""
    values: list[int | None] = []
    for block in read_blocks(places, as_tensor, slots=2, **options):
        for slot, problem in enumerate(block.problems):
            known = problem is None and block.pixels is not None
            values.append(int(block.pixels[slot, 0, 0, 0]) if known else None)
    return values


def write_table(folder: Path, ending: str = ".parquet", **columns: Any) -> Path:
    """An images table of three pictures, whose red is 0, 1 and 2."""
    (folder / "pictures").mkdir(parents=True)
    for number in range(3):
        picture(number).save(folder / "pictures" / f"{number}.png")
    table = {
        "image_id": ["a", "b", "c"],
        "path": [f"pictures/{number}.png" for number in range(3)],
        "target": ["cat", "1", "cat"],
    }
    path = folder / f"images{ending}"
    save_table(path, pa.table(table | columns), IMAGES)
    return path


def write_shard(path: Path, samples: list[dict[str, Any]]) -> Path:
    """A shard, as webdataset writes it."""
    with webdataset.TarWriter(str(path)) as tar:
        for sample in samples:
            tar.write(sample)
    return path


def sample(number: int, **members: Any) -> dict[str, Any]:
    """A sample of a shard, whose picture's red is its number."""
    return {"__key__": f"{number:04d}", "png": encoded(picture(number)), **members}


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_a_table_gives_ids_targets_and_paths_beside_it(tmp_path: Path, ending: str) -> None:
    """Paths start at the folder of the table."""
    found = find_images(write_table(tmp_path, ending))
    assert (found.ids, found.targets) == (["a", "b", "c"], ["cat", "1", "cat"])
    assert first_values(found.places) == [0, 1, 2]
    assert [path for path, _ in found.inputs] == [str(tmp_path / f"images{ending}")]


def test_another_column_of_a_table_holds_the_target(tmp_path: Path) -> None:
    """Numbers in it are indices of classes."""
    path = write_table(tmp_path, class_index=pa.array([2, 0, 1]))
    assert find_images(path, "class_index").targets == ["2", "0", "1"]
    with pytest.raises(TableError, match="no column 'klass'"):
        find_images(path, "klass")


def test_a_table_without_targets_is_refused(tmp_path: Path) -> None:
    """The first image that has none is named."""
    path = write_table(tmp_path, target=pa.array(["cat", None, None]))
    with pytest.raises(SourceError, match="2 images have no 'target', the first of them b"):
        find_images(path)


def test_a_folder_gives_its_subfolders_as_targets(tmp_path: Path) -> None:
    """Images in folders below count; what is hidden does not; the rest is told."""
    for name in ("tabby cat/1.png", "tabby cat/more/0.JPG", "dog/x.png", "dog/.hidden.png",
                 "dog/.old/x.png", ".cache/y.png", "dog/notes.txt", "sheet.png"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture(3).save(tmp_path / name, "PNG") if "notes" not in name else (
            tmp_path / name
        ).write_text("a note")
    found = find_images(tmp_path)
    assert found.ids == ["dog/x.png", "tabby cat/1.png", "tabby cat/more/0.JPG"]
    assert found.targets == ["dog", "tabby cat", "tabby cat"]
    assert found.subfolders == ("dog", "tabby cat")
    assert found.notes == (f"{tmp_path}: 2 files are in no subfolder, or no images, and are "
                           "ignored",)  # fmt: skip
    assert first_values(found.places) == [3, 3, 3]


def test_a_folder_that_holds_something_else_says_what_to_name(tmp_path: Path) -> None:
    """A table or shards in a folder are hinted at."""
    picture().save(tmp_path / "a.png")
    with pytest.raises(SourceError, match="no subfolder"):
        find_images(tmp_path)
    write_shard(tmp_path / "0.tar", [sample(0, cls="1")])
    with pytest.raises(SourceError, match=r"\*\.tar"):
        find_images(tmp_path)
    (tmp_path / "images.csv").touch()
    with pytest.raises(SourceError, match=r"images\.csv"):
        find_images(tmp_path)
    with pytest.raises(ParameterError, match="leave out the key"):
        find_images(tmp_path, "target")


@pytest.mark.parametrize(
    "name", ["shard-{00..02}.tar", "shard-*.tar", ["shard-00.tar", "shard-01.tar", "shard-02.tar"]]
)
def test_shards_are_named_by_braces_globs_or_one_by_one(
    tmp_path: Path, name: str | list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samples come in the order of the shards, and their keys are ids."""
    monkeypatch.chdir(tmp_path)
    for shard in range(3):
        numbers = (2 * shard, 2 * shard + 1)
        samples = [sample(number, cls=number % 2) for number in numbers]
        write_shard(tmp_path / f"shard-{shard:02d}.tar", samples)
    found = find_images(name)
    assert found.ids == [f"{number:04d}" for number in range(6)]
    assert found.targets == ["0", "1"] * 3
    assert first_values(found.places) == list(range(6))


def test_webdataset_reads_the_same_samples(tmp_path: Path) -> None:
    """Keys, bytes and classes are those that webdataset itself reads, also in folders."""
    samples = [
        {"__key__": f"sub.dir/{number}", "jpg": encoded(picture(number), "JPEG"), "cls": number}
        for number in range(5)
    ]
    path = write_shard(tmp_path / "a.tar", samples)
    with path.open("rb") as file:
        theirs = list(group_by_keys(tar_file_expander([{"url": "a", "stream": file}])))
    found = find_images(path)
    assert found.ids == [one["__key__"] for one in theirs]
    assert found.targets == [one["cls"].decode() for one in theirs]
    for place, one in zip(found.places, theirs, strict=True):
        assert path.read_bytes()[place.offset : place.offset + place.size] == one["jpg"]


def test_the_target_of_a_sample_is_found_in_its_order(tmp_path: Path) -> None:
    """.cls goes first, then the usual fields; a key that is the name of the sample is none."""
    fields = [{"cls": "7", "json": {"target": "no"}}, {"json": {"label": 3, "class": "dog"}},
              {"json": {"key": "0002", "label": 3}}, {"json": {"key": "cat"}}]  # fmt: skip
    samples = [sample(number, **members) for number, members in enumerate(fields)]
    path = write_shard(tmp_path / "a.tar", samples)
    assert find_images(path).targets == ["7", "dog", "3", "cat"]
    path = write_shard(tmp_path / "b.tar", [sample(0, cls="7", json={"wnid": "cat"})])
    assert find_images(path, "wnid").targets == ["cat"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "sample 0000 has no target, expected a .cls or target or .* has no .json"),
        ({"json": {"key": "0000", "x": 1}}, r"has no target.*fields of its .json: key, x"),
        ({"json": {"target": True}}, "has no target"),
        ({"json": b"{"}, "the .json is damaged"),
        ({"json": [1]}, "holds no object"),
        ({"cls": " "}, "the .cls is empty"),
        ({"cls": "1", "jpg": b"x"}, "several images: 0000.jpg and 0000.png"),
    ],
)
def test_samples_without_a_clear_target_are_refused(
    tmp_path: Path, members: dict[str, Any], message: str
) -> None:
    """The shard and the sample are named."""
    path = write_shard(tmp_path / "a.tar", [sample(0, **members)])
    with pytest.raises(SourceError, match=message):
        find_images(path)


def test_samples_without_an_image_are_told(tmp_path: Path) -> None:
    """They are left out, and a note says how many."""
    path = write_shard(tmp_path / "a.tar", [sample(0, cls="1"), {"__key__": "x", "cls": "1"}])
    found = find_images(path)
    assert found.ids == ["0000"]
    assert found.notes == ("1 samples hold no image, and are ignored",)


def test_a_shard_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    """Cut inside a member, between members, or no tar file at all."""
    path = write_shard(tmp_path / "a.tar", [sample(number, cls="1") for number in range(3)])
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0"))
    cuts = {"inside": end - 600, "between": -(-end // 512) * 512, "empty": 0}
    for name, size in cuts.items():
        (tmp_path / f"{name}.tar").write_bytes(whole[:size])
        with pytest.raises(SourceError, match="missing or damaged"):
            find_images(tmp_path / f"{name}.tar")
    (tmp_path / "b.tar").write_bytes(b"x" * 2000)
    with pytest.raises(SourceError, match="missing or damaged"):
        find_images(tmp_path / "b.tar")


def test_an_id_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """Both places are named."""
    one = write_shard(tmp_path / "a.tar", [sample(0, cls="1")])
    other = write_shard(tmp_path / "b.tar", [sample(0, cls="1")])
    with pytest.raises(SourceError, match=r"the id '0000': .*a\.tar and .*b\.tar"):
        find_images([one, other])


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ("none.tar", "no such file or folder"),
        ("none-*.tar", "matches no file"),
        ("shard-{00..01}.tar", "no such file, though"),
        (["some.txt", "images.csv"], "no shard"),
    ],
)
def test_places_that_are_none_are_refused(
    tmp_path: Path, places: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing or of another kind is named."""
    monkeypatch.chdir(tmp_path)
    for name in ("some.txt", "images.csv", "shard-00.tar"):
        (tmp_path / name).touch()
    with pytest.raises(ConceptStatsError, match=message):
        find_images(places)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    """There is nothing to evaluate."""
    (tmp_path / "cat").mkdir()
    with pytest.raises(SourceError, match="holds no image"):
        find_images(tmp_path)


def test_a_name_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    """It could not be written into a table."""
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / os.fsdecode(b"\xff.png")).touch()
    with pytest.raises(SourceError, match="is no UTF-8"):
        find_images(tmp_path)


def test_the_stamp_changes_with_an_image(tmp_path: Path) -> None:
    """Also when a picture is replaced by one of the same size, or is removed."""
    path = write_table(tmp_path)
    first = find_images(path).stamp()
    assert find_images(path).stamp() == first
    changed = tmp_path / "pictures" / "0.png"
    os.utime(changed, ns=(1, 1))
    second = find_images(path).stamp()
    changed.unlink()
    assert len({first, second, find_images(path).stamp()}) == 3


def test_what_cannot_be_prepared_is_told_too(tmp_path: Path) -> None:
    """A picture too narrow to be scaled, say, does not end the run."""
    for name, height in (("a", 4), ("b", 1)):
        (tmp_path / name).write_bytes(encoded(picture(9, (4, height))))

    def prepare(image: Image.Image) -> torch.Tensor:
        if image.height == 1:
            raise ValueError("too narrow")
        return as_tensor(image)

    (block,) = read_blocks([Place(str(tmp_path / name)) for name in "ab"], prepare, slots=2)
    assert block.problems == [None, "ValueError: too narrow"]
    assert None not in block.sha256
    assert block.pixels is not None
    assert block.pixels[0, 0, 0, 0] == 9


@pytest.mark.parametrize("workers", [0, 2])
# Python warns of the fork by which torch starts its workers, from 3.12 on.
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_what_cannot_be_read_is_told_in_its_place(tmp_path: Path, workers: int) -> None:
    """Missing, cut and foreign files leave the others as they are, in any process."""
    good = encoded(picture(9, (64, 64)))
    for name, data in {"a": good, "b": good[:-40], "c": b"text", "e": good}.items():
        (tmp_path / name).write_bytes(data)
    places = [Place(str(tmp_path / name)) for name in "abcde"]
    found = list(read_blocks(places, as_tensor, slots=2, workers=workers))
    problems = [problem or "" for block in found for problem in block.problems]
    assert [bool(problem) for problem in problems] == [False, True, True, True, False]
    assert "truncated" in problems[1]
    assert "UnidentifiedImageError" in problems[2]
    assert problems[3] == "No such file or directory"
    assert found[0].sha256[0] == found[2].sha256[0]
    assert found[1].sha256[1] is None
    assert found[1].pixels is None
    assert found[2].pixels is not None
    assert found[2].pixels[1].sum() == 0  # a slot without image
    for size in (None, 1, 2, 3, 7):
        values = first_values(places, batch_size=size, workers=workers)
        assert values == [9, None, None, None, 9]


NAMES = ["tench", "missile", "sports car", "missile", "7"]


def test_targets_are_names_or_indices() -> None:
    """A name goes before an index, underscores stand for blanks, the first of twins for both."""
    targets = ["sports_car", "0", "000", "7", "4", "tench", "sports car", "1", "3", "missile"]
    assert class_indices(targets, targets, NAMES) == [2, 0, 0, 4, 4, 0, 2, 1, 3, 1]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("sports car", "x: 2 classes are called 'sports car': 2, 5. Hint: .*indices"),
        ("tenches", "no class is called 'tenches'. Hint: did you mean tench?"),
        ("zzz", "Hint: classes: tench, missile, sports car, 7"),
        ("6", "no class 6; they go from 0 to 5"),
        ("-1", "no class is called '-1'"),
    ],
)
def test_targets_that_name_no_class_or_several_are_refused(target: str, message: str) -> None:
    """The example is named, and classes that are spelt like the target."""
    with pytest.raises(SourceError, match=message):
        class_indices([target], ["x"], [*NAMES, "sports_car"])


def test_wordnet_ids_stand_in_the_order_of_the_classes() -> None:
    """As in ImageNet; only when there is one for every class."""
    names = ["goldfish", "tench"]
    assert class_indices(["n02", "n01"], ["x", "y"], ["n01", "n02"]) == [1, 0]
    assert class_indices(["n01443537", "n01440764"] * 2, list("wxyz"), names) == [1, 0, 1, 0]
    message = r"x: no class is called 'n01443537', and the order of 1 WordNet ids does not tell "
    with pytest.raises(SourceError, match=rf"{message}which of 2 .*\(n01440764 tench\)"):
        class_indices(["n01443537", "tench"], ["x", "y"], names)
    with pytest.raises(SourceError, match="called 'n01443537', and none of 1 has this WordNet id"):
        class_indices(["n01443537"], ["x"], names[1:], ["n01440764"])


def test_ids_in_front_of_names_tell_the_classes_of_some_folders(tmp_path: Path) -> None:
    """As ImageNet's own list has them; ids in another order, as many as classes, are no order."""
    for name in ("n01443537", "n02012849", "tench"):
        (tmp_path / "images" / name).mkdir(parents=True)
        picture().save(tmp_path / "images" / name / "0.png")
    found = find_images(tmp_path / "images")
    with pytest.raises(SourceError, match="order of 2 WordNet ids does not tell which of 1,000"):
        tell_classes(found, "imagenet")
    path = tmp_path / "mapping.txt"
    path.write_text("n03126707 crane\nn02012849 crane bird\nn01443537 goldfish, Carassius auratus"
                    "\nn01440764 tench, Tinca tinca\n", encoding="utf-8")  # fmt: skip
    told = tell_classes(found, path)
    assert told.names == read_classes(path, None) == ("crane", "crane bird", "goldfish", "tench")
    assert (told.places.tolist(), told.notes) == ([2, 1, 3], ())
    path.write_text("n02012849 crane bird\nn01443537 goldfish\n", encoding="utf-8")
    (tmp_path / "images" / "tench" / "0.png").unlink()
    told = tell_classes(find_images(tmp_path / "images"), path)
    assert (told.places.tolist(), told.notes) == ([1, 0], ())


def test_what_is_not_alike_is_no_suggestion() -> None:
    """Case counts for nothing; with nothing like the word, some of the words are named."""
    from open_clip import IMAGENET_CLASSNAMES

    hint = near("horned viper", IMAGENET_CLASSNAMES, "classes")
    assert hint == "did you mean Saharan horned viper?"
    assert near("Tabby Cat", IMAGENET_CLASSNAMES, "classes") == "did you mean tabby cat?"
    hint = near("quokka", IMAGENET_CLASSNAMES, "classes") or ""
    assert hint.startswith("classes: tench, goldfish,")


def test_classes_come_from_a_list_a_file_or_folders(tmp_path: Path) -> None:
    """And from open_clip, for ImageNet."""
    path = tmp_path / "classes.txt"
    path.write_text("tench\n great white shark \n\n", encoding="utf-8")
    assert read_classes(path, None) == ("tench", "great white shark")
    assert read_classes(str(path), ("x",)) == ("tench", "great white shark")
    assert read_classes("dog, hot dog", None) == ("dog", "hot dog")
    assert len(read_classes(",".join(f"class {n}" for n in range(900)), None)) == 900
    assert read_classes(["a", "b"], None) == ("a", "b")
    assert read_classes(None, ("hot_dog", "mug")) == ("hot dog", "mug")
    imagenet = read_classes("imagenet", None)
    assert (len(imagenet), imagenet[0], imagenet.count("missile")) == (1000, "tench", 2)


@pytest.mark.parametrize(
    ("classes", "subfolders", "message"),
    [
        (None, None, "no classes are given"),
        (None, ("000", "001"), "numbers of classes, no names"),
        (None, ("n01440764", "n01443537"), "numbers of classes, no names"),
        ("none.txt", None, "no such file"),
        (["a"], None, "1 class is given"),
        ("a,,b", None, "class 1 has an empty name"),
    ],
)
def test_classes_that_cannot_be_told_are_refused(
    classes: Any, subfolders: Any, message: str
) -> None:
    """What is missing is said."""
    with pytest.raises(ParameterError, match=message):
        read_classes(classes, subfolders)


def test_templates_come_from_a_name_a_file_or_a_text(tmp_path: Path) -> None:
    """The two sets of open_clip are 80 and 7 templates."""
    path = tmp_path / "templates.txt"
    path.write_text("a {}.\nthe {}\n", encoding="utf-8")
    assert read_templates(path) == ("a {}.", "the {}")
    assert read_templates("a photo of a {}.") == ("a photo of a {}.",)
    assert read_templates(["{}"]) == ("{}",)
    assert len(read_templates("simple")) == 7
    assert read_templates("openai")[0] == "a bad photo of a {}."
    assert len(set(read_templates("openai"))) == 80


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ("none.txt", "no such file"),
        (["a photo"], "has no {} where"),
        ([], "holds no template"),
    ],
)
def test_templates_without_a_place_for_the_class_are_refused(templates: Any, message: str) -> None:
    """Every prompt would be the same."""
    with pytest.raises(ParameterError, match=message):
        read_templates(templates)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A list of classes is UTF-8."""
    (tmp_path / "a").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ParameterError, match="cannot be read as UTF-8"):
        read_classes(tmp_path / "a", None)


def test_json_of_a_sample_is_written_as_webdataset_does(tmp_path: Path) -> None:
    """A shard made by hand, with tarfile alone, reads the same as one of webdataset."""
    import tarfile

    path = tmp_path / "a.tar"
    members = {"x.png": encoded(picture(4)), "x.json": json.dumps({"class": "dog"}).encode()}
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    found = find_images(path)
    assert (found.ids, found.targets, first_values(found.places)) == (["./x"], ["dog"], [4])
