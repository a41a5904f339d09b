"""The commands `conceptstats index ...`: parse, call, print. No logic."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conceptstats.options import (
    json_option,
    memory_option,
    overwrite_option,
    quiet_option,
    workers_option,
)
from conceptstats.printing import print_facts, print_json

if TYPE_CHECKING:
    from conceptstats.index.layout import Manifest
    from conceptstats.sources import Tags

_index_argument = click.argument("index", type=click.Path(path_type=Path))
_output_option = click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the index."
)


@click.group(name="index", epilog="Example: conceptstats index build captions.parquet -o IDX")
def index_group() -> None:
    """Build, inspect, check, merge and export caption indexes."""


@index_group.command(
    epilog="Example: conceptstats index build 'laion/*.parquet' coco.json -o IDX --dedup caption"
)
@click.argument("sources", nargs=-1, required=True)
@_output_option
@click.option(
    "--profile",
    type=click.Choice(["words", "paper", "nouns", "concepts", "tags"]),
    help="words: noun lemmas of all words. paper: the cleaning of arXiv 2507.08000 (NLTK). nouns: "
    "nouns by a spaCy pipeline. concepts: a given list. tags: whole tags. [default: words; tags "
    "with --tags-column]",
)
@click.option(
    "--concepts",
    type=click.Path(path_type=Path),
    help="List for profile concepts, or for tags: one a line, synonyms behind tabs; or JSON.",
)
@click.option(
    "--match",
    type=click.Choice(["longest", "all"]),
    help="Profile concepts: the longest phrase, or every phrase. [default: longest]",
)
@click.option(
    "--split",
    type=click.Choice(["words", "spaced"]),
    help="Profile concepts: tokens are lower-case words, or what stands between blanks as in "
    "MetaCLIP. [default: words]",
)
@click.option("--pipeline", help="Profile nouns: spaCy pipeline. [default: en_core_web_sm]")
@click.option("--caption-column", help="Column of the captions. [default: by name]")
@click.option(
    "--tags-column",
    help="Index the tags of images in this column, in place of captions: lists of texts, or texts "
    "with a separator ('line' is the column of a .txt file).",
)
@click.option(
    "--tag-scores", help="Column of the tags' scores: lists of numbers beside those of tags."
)
@click.option(
    "--tag-threshold", type=float, help="Only tags with this score or a higher one count."
)
@click.option(
    "--tag-separator",
    help="Between tags, where the column holds texts and no lists. [default: a comma]",
)
@click.option(
    "--id-column", help="Column of sample ids, for --dedup id and find. [default: by name]"
)
@click.option(
    "--subset",
    type=click.Path(path_type=Path),
    help="DataComp subset (.npy): only these uids count.",
)
@click.option("--max-concepts", default=20_000, show_default=True, help="Size of the vocabulary.")
@click.option("--min-count", default=1, show_default=True, help="Least captions of a concept.")
@click.option(
    "--dedup",
    type=click.Choice(["none", "id", "caption"]),
    default="none",
    show_default=True,
    help="Of captions with the same id, or text, count the first only.",
)
@workers_option
@memory_option
@click.option("--dask", help="Read on a dask cluster: its address, or 'local'.")
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do with what cannot be read; what is skipped is recorded.",
)
@overwrite_option
@quiet_option
@json_option
def build(
    sources: tuple[str, ...],
    output: Path,
    concepts: Path | None,
    match: str | None,
    split: str | None,
    pipeline: str | None,
    tags_column: str | None,
    tag_scores: str | None,
    tag_threshold: float | None,
    tag_separator: str | None,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Index the captions of SOURCES, or the tags of their images: files, folders, globs, URLs."""
    from conceptstats.index import build_index
    from conceptstats.index.layout import read_manifest
    from conceptstats.progress import terminal_progress

    given = {"concepts": concepts, "match": match, "split": split, "pipeline": pipeline}
    about_tags = {"scores": tag_scores, "threshold": tag_threshold, "separator": tag_separator}
    build_index(
        sources,
        output,
        profile_options={name: value for name, value in given.items() if value is not None},
        tags=_tags(tags_column, about_tags),
        progress=terminal_progress(quiet=quiet),
        **options,
    )
    manifest = read_manifest(output)
    _show(output, manifest, as_json)


def _tags(column: str | None, about: dict[str, Any]) -> Tags | None:
    """The tags that were asked for, if any."""
    from conceptstats.sources import Tags

    given = {name: value for name, value in about.items() if value is not None}
    if column is not None:
        return Tags(column, **given)
    if given:
        options = ", ".join(f"--tag-{name}" for name in given)
        raise click.UsageError(f"{options}: needs --tags-column")
    return None


