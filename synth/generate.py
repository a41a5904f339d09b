"""Pictures of probes: a folder of PNG files with its images table."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from conceptstats.errors import ParameterError, TableError
from conceptstats.progress import Progress, Silent
from conceptstats.runs import run_record
from conceptstats.table_files import fingerprint, load_table, save_table
from conceptstats.tables import IMAGES, PROBES, check_folder, writing_folder

from .images import ImageGenerator, ImageRequest, image_seed, png_bytes
from .pool import in_processes

TABLE = "images.parquet"
MARK = f"{TABLE}.run.json"  # a folder that has it was made here
_BATCH = 16  # probes that are drawn at once


@dataclass(frozen=True, slots=True)
class Batch:
    """Probes whose pictures are made together."""

    generator: ImageGenerator
    folder: Path
    probes: tuple[dict[str, str], ...]
    per_probe: int
    seed: int


def generate_images(
    probes: str | Path,
    output: str | Path,
    generator: ImageGenerator,
    *,
    per_probe: int = 10,
    seed: int = 0,
    workers: int = 1,
    settings: dict[str, Any] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Make pictures of every probe.

    The seed of a picture comes from its probe, its number and ``seed`` alone, so that neither the
    order of the probes nor the number of workers changes a pixel.

    Parameters
    ----------
    probes : path
        Table `conceptstats.tables.PROBES`.
    output : path
        Folder: ``images.parquet`` (`conceptstats.tables.IMAGES`) and one folder a probe.
    generator : ImageGenerator
    per_probe : int
        Pictures of each.
    seed : int
    workers : int
        Processes.
    settings : dict, optional
        Of the generator, for the run record.
    overwrite : bool
    progress : Progress, optional

    Returns
    -------
    Path
        The images table.

    Raises
    ------
    ParameterError, TableError, OutputExistsError, OutputError
    """
    if per_probe < 1 or seed < 0:
        raise ParameterError(f"per_probe is {per_probe} and seed {seed}, expected 1 and 0 or more.")
    progress = progress or Silent()
    output = Path(output)
    check_folder(output, MARK, overwrite=overwrite)
    if output.resolve() in Path(probes).resolve().parents:
        raise ParameterError(f"{probes} is inside {output}, which is written anew.")
    table = load_table(probes, PROBES)
    rows = table.select(["probe_id", "key", "accessory"]).to_pylist()
    _check_names([row["probe_id"] for row in rows], probes)
    n = len(rows) * per_probe
    record = run_record(
        "synth generate",
        {"backend": generator.backend, "per_probe": per_probe, **(settings or {})},
        {str(probes): fingerprint(Path(probes))},
        seed,
        packages=("pillow",),
    )
    with closing(progress), writing_folder(output, MARK, overwrite=overwrite) as folder:
        batches = [
            Batch(generator, folder, tuple(rows[i : i + _BATCH]), per_probe, seed)
            for i in range(0, len(rows), _BATCH)
        ]
        progress.stage("pictures", "pictures")
        parts, done = [IMAGES.empty_table()], 0
        with closing(in_processes(_make_batch, batches, workers)) as made:
            for part in made:
                parts.append(part)
                done += len(part)
                progress.advance(len(part), done / n)
        save_table(folder / TABLE, pa.concat_tables(parts), IMAGES, record=record)
    return output / TABLE


def _check_names(names: list[str], where: object) -> None:
    """Raise unless each probe can have a folder of its own, inside that of the pictures."""
    if not names:
        raise TableError(f"{where} has no probes.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TableError(f"{where}: the probe_id {twice!r} stands more than once.")
    for name in names:
        if name in ("", ".", "..", TABLE, MARK) or set(name) & set("/\\\0"):
            raise TableError(f"{where}: the probe_id {name!r} cannot be the name of a folder.")


def _make_batch(batch: Batch) -> pa.Table:
    """Make the pictures of some probes; the rows of `IMAGES` about them."""
    made = []
    for probe in batch.probes:
        name = probe["probe_id"]
        (batch.folder / name).mkdir()
        seeds = [image_seed(batch.seed, name, number) for number in range(batch.per_probe)]
        prompt = f"{probe['key']} with {probe['accessory']}"
        requests = [ImageRequest(prompt, s, probe["key"], probe["accessory"]) for s in seeds]
        for number, (request, image) in enumerate(
            zip(requests, batch.generator.generate(requests), strict=True)
        ):
            path = f"{name}/{number:04d}.png"
            data = png_bytes(image)
            (batch.folder / path).write_bytes(data)
            made.append(
                {
                    "image_id": f"{name}-{number:04d}",
                    "path": path,
                    "probe_id": name,
                    "target": probe["key"],
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "backend": batch.generator.backend,
                    "seed": request.seed,
                    "width": image.width,
                    "height": image.height,
                    # A sprite is where it was asked for: nobody has looked for it in the picture.
                    "key_found": None,
                    "accessory_found": None,
                }
            )
    return pa.Table.from_pylist(made, schema=IMAGES)
