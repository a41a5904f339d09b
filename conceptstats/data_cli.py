"""The commands `conceptstats data ...`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from conceptstats.options import json_option, overwrite_option, quiet_option
from conceptstats.printing import print_facts, print_json, print_table

if TYPE_CHECKING:
    from conceptstats.manifests.manifest import Manifest

_name_argument = click.argument("name")
_files_option = click.option("--files", "pattern", help="Only files whose path matches: '*.json'.")


@click.group(name="data", epilog="Example: conceptstats data list")
def data_group() -> None:
    """Where the papers' data and models are, what they hold, and fetching and checking them."""


@data_group.command(name="list", epilog="Example: conceptstats data list --json")
@json_option
def list_(as_json: bool) -> None:
    """All data sets and models that there is a manifest of."""
    from conceptstats.manifests.manifest import load_manifest, shipped_names

    manifests = [load_manifest(name) for name in shipped_names()]
    if as_json:
        print_json({"manifests": [_head(manifest) for manifest in manifests]})
        return
    rows = [
        {
            "name": manifest.name,
            "kind": manifest.kind,
            "size": _size(manifest),
            "licence": manifest.licence,
            "access": manifest.access,
        }
        for manifest in manifests
    ]
    print_table(rows, ["name", "kind", "size", "licence", "access"])


@data_group.command(epilog="Example: conceptstats data show cc3m")
@_name_argument
@json_option
def show(name: str, as_json: bool) -> None:
    """What is known of a data set or model. NAME may be the path of a manifest."""
    from conceptstats.manifests.manifest import load_manifest

    manifest = load_manifest(name)
    files = [_file(file) for file in manifest.files]
    columns = [column._asdict() for column in manifest.columns]
    if as_json:
        sources = [source._asdict() for source in manifest.sources]
        notes = list(manifest.notes)
        print_json(
            {**_head(manifest), "files": files, "columns": columns, "notes": notes}
            | {"sources": sources}
        )
        return
    facts = _head(manifest) | {"size": _size(manifest)}
    facts = {key: facts[key] for key in facts if facts[key] or key not in ("terms", "replaced_by")}
    print_facts({key.replace("_", " "): value for key, value in _known(facts).items()})
    click.echo()
    print_table(map(_known, files[:20]), ["path", "bytes", "rows", "hash", "source"])
    if len(files) > 20:
        click.echo(f"... and {len(files) - 20:,} more; see --json")
    if columns:
        click.echo()
        print_table(columns, ["name", "type", "meaning"])
    for note in manifest.notes:
        click.echo(f"\nNote: {note}")
    for source in manifest.sources:
        click.echo(f"\nSource of {source.gives}: {source.url}")


@data_group.command(epilog="Example: conceptstats data verify cc3m DIR")
@_name_argument
@click.argument("folder", type=click.Path(path_type=Path))
@_files_option
@quiet_option
@json_option
def verify(name: str, folder: Path, pattern: str | None, quiet: bool, as_json: bool) -> None:
    """Compare the files in FOLDER with a manifest; status 1 when one is missing or different.

    Presence, size, hash, and rows and columns of parquet, TSV, CSV and JSON. A file whose hash is
    not published is unverifiable. NAME may be the path of a manifest.
    """
    from conceptstats.manifests.manifest import load_manifest
    from conceptstats.manifests.verify import verify
    from conceptstats.progress import terminal_progress

    progress = terminal_progress(quiet=quiet)
    result = verify(load_manifest(name), folder, pattern=pattern, progress=progress)
    rows = [file._asdict() for file in result.files]
    if as_json:
        print_json({"name": result.name, "folder": str(folder), "ok": result.ok, "files": rows})
    else:
        print_table(rows, ["path", "status", "bytes", "rows", "detail"])
    result.check(name)


@data_group.command(epilog="Example: conceptstats data fetch textvqa -o DIR --files '*_val.json'")
@_name_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for the files. [default: named as the data set]",
)
@_files_option
@click.option("--dry-run", is_flag=True, help="Only say what would be fetched.")
@overwrite_option
@quiet_option
@json_option
def fetch(
    name: str, output: Path | None, quiet: bool, as_json: bool, dry_run: bool, **options: Any
) -> None:
    """Download the files of a manifest; a download that was stopped goes on where it was.

    A file is there under its name only when it is complete and has the published hash. NAME may be
    the path of a manifest.
    """
    from conceptstats.manifests.fetch import fetch
    from conceptstats.manifests.manifest import load_manifest
    from conceptstats.progress import terminal_progress

    manifest = load_manifest(name)
    folder = output or Path(manifest.name)
    done = fetch(
        manifest, folder, dry_run=dry_run, progress=terminal_progress(quiet=quiet), **options
    )
    rows = [file._asdict() for file in done]
    if as_json:
        print_json(
            {"name": manifest.name, "folder": str(folder), "dry_run": dry_run, "files": rows}
        )
    else:
        print_table(rows, ["path", "action", "bytes", "source"])


@data_group.command(epilog="Example: conceptstats data describe DIR -o mine.toml --kind captions")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Manifest to write: .toml.",
)
@click.option(
    "--kind",
    type=click.Choice(["captions", "questions", "images", "model", "unknown"]),
    default="unknown",
    show_default=True,
    help="What the data are.",
)
@overwrite_option
@quiet_option
@json_option
def describe(folder: Path, output: Path, quiet: bool, as_json: bool, **options: Any) -> None:
    """Write a manifest of the files in FOLDER: SHA-256, bytes, rows and columns.

    What a tool cannot know (licence, citation, meaning of columns) is "unknown" in it: fill it in.
    """
    from conceptstats.manifests.describe import describe
    from conceptstats.progress import terminal_progress

    made = describe(folder, output, progress=terminal_progress(quiet=quiet), **options)
    if as_json:
        print_json(made._asdict())
    else:
        print_facts({name.replace("n_", ""): value for name, value in made._asdict().items()})


def _head(manifest: Manifest) -> dict[str, Any]:
    keys = (
        "name", "title", "kind", "access", "terms", "replaced_by", "licence", "homepage",
        "citation", "n_files", "bytes", "size", "rows",
    )  # fmt: skip
    return {key: getattr(manifest, key) for key in keys}


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: "unknown" if value is None else value for key, value in facts.items()}


def _file(file: Any) -> dict[str, Any]:
    source = file.url or (f"hf://{file.hub}@{file.revision}" if file.hub else None)
    hash_ = None if file.hash is None else str(file.hash)
    return {"path": file.path, "bytes": file.bytes, "rows": file.rows, "hash": hash_} | {
        "source": source
    }


def _size(manifest: Manifest) -> str:
    if manifest.bytes is not None:
        return f"{manifest.bytes:,} bytes"
    return f"about {manifest.size}" if manifest.size else "unknown"
