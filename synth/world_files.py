"""A world as files: captions laid out as LAION-400M, pictures as webdataset shards, the truth."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import webdataset

from conceptstats.errors import ParameterError, TableError, UnknownConceptError
from conceptstats.progress import Progress, Silent
from conceptstats.runs import dump_json, run_record
from conceptstats.table_files import save_table
from conceptstats.tables import JOINT, check_folder, writing_folder

from .images import ImageRequest, image_seed, png_bytes
from .pool import in_processes
from .world import Pictures, World, draw_pictures, joint_as_table, world_from

MARK = "world.json"  # a folder that has it is a world
_SHARD = 2500  # pictures


@dataclass(frozen=True, slots=True)
class Shard:
    """Pictures that go into one file."""

    world: World
    path: Path
    first: int  # number of the first picture
    keys: tuple[str, ...]
    accessories: tuple[str, ...]
    captions: tuple[str, ...]


def write_world(
    world: World,
    output: str | Path,
    *,
    pictures: int | None = None,
    workers: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write the captions, the pictures and the joint table of a world.

    Parameters
    ----------
    world : World
    output : path
        Folder: ``captions.parquet``, ``joint.parquet`` (`conceptstats.tables.JOINT`), ``keys.txt``,
        ``accessories.txt``, ``shards/`` with the pictures, and ``world.json`` with the settings.
    pictures : int, optional
        Captions, from the first on, that have a picture; 0: none. Otherwise all have.
    workers : int
        Processes that draw; the files do not depend on it.
    overwrite : bool
    progress : Progress, optional

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ParameterError, OutputExistsError, OutputError
    """
    progress = progress or Silent()
    output = Path(output)
    check_folder(output, MARK, overwrite=overwrite)
    n = world.n if pictures is None else pictures
    if not 0 <= n <= world.n:
        raise ParameterError(f"pictures is {n}, expected 0 to {world.n}, the number of captions.")
    drawn = draw_pictures(world)
    truth = joint_as_table(world)
    with closing(progress), writing_folder(output, MARK, overwrite=overwrite) as folder:
        _write_captions(folder / "captions.parquet", world, drawn.captions)
        save_table(folder / "joint.parquet", truth, JOINT)
        made_by = ("pillow", "webdataset")
        record = run_record("synth world", world.to_json(), {}, world.seed, packages=made_by)
        dump_json(folder / MARK, {**record, "pictures": n})
        for name, concepts in (("keys", world.keys), ("accessories", world.accessories)):
            lines = "".join(f"{concept}\n" for concept in concepts)
            (folder / f"{name}.txt").write_text(lines, encoding="utf-8")
        if n:
            (folder / "shards").mkdir()
            shards = _shards(world, folder / "shards", drawn, n)
            progress.stage("pictures", "pictures")
            done = 0
            with closing(in_processes(_write_shard, shards, workers)) as written:
                for n_written in written:
                    done += n_written
                    progress.advance(n_written, done / n)
    return output


def _shards(world: World, folder: Path, drawn: Pictures, n: int) -> list[Shard]:
    columns = (
        np.array(world.keys)[drawn.key[:n]].tolist(),
        np.array(world.accessories)[drawn.accessory[:n]].tolist(),
        drawn.captions[:n],
    )
    return [
        Shard(
            world,
            folder / f"{number:05d}.tar",
            first,
            *(tuple(column[first : first + _SHARD]) for column in columns),
        )
        for number, first in enumerate(range(0, n, _SHARD))
    ]


def _write_captions(path: Path, world: World, captions: list[str]) -> None:
    n = len(captions)
    names = [f"shards/{i // _SHARD:05d}.tar/{_name(i)}.png" for i in range(n)]
    columns = {
        "SAMPLE_ID": np.arange(n),
        "URL": names,
        "TEXT": captions,
        "HEIGHT": np.full(n, world.size, np.int32),
        "WIDTH": np.full(n, world.size, np.int32),
        "LICENSE": pa.nulls(n, pa.string()),
        "NSFW": ["UNLIKELY"] * n,
        "similarity": pa.nulls(n, pa.float64()),
    }
    pq.write_table(pa.table(columns), path)


def _name(number: int) -> str:
    return f"{number:09d}"


def _write_shard(shard: Shard) -> int:
    """Draw the pictures of a shard; the number of a picture and the world set all of it."""
    sprites = shard.world.sprites()
    with shard.path.open("wb") as file, webdataset.TarWriter(file, "", "", mtime=0) as tar:
        for i, (key, accessory, caption) in enumerate(
            zip(shard.keys, shard.accessories, shard.captions, strict=True)
        ):
            name = _name(shard.first + i)
            request = ImageRequest(caption, image_seed(shard.world.seed, "world", shard.first + i),
                                   key, accessory)  # fmt: skip
            tar.write(
                {
                    "__key__": name,
                    "png": png_bytes(sprites.generate([request])[0]),
                    "txt": caption,
                    "json": {
                        "key": name,
                        "caption": caption,
                        "target": key,
                        "accessory": accessory,
                    },
                }
            )
    return len(shard.captions)


def load_world(path: str | Path) -> World:
    """The settings of a world on disk.

    Raises
    ------
    TableError
        When the folder is none.
    """
    try:
        data = json.loads((Path(path) / MARK).read_text(encoding="utf-8"))
        return world_from(data["arguments"])
    except (OSError, ValueError, LookupError, TypeError, UnknownConceptError) as error:
        raise TableError(
            f"{path} is no world: {error}.", "`conceptstats synth world` makes one"
        ) from error
