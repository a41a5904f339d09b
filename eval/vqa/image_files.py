"""The image of each question, found in a folder by its id before any model is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from conceptstats.errors import SourceError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
COCO_PARTS = ("val2014", "train2014", "test2015")
_NAMED = 3  # missing images that an error shows


def image_names(image_id: str) -> Iterator[str]:
    """Names under which benchmarks keep the image of an id.

    ``ID.jpg`` (TextVQA, GQA, and POPE, whose ids are names of files) or another ending; the id
    itself, where it has an ending; of an id that is a number also COCO's
    ``COCO_val2014_%012d.jpg``, train2014 and test2015 alike, and ``%012d.jpg`` of 2017.

    >>> [name for name in image_names("42") if name.endswith(".jpg")][1]
    'COCO_val2014_000000000042.jpg'
    """
    if image_id.lower().endswith(ENDINGS):
        yield image_id
    yield from (f"{image_id}{ending}" for ending in ENDINGS)
    if image_id.isascii() and image_id.isdigit() and len(image_id) <= 12:
        number = f"{image_id:0>12}"
        yield from (f"COCO_{part}_{number}.jpg" for part in COCO_PARTS)
        if number != image_id:
            yield f"{number}.jpg"


def find_images(folder: Path, image_ids: Sequence[str | None]) -> list[Path]:
    """The file of each image id, under one of `image_names`.

    Parameters
    ----------
    folder : Path
        Its subfolders are not searched.
    image_ids : sequence of str
        An id may stand more than once.

    Raises
    ------
    SourceError
        When the folder cannot be read, a question has no id, or an image is missing or there under
        two names. It says how many are missing, and names some.
    """
    try:
        present = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {error.strerror}.", "--images DIR") from error
    if n_without := sum(identity is None for identity in image_ids):
        raise SourceError(f"{n_without:,} of {len(image_ids):,} questions name no image.")
    found: dict[str, Path] = {}
    missing = []
    for identity in dict.fromkeys(str(name) for name in image_ids):
        names = [name for name in image_names(identity) if name in present]
        if len(names) > 1:
            raise SourceError(f"{folder} holds image {identity!r} as {' and as '.join(names)}.")
        if names:
            found[identity] = folder / names[0]
        else:
            missing.append(identity)
    if missing:
        tried = list(image_names(missing[0]))
        shown = [name for name in tried if name.endswith(".jpg")]
        raise SourceError(
            f"{len(missing):,} of {len(missing) + len(found):,} images are not in {folder}, such "
            f"as {', '.join(map(repr, missing[:_NAMED]))}.",
            f"expected {', '.join(shown)} or another ending; subfolders are not searched",
        )
    return [found[str(identity)] for identity in image_ids]
