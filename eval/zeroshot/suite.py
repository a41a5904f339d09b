"""Several models one after the other on the same images: a table of predictions each."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

from conceptstats.errors import OutputExistsError, ParameterError
from conceptstats.progress import Progress, Silent
from conceptstats.shards import Shard
from conceptstats.table_files import ENDINGS, load_table, record_path
from conceptstats.tables import PREDICTIONS

from .image_sources import ImagesArgument
from .run import ZeroShotSummary, summarise, zeroshot


class Member(NamedTuple):
    """A model of a suite."""

    model: str
    pretrained: str | None

    @property
    def stem(self) -> str:
        """Name of its table, without ending."""
        parts = [Path(self.model).name, *([Path(self.pretrained).stem] if self.pretrained else [])]
        return "_".join(re.sub(r"[^\w.-]+", "-", part) for part in parts)


SUITES = {  # by the data that the models saw
    "laion400m": (  # of Qu & Xie, arXiv 2507.08000
        Member("ViT-B-32-quickgelu", "laion400m_e31"),
        Member("ViT-B-16-plus-240", "laion400m_e32"),
        Member("ViT-L-14", "laion400m_e32"),
        Member("EVA01-g-14", "laion400m_s11b_b41k"),
    ),
}


@dataclass(frozen=True, slots=True)
class SuiteSummary:
    """What `zeroshot_suite` found, in the order of the suite."""

    output: Path
    models: tuple[ZeroShotSummary, ...]
    done_before: tuple[bool, ...]  # its table was there already

    def to_json(self) -> dict[str, Any]:
        """As other programs read it."""
        rows = [
            {**found.to_json(), "done_before": done}
            for found, done in zip(self.models, self.done_before, strict=True)
        ]
        return {"output": str(self.output), "models": rows}


def read_suite(suite: str | Path) -> tuple[Member, ...]:
    """The models of a suite.

    Parameters
    ----------
    suite : str or Path
        ``"laion400m"``, or a file with one model a line: what `models.load_model` takes as model,
        and behind a comma the weights, where it needs them. Lines with ``#`` in front are notes.

    Raises
    ------
    ParameterError
        When it is neither, the file holds no model, or two models would have one table.
    """
    if str(suite) in SUITES:
        return SUITES[str(suite)]
    try:
        lines = Path(suite).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(
            f"{suite} is no suite, nor a file that can be read: {error}.",
            f"{', '.join(SUITES)}, or a file with a line MODEL,WEIGHTS for each model",
        ) from error
    rows = [line.split(",", 1) for line in lines if line.strip() and line[0] != "#"]
    members = [Member(row[0].strip(), "".join(row[1:]).strip() or None) for row in rows]
    stems = [member.stem for member in members]
    if not members or len(set(stems)) < len(stems):
        twice = next((stem for stem in stems if stems.count(stem) > 1), None)
        what = f"names {twice} more than once" if twice else "names no model"
        raise ParameterError(f"{suite} {what}.", "one line MODEL,WEIGHTS for each model")
    return tuple(members)


def zeroshot_suite(
    images: ImagesArgument,
    folder: str | Path,
    *,
    suite: str | Path,
    overwrite: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> SuiteSummary:
    """`zeroshot` with each model of a suite.

    A model whose table is there, made with the same arguments, is not run again; one that was
    killed goes on. So the same command can be started until all is done.

    Parameters
    ----------
    images
        As `zeroshot` takes them.
    folder : path
        Gets ``MODEL_WEIGHTS.parquet`` for each model, with its run record.
    suite
        As `read_suite` takes it.
    overwrite : bool
        Run all models again.
    progress : Progress, optional
    **options
        Of `zeroshot`, but for model and pretrained.

    Raises
    ------
    OutputExistsError
        When a table is there that was made with other arguments; before any model is run.
    ParameterError, SourceError, TableError, OutputError, ModelError
        As `zeroshot`.
    """
    progress = progress or Silent()
    members = read_suite(suite)
    if Path(folder).suffix in ENDINGS or Path(folder).is_file():
        raise ParameterError(
            f"{folder} is the name of one table, and a suite makes several.", "name a folder"
        )
    outputs = [Path(folder) / f"{member.stem}.parquet" for member in members]
    done = [
        None if overwrite else _done(output, member, images, options)
        for output, member in zip(outputs, members, strict=True)
    ]
    found = []
    for member, output, summary in zip(members, outputs, done, strict=True):
        progress.say(f"{output.stem}: {'is done' if summary else 'begins'}")
        found.append(
            summary
            or zeroshot(
                images, output, model=member.model, pretrained=member.pretrained,
                overwrite=overwrite, progress=progress, **options,
            )
        )  # fmt: skip
    return SuiteSummary(Path(folder), tuple(found), tuple(x is not None for x in done))


def _done(
    output: Path, member: Member, images: ImagesArgument, options: dict[str, Any]
) -> ZeroShotSummary | None:
    """The summary of a table that is there, when it was made with these arguments."""
    if not output.exists():
        return None
    try:
        record = json.loads(record_path(output).read_text(encoding="ascii"))
        made = dict(record["arguments"])
    except (OSError, ValueError, KeyError, TypeError):
        raise OutputExistsError(
            f"{output} exists, and nothing says how it was made.", "another folder, or --overwrite"
        ) from None
    parameters = signature(zeroshot).parameters
    asked = {
        **{
            name: options.get(name, parameters[name].default) for name in made if name in parameters
        },
        "images": " ".join(map(str, [images] if isinstance(images, str | Path) else images)),
        "model": member.model,
        "pretrained": member.pretrained,
        "shard": str(options.get("shard") or Shard()),
    }
    if asked.get("device") == "auto":
        del asked["device"]
    texts = {name: json.dumps(value, default=str) for name, value in asked.items()}
    other = [name for name, text in texts.items() if text != json.dumps(made.get(name))]
    if other:
        raise OutputExistsError(
            f"{output} was made with another {' and '.join(other)}.",
            "another folder, or --overwrite",
        )
    return summarise(output, load_table(output, PREDICTIONS), record)
