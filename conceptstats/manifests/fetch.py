"""Fetching the files of a manifest: with pooch from plain URLs, with huggingface_hub from there."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import NamedTuple

from conceptstats.errors import DownloadError, OutputExistsError, RefusedError
from conceptstats.manifests import hub
from conceptstats.manifests.download import SAID, download
from conceptstats.manifests.manifest import File, Hash, Manifest, choose_files
from conceptstats.manifests.verify import PARTIAL, compare_bytes, file_hash
from conceptstats.progress import Progress, Silent
from conceptstats.runs import dump_json, run_record
from conceptstats.table_files import record_path
from conceptstats.tables import output_errors, writing


class Fetched(NamedTuple):
    """One file of a fetch."""

    path: str
    action: str  # "fetched", "kept" as it was there, or "to fetch"
    bytes: int | None
    hash: str | None  # "sha256:..."
    source: str


def fetch(
    manifest: Manifest,
    folder: Path,
    *,
    pattern: str | None = None,
    dry_run: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[Fetched]:
    """Download the files of a manifest that are not there yet.

    A file comes under its name when it is complete and has the published size and hash. Until then
    it is in the folder ``.partial``, from where a later call goes on. A record of what was fetched
    from where, with its SHA-256, is written as ``NAME.run.json``.

    Parameters
    ----------
    manifest : Manifest
    folder : Path
    pattern : str, optional
        Only files whose path it matches, with ``*`` and ``?``.
    dry_run : bool
        Only say what would be fetched; needs no network.
    overwrite : bool
        Replace files that differ from what is published.
    progress : Progress, optional

    Returns
    -------
    list of Fetched

    Raises
    ------
    RefusedError
        When the user must do something first; the message says what.
    DownloadError
        When a file cannot be had, or is not what was published.
    ParameterError
        When no file matches the pattern.
    OutputExistsError
        When a file is there and differs.
    OutputError
        When the disk is full, or the folder cannot be written to.
    """
    progress = progress or Silent()
    if not dry_run:
        _refuse(manifest)
    with _explained(manifest):
        files = _chosen(manifest, pattern, expand=not dry_run)
    there = {file.path for file in files if not file.is_pattern and (folder / file.path).exists()}
    wanted = [
        file for file in files if file.path not in there or not _kept(file, folder, overwrite)
    ]
    if dry_run:
        return [_row(file, "to fetch" if file in wanted else "kept") for file in files]
    with _explained(manifest), output_errors(folder), _working(folder) as partials:
        for file in wanted:
            progress.stage(file.path, "bytes")
            ready = (_from_hub if file.hub else _from_url)(file, partials, progress)
            final = folder / file.path
            final.parent.mkdir(parents=True, exist_ok=True)
            ready.replace(final)
            progress.close()
        done = [
            _row(file, "fetched" if file in wanted else "kept", folder / file.path)
            for file in files
        ]
    _write_record(manifest, folder, pattern, done)
    return done


def _refuse(manifest: Manifest) -> None:
    """Say what the user must do first, instead of failing with a status of the host."""
    if manifest.access == "withdrawn":
        instead = manifest.replaced_by
        raise RefusedError(
            f"{manifest.name} was withdrawn: {manifest.terms}",
            f"conceptstats data fetch {instead}" if instead else None,
        )
    on_hub = [file for file in manifest.files if file.hub]
    if manifest.access == "licence" and not (on_hub and hub.has_token()):
        raise RefusedError(
            f"{manifest.name} is behind a licence: {manifest.terms}",
            "then set HF_TOKEN, or run `hf auth login`, and repeat the command"
            if on_hub
            else f"put the files into a folder and run `conceptstats data verify {manifest.name}`",
        )


def _chosen(manifest: Manifest, pattern: str | None, *, expand: bool) -> list[File]:
    """Files that the pattern matches; ``expand`` asks the hub what it holds."""
    files = list(manifest.files)
    if expand:
        list_files = cache(hub.list_files)  # once a repository
        files = [
            file
            for entry in files
            for file in (
                _on_hub(entry, list_files(entry.hub, entry.revision)) if entry.hub else [entry]
            )
        ]
    chosen = choose_files(manifest.name, files, pattern)
    if nowhere := [file.path for file in chosen if not file.url and not file.hub]:
        raise DownloadError(
            f"{manifest.name} does not say where {nowhere[0]} is.",
            "--files chooses others, if there are any",
        )
    return chosen


def _on_hub(entry: File, listed: list[hub.HubFile]) -> Iterator[File]:
    """The files of an entry; where the manifest has no size or hash, those that the hub says."""
    found = [file for file in listed if fnmatchcase(file.path, entry.path)]
    found = [file for file in found if not file.path.startswith(".")]
    if not found:
        raise DownloadError(f"{hub.page_of(str(entry.hub))} has no file {entry.path}.")
    for file in found:
        digest = Hash("sha256", file.sha256) if file.sha256 else None
        size = file.bytes if entry.bytes is None else entry.bytes
        yield replace(entry, path=file.path, bytes=size, hash=entry.hash or digest)


@contextmanager
def _explained(manifest: Manifest) -> Iterator[None]:
    """Add to a refusal of a host what the user must do."""
    try:
        yield
    except RefusedError as error:
        pages = [hub.page_of(file.hub) for file in manifest.files if file.hub]
        if pages:
            todo = manifest.terms or f"Log in and accept them on {pages[0]}."
            hint = "then set HF_TOKEN, or run `hf auth login`, and repeat the command"
        else:
            todo, hint = manifest.terms or "", f"{manifest.homepage} may say what to do"
        raise RefusedError(f"{error.message} {todo}".rstrip(), hint) from error


def _kept(file: File, folder: Path, overwrite: bool) -> bool:
    """Whether a file that is there stays."""
    differences, _ = compare_bytes(file, folder / file.path)
    if differences and not overwrite:
        raise OutputExistsError(
            f"{folder / file.path} is there and differs: {differences[0]}.",
            "choose another folder, or --overwrite",
        )
    return not differences


@contextmanager
def _working(folder: Path) -> Iterator[Path]:
    """The folder of partial files, for one process at a time."""
    partials = folder / PARTIAL
    partials.mkdir(parents=True, exist_ok=True)
    with (partials / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DownloadError(f"another process fetches into {folder}.") from None
        try:
            yield partials
        finally:
            if not _unfinished(partials):
                shutil.rmtree(partials)
                with suppress(OSError):
                    folder.rmdir()  # where there was nothing before either


def _unfinished(partials: Path) -> bool:
    """Whether there is anything that a later fetch can go on with, of these or other files."""
    paths = [path for path in partials.rglob("*") if path.is_file() and path.stat().st_size]
    return any(path.name != "lock" and path.suffix != SAID for path in paths)


def _from_url(file: File, partials: Path, progress: Progress) -> Path:
    """A file from its URL, complete and checked, in the folder of partial files."""
    import pooch

    assert file.url is not None
    partial = partials / "begun" / file.path
    whole = file.hash is not None and file.hash.whole

    def transfer(url: str, output: object, _pooch: object) -> None:
        download(url, partial, progress)
        _compare(replace(file, hash=None) if whole else file, partial)  # pooch compares the whole
        partial.replace(str(output))

    pooch.get_logger().setLevel("WARNING")
    try:
        done = pooch.retrieve(
            file.url,
            known_hash=str(file.hash) if whole else None,
            fname=file.path,
            path=partials / "ready",
            downloader=transfer,
        )
    except ValueError as error:  # pooch has removed the file
        raise _unlike(file, f"another {file.hash.algorithm if file.hash else 'hash'}") from error
    return Path(done)


def _from_hub(file: File, partials: Path, progress: Progress) -> Path:
    """A file from the hub, complete and checked, in the folder of partial files."""
    assert file.hub is not None
    partial = partials / "begun" / file.path
    hub.download_file(file.hub, file.revision, file.path, partial, progress)
    _compare(file, partial)
    return partial


def _compare(file: File, partial: Path) -> None:
    """Remove a file that is not what was published."""
    differences, _ = compare_bytes(file, partial)
    if differences:
        partial.unlink()
        raise _unlike(file, differences[0])


def _unlike(file: File, difference: str) -> DownloadError:
    return DownloadError(
        f"{file.path} from {_source(file)} is not what was published: {difference}.",
        "it was not kept; the file has changed since, or was damaged on the way",
    )


def _source(file: File) -> str:
    return file.url or f"hf://{file.hub}@{file.revision}/{file.path}"


def _row(file: File, action: str, path: Path | None = None) -> Fetched:
    """One row of the answer; the hash of a file that is there is its SHA-256."""
    if path is None:
        return Fetched(file.path, action, file.bytes, str(file.hash or "") or None, _source(file))
    known = file.hash is not None and file.hash.whole and file.hash.algorithm == "sha256"
    digest = str(file.hash) if known else f"sha256:{file_hash(path, 'sha256')}"
    return Fetched(file.path, action, path.stat().st_size, digest, _source(file))


def _write_record(
    manifest: Manifest, folder: Path, pattern: str | None, done: list[Fetched]
) -> None:
    record = run_record(
        "data fetch",
        {"name": manifest.name, "files": pattern},
        {row.source: str(row.hash) for row in done},
        packages=("pooch", "huggingface_hub"),
    )
    with writing(record_path(folder / manifest.name), overwrite=True) as partial:
        dump_json(partial, record)
