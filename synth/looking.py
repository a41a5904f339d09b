"""Pictures looked at by a detector, part by part, so that a killed run goes on."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from conceptstats.errors import SourceError
from conceptstats.parts import Parts
from conceptstats.progress import Progress

if TYPE_CHECKING:
    from .detectors import Detector, Finding, Tensors

OnError = Literal["stop", "skip"]

_PART = 64  # pictures of a part that outlives a killed run
_NAMED = 8  # reasons in a message
_SKIP = "--on-error skip goes on without, and lists such pictures"
_BOX = pa.list_(pa.float64())  # left, top, right, bottom in pixels of the picture as it is seen

SCORES = pa.schema(
    [
        pa.field("key_score", pa.float64()),  # in [0, 1], of the best box; null: not looked for
        pa.field("accessory_score", pa.float64()),
        pa.field("key_box", _BOX),  # null: not looked for, or no box in the picture
        pa.field("accessory_box", _BOX),
        pa.field("unverified", pa.string()),  # why nobody looked; null: looked
    ]
)
LOOKED = pa.schema([pa.field("image_id", pa.string(), nullable=False), *SCORES])


class Item(NamedTuple):
    """A picture, and what is looked for in it."""

    image_id: str
    path: Path
    sha256: str | None
    queries: tuple[str, str]  # for key and accessory
    problem: str | None  # why it is not looked at


class _Ready(NamedTuple):
    """A picture as the detector takes it, or what is wrong with it."""

    item: Item
    pixels: Tensors
    size: tuple[int, int]  # height and width
    problem: str | None


def list_pictures(
    table: pa.Table,
    output: Path,
    pairs: dict[str, tuple[str, str]],
    detector: Detector,
    query: str,
) -> list[Item]:
    """What to look for in which picture."""
    asked = {word: query.replace("{}", word) for pair in pairs.values() for word in pair}
    refused = {word: problem for word, text in asked.items() if (problem := detector.problem(text))}
    refused |= {word: "its probe names nothing" for word in asked if not word.strip()}
    folder = output.resolve().parent
    columns = (table[name].to_pylist() for name in ("image_id", "path", "sha256", "probe_id"))
    items = []
    for image_id, path, sha256, probe in zip(*columns, strict=True):
        if probe in pairs:
            key, accessory = pairs[probe]
            queries = asked[key], asked[accessory]
            problem = refused.get(key) or refused.get(accessory)
        else:
            queries = "", ""
            problem = "it has no probe" if probe is None else f"there is no probe {probe!r}"
        place = Path(os.path.normpath(folder / path))
        items.append(Item(image_id, place, sha256, queries, problem))
    return items


def tell_problems(items: Sequence[Item], on_error: OnError, progress: Progress) -> None:
    """Say, before the first picture is looked at, which will not be.

    Raises
    ------
    SourceError
        When one is enough to stop.
    """
    counts = Counter(item.problem for item in items if item.problem is not None)
    if not counts:
        return
    told = "; ".join(f"{problem} ({n:,})" for problem, n in counts.most_common(_NAMED))
    more = f"; and {n:,} more reasons" if (n := len(counts) - _NAMED) > 0 else ""
    bad, n_all = counts.total(), len(items)
    message = f"{bad:,} of {n_all:,} pictures cannot be verified: {told}{more}."
    if on_error == "stop":
        raise SourceError(message, _SKIP)
    progress.say(message)


def stamp(paths: Iterable[Path]) -> str:
    """Differs when files have changed; does not read them."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            status = path.stat()
            digest.update(f"{path}\t{status.st_size}\t{status.st_mtime_ns}\n".encode())
        except OSError as error:
            digest.update(f"{path}\t{error.errno}\n".encode())
    return digest.hexdigest()


def look(
    parts: Parts,
    items: Sequence[Item],
    detector: Detector,
    workers: int,
    on_error: OnError,
    progress: Progress,
) -> pa.Table:
    """Look at the pictures that are in no part yet, and give the rows of all, in order."""
    if on_error == "stop":
        _refuse(parts.read())
    n_done = parts.n_done
    left = items[n_done * _PART :]
    progress.stage("pictures", "pictures")
    with closing(_ahead(left, detector, workers)) as ready:
        rows: list[dict[str, Any]] = []
        for number, picture in enumerate(ready, 1):
            rows.append(_row(picture, detector))
            progress.advance(1, number / len(left))
            if on_error == "stop" and picture.problem is not None:
                _refuse(pa.Table.from_pylist(rows, schema=LOOKED))
            if len(rows) == _PART or number == len(left):
                parts.write(n_done, pa.Table.from_pylist(rows, schema=LOOKED))
                n_done, rows = n_done + 1, []
    return parts.read()


def _ahead(
    items: Sequence[Item], detector: Detector, workers: int
) -> Generator[_Ready, None, None]:
    """Pictures in order, read by threads while the detector is at work."""
    waiting: deque[Any] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            waiting.append(pool.submit(_read, item, detector))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _read(item: Item, detector: Detector) -> _Ready:
    from conceptstats.pictures import read_picture

    if item.problem is not None:
        return _Ready(item, {}, (0, 0), item.problem)
    try:
        image = read_picture(item.path, item.sha256)
    except SourceError as error:
        return _Ready(item, {}, (0, 0), error.message)
    try:
        pixels = detector.prepare(image)
    except Exception as error:  # of a picture too narrow to be scaled, say
        return _Ready(item, {}, (0, 0), f"{item.path}: {type(error).__name__}: {error}")
    return _Ready(item, pixels, (image.height, image.width), None)


def _row(picture: _Ready, detector: Detector) -> dict[str, Any]:
    """A row of `LOOKED`."""
    row: dict[str, Any] = {"image_id": picture.item.image_id, "unverified": picture.problem}
    if picture.problem is None:
        found = detector.find(picture.pixels, picture.size, picture.item.queries)
        for name, finding in zip(("key", "accessory"), found, strict=True):
            row[f"{name}_score"] = finding.score
            row[f"{name}_box"] = _rounded(finding)
    return row


def _rounded(finding: Finding) -> list[float] | None:
    """A box in hundredths of a pixel."""
    return None if finding.box is None else [round(edge, 2) for edge in finding.box]


def _refuse(rows: pa.Table) -> None:
    """Raise at the first picture that cannot be looked at."""
    bad = rows.filter(pc.is_valid(rows["unverified"]))
    if bad.num_rows:
        raise SourceError(
            f"{bad['image_id'][0]} cannot be verified: {bad['unverified'][0]}.", _SKIP
        )
