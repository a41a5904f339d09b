"""Manifests: those that are shipped hold to the rules, and a wrong one gives its error."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from conceptstats.errors import ManifestError
from conceptstats.manifests.manifest import (
    UNKNOWN,
    Manifest,
    load_manifest,
    parse_manifest,
    shipped_names,
)

SMALL = """
name = "small"
title = "Two files"
kind = "captions"
homepage = "https://example.org/small"
licence = "CC0"
access = "open"
citation = "unknown"
rows = 3

[[files]]
path = "part-{08..10}.tsv"
url = "https://example.org/part-{08..10}.tsv"
bytes = 7
header = false

[[columns]]
name = "caption"
type = "string"
meaning = "alt-text"
files = ["part-0*"]
"""
WANTED = {
    "laion-400m", "relaion-400m", "relaion-2b-en-research", "relaion-2b-en-research-safe", "cc3m",
    "cc12m", "yfcc15m", "genpairs", "imagenet-paste", "textvqa", "vqav2", "gqa", "pope", "coco",
    "clip-vit-b-32-quickgelu-laion400m-e31", "clip-vit-b-16-plus-240-laion400m-e32",
    "clip-vit-l-14-laion400m-e32", "clip-eva01-g-14-laion400m-s11b-b41k",
}  # fmt: skip


@pytest.fixture(params=shipped_names())
def shipped(request: pytest.FixtureRequest) -> Manifest:
    """Each manifest that comes with the package; its name is that of its file."""
    manifest = load_manifest(request.param)
    assert manifest.name == request.param
    return manifest


def test_all_data_of_the_papers_have_a_manifest() -> None:
    """Every data set and model that the two papers use, and no other."""
    assert set(shipped_names()) == WANTED


def test_shipped_manifest_says_what_it_is(shipped: Manifest) -> None:
    """The kind is known, and facts have their sources."""
    assert shipped.kind != UNKNOWN
    assert shipped.access != UNKNOWN
    assert shipped.sources
    assert shipped.citation != UNKNOWN
    assert re.search(r"arXiv \d{4}\.\d{4,5}|doi 10\.", shipped.citation) or "laion" in shipped.name
    assert shipped.columns or shipped.kind in ("images", "model")


def test_shipped_manifest_has_no_guesses(shipped: Manifest) -> None:
    """Addresses are https or on the hub, totals are sums, and each file has a place."""
    urls = [shipped.homepage, *(source.url for source in shipped.sources)]
    urls += [file.url for file in shipped.files if file.url]
    assert all(url.startswith("https://") for url in urls)
    for file in shipped.files:
        assert (file.url is None) != (file.hub is None), file.path
        if file.hub:
            assert re.fullmatch(r"(datasets/)?[\w.-]+/[\w.-]+", file.hub)
        assert file.bytes is None or file.bytes > 0
    rows = [file.rows for file in shipped.files if file.path.startswith("v2_Q")] or [
        file.rows for file in shipped.files if not file.path.endswith("images.zip")
    ]
    if None not in rows:
        assert shipped.rows == sum(row for row in rows if row is not None)


def test_shipped_manifest_tells_what_to_do(shipped: Manifest) -> None:
    """What is withdrawn names what replaces it, and that is there to be fetched."""
    if shipped.access == "withdrawn":
        assert shipped.replaced_by
        assert load_manifest(shipped.replaced_by).access != "withdrawn"
    if shipped.access == "licence":
        assert shipped.terms
        assert "https://" in shipped.terms


def test_shipped_manifests_have_no_empty_texts() -> None:
    """Not even in TOML: what is not known is the word unknown."""
    for name in shipped_names():
        text = (files("conceptstats.data_manifests") / f"{name}.toml").read_text(encoding="utf-8")
        assert not re.search(r'= ""(?!")', text), name
        assert not re.search(r"TODO|FIXME|\?\?", text), name


def test_a_range_stands_for_its_files() -> None:
    """part-{08..10} is three files, their numbers as wide as the first."""
    manifest = parse_manifest(SMALL, "small.toml")
    assert [file.path for file in manifest.files] == [
        "part-08.tsv", "part-09.tsv", "part-10.tsv"
    ]  # fmt: skip
    assert manifest.files[2].url == "https://example.org/part-10.tsv"
    assert (manifest.n_files, manifest.bytes, manifest.rows) == (3, 21, 3)
    assert [column.name for column in manifest.columns_of("part-08.tsv")] == ["caption"]
    assert manifest.columns_of("part-10.tsv") == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "captions"', 'kind = "music"', "kind is 'music', expected captions, questions"),
        ('licence = "CC0"', 'licence = ""', "licence is '', expected a text"),
        ('licence = "CC0"', "", "licence is missing"),
        ('licence = "CC0"', 'license = "CC0"', "no key 'license' is known"),
        ('access = "open"', 'access = "licence"', "terms must say what to do"),
        ("https://example.org/small", "example.org", "homepage is 'example.org'"),
        ("bytes = 7", "bytes = -7", "bytes is -7, expected a number or 'unknown'"),
        ("bytes = 7", "bytes = true", "bytes is True"),
        ("bytes = 7", 'sha256 = "abc"', "sha256 is 'abc', expected 64 digits"),
        ("bytes = 7", 'sha256_prefix = "ABCDEF01"', "expected 8 to 63 digits 0-9a-f"),
        ("bytes = 7", f'md5 = "{"0" * 32}"\nsha256 = "{"0" * 64}"', "one hash is expected"),
        ("header = false", 'header = "no"', "header is 'no', expected true or false"),
        ("header = false", 'format = "xlsx"', "format is 'xlsx', expected parquet"),
        ("part-{08..10}.tsv", "../x.tsv", "below the folder"),
        ("part-{08..10}.tsv", "*.tsv", "a pattern is for names on a hub"),
        ('files = ["part-0*"]', "files = [1]", "files is [1], expected a list of texts"),
        ("[[columns]]", "[columns]", "columns must be written as [[columns]]"),
        ("rows = 3", "rows =", "is no TOML"),
        ("[[columns]]", '[[files]]\npath = "part-09.tsv"\n[[columns]]', "called part-09.tsv"),
    ],
)
def test_a_wrong_manifest_gives_its_error(old: str, new: str, message: str) -> None:
    """What is wrong, where, and what was expected."""
    assert old in SMALL
    with pytest.raises(ManifestError, match=re.escape(message)):
        parse_manifest(SMALL.replace(old, new, 1), "small.toml")


def test_unknown_name_lists_the_names(tmp_path: Path) -> None:
    """A name without manifest is an error that says which there are; so is a missing file."""
    with pytest.raises(ManifestError, match=r"no manifest is called 'imagenet' .*cc12m"):
        load_manifest("imagenet")
    with pytest.raises(ManifestError, match="cannot be read: No such file"):
        load_manifest(str(tmp_path / "mine.toml"))