def _show(path: Path, manifest: Manifest, as_json: bool) -> None:
    summary: dict[str, Any] = {"index": str(path), **manifest.totals}
    if as_json:
        data = asdict(manifest)
        parts = data.pop("parts")
        profile = {
            "profile": manifest.profile["name"],
            "profile_versions": manifest.profile["versions"],
        }
        print_json({**summary, **data, **profile, "n_parts": len(parts)})
        return
    summary |= {
        "profile": manifest.profile["name"],
        "vocabulary cut": manifest.is_cut,
        "max_concepts": manifest.settings.max_concepts,
        "min_count": manifest.settings.min_count,
        "dedup": manifest.settings.dedup,
        "sources": len(manifest.sources),
        "ignored files": len(manifest.ignored),
        "skipped": len(manifest.skipped),
    }
    if tags := manifest.sources[0].tags:
        summary |= {"tags from": tags.column, "tags at or above": tags.threshold}
    print_facts(summary)
    for source, row, reason in manifest.skipped[:10]:
        click.echo(f"skipped: {source}, row {row}: {reason}")
    if len(manifest.skipped) > 10:
        click.echo(f"skipped: {len(manifest.skipped) - 10:,} more; see --json")


@index_group.command(epilog="Example: conceptstats index info IDX --json")
@_index_argument
@json_option
def info(index: Path, as_json: bool) -> None:
    """What an index holds, what was read and what was left out."""
    from conceptstats.index.layout import read_manifest

    _show(index, read_manifest(index), as_json)


@index_group.command(epilog="Example: conceptstats index verify IDX")
@_index_argument
@workers_option
@json_option
def verify(index: Path, workers: int | None, as_json: bool) -> None:
    """Compare every file of an index with its checksum; status 1 when one differs."""
    from conceptstats.errors import IndexFormatError
    from conceptstats.index import verify_index

    result = verify_index(index, workers)
    if as_json:
        print_json(result._asdict())
    elif not result.damaged:
        click.echo(f"{result.n_files} files, {result.n_bytes:,} bytes: all as they were written")
    if result.damaged:
        raise IndexFormatError(
            f"{index} is damaged: {'; '.join(result.damaged)}.", "build it again, or restore it"
        )


@index_group.command(epilog="Example: conceptstats index merge IDX-0 IDX-1 -o IDX")
@click.argument("indexes", nargs=-1, required=True, type=click.Path(path_type=Path))
@_output_option
@click.option("--max-concepts", type=int, help="Size of the vocabulary. [default: as the first]")
@click.option("--min-count", type=int, help="Least captions. [default: as the first]")
@workers_option
@memory_option
@overwrite_option
@quiet_option
@json_option
def merge(
    indexes: tuple[Path, ...], output: Path, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Merge INDEXES that were built apart; equal to one build over all their sources."""
    from conceptstats.index import merge_indexes
    from conceptstats.index.layout import read_manifest
    from conceptstats.progress import terminal_progress

    merge_indexes(indexes, output, progress=terminal_progress(quiet=quiet), **options)
    _show(output, read_manifest(output), as_json)


@index_group.command(epilog="Example: conceptstats index export IDX -o pmi.parquet --min-count 10")
@_index_argument
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Table to write: .parquet or .csv.",
)
@click.option(
    "--formula",
    type=click.Choice(["document", "paper"]),
    default="document",
    show_default=True,
    help="Which PMI; see `conceptstats pmi --help`.",
)
@click.option("--min-count", default=1, show_default=True, help="Least captions with both.")
@overwrite_option
@json_option
def export(index: Path, output: Path, as_json: bool, **options: Any) -> None:
    """Write the PMI of every pair that was seen to a table."""
    from conceptstats.index import CaptionIndex
    from conceptstats.index.export import export_pmi

    n_pairs = export_pmi(CaptionIndex.open(index), output, **options)
    if as_json:
        print_json({"output": str(output), "n_pairs": n_pairs})
    else:
        click.echo(f"{n_pairs:,} pairs in {output}")


@index_group.command(
    epilog="Example: conceptstats index joint TEXT-IDX TAGS-IDX --concepts classes.txt "
    "-o counts.parquet"
)
@click.argument("text", type=click.Path(path_type=Path))
@click.argument("tags", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Counts table to write: .parquet, .csv or .arrow.",
)
@click.option(
    "--concepts",
    type=click.Path(path_type=Path),
    help="What to count: a list as for `index build`. [default: the vocabulary of TAGS]",
)
@click.option(
    "--dataset", help="Whose concepts they are. [default: the name of the list, or of TAGS]"
)
@click.option("--pretraining", help="What was indexed, such as laion400m.")
@click.option(
    "--by",
    type=click.Choice(["row", "id"]),
    help="Row r of one index is row r of the other; or join by sample id. [default: row where both "
    "are of the same files, else id]",
)
@click.option(
    "--max-unmatched",
    default=0.0,
    show_default=True,
    help="Largest share of the tagged samples whose id no caption has.",
)
@overwrite_option
@quiet_option
@json_option
def joint(text: Path, tags: Path, output: Path, quiet: bool, as_json: bool, **options: Any) -> None:
    """Count concepts by text, by tags and by both, over the index TEXT of captions and TAGS.

    Misalignment is the share of samples without a concept in common, of those with concepts on both
    sides (arXiv 2404.04125 divides by all samples: misalignment of all).
    """
    from conceptstats.index.joint import joint_files
    from conceptstats.progress import terminal_progress

    found = joint_files(text, tags, output, progress=terminal_progress(quiet=quiet), **options)
    facts = {"output": str(output), **found.to_json()}
    if as_json:
        print_json(facts)
        return
    for side in ("unknown_by_text", "unknown_by_tags"):
        facts[side] = len(facts[side])
    print_facts({name.removeprefix("n_").replace("_", " "): x for name, x in facts.items()})
