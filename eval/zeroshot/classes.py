"""The classes that a model chooses from, their prompts, and the targets that name them."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from conceptstats import class_names
from conceptstats.errors import ParameterError, SourceError
from conceptstats.table_files import fingerprint

if TYPE_CHECKING:
    from .image_sources import ImageList

ClassesArgument = str | Path | Sequence[str] | None
TemplatesArgument = str | Path | Sequence[str]

_WORDNET_ID = re.compile(r"n\d{8}")
_LIKE = 0.7  # least likeness of what was perhaps meant, by `difflib`; 1: the same


class Told(NamedTuple):
    """The classes of images."""

    names: tuple[str, ...]
    places: npt.NDArray[np.int64]  # class of each image
    notes: tuple[str, ...]  # what the user should know of images and classes


def tell_classes(images: ImageList, classes: ClassesArgument) -> Told:
    """Read the classes, and see which of them each image shows.

    Parameters
    ----------
    images : ImageList
    classes
        As `read_classes` takes them.

    Raises
    ------
    ParameterError, SourceError
    """
    known = _read_list(classes, images.subfolders)
    places = class_indices(images.targets, images.ids, known.names, known.ids)
    notes = [*images.notes, *twin_notes(known.names)]
    if not known.ids and _has_wordnet_order(set(images.targets), known.names):
        notes.append("the targets are WordNet ids: their order is taken for that of the classes")
    return Told(known.names, np.array(places, np.int64), tuple(notes))


def read_classes(classes: ClassesArgument, subfolders: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the classes, in order; a name may stand twice.

    Parameters
    ----------
    classes : str, Path or sequence of str, optional
        ``"imagenet"``, a file with one name a line, names with commas between them, or the names.
        WordNet ids may stand in front of the names of a file, as
        `conceptstats.class_names.read_classes` takes them.
    subfolders : sequence of str, optional
        Of a folder of images: the classes when ``classes`` is None, with blanks for underscores.

    Raises
    ------
    ParameterError
        When no classes are given or found, there are fewer than two, or a name is empty.
    ProfileError
        When a file has WordNet ids alone, and WordNet is not installed.
    """
    return _read_list(classes, subfolders).names


def _read_list(
    classes: ClassesArgument, subfolders: Sequence[str] | None
) -> class_names.ClassNames:
    if classes is None:
        found = class_names.class_names(_names_of_folders(subfolders))
    elif isinstance(classes, str | Path):
        found = _named_classes(classes)
    else:
        found = class_names.class_names([str(name).strip() for name in classes])
    if "" in found.names:
        raise ParameterError(f"class {found.names.index('')} has an empty name.")
    if len(found) < 2:
        raise ParameterError(f"{len(found)} class is given, expected two or more to choose from.")
    return found


def _names_of_folders(subfolders: Sequence[str] | None) -> list[str]:
    if subfolders is None:
        raise ParameterError(
            "no classes are given, and only a folder of images has them in its subfolders.",
            "--classes imagenet, a file with one name a line, or name,name,...",
        )
    if all(_is_index(name) or _WORDNET_ID.fullmatch(name) for name in subfolders):
        raise ParameterError(
            f"the subfolders ({', '.join(subfolders[:3])}, ...) are numbers of classes, no names.",
            "--classes imagenet, or a file with one name a line, behind its WordNet id where "
            "folders are ids (n01440764 tench)",
        )
    return [_plain(name) for name in subfolders]


def _named_classes(classes: str | Path) -> class_names.ClassNames:
    if classes == "imagenet":
        from open_clip import IMAGENET_CLASSNAMES

        return class_names.class_names(IMAGENET_CLASSNAMES)
    if _is_file(classes):
        lines = _lines(Path(classes))
        if any(_WORDNET_ID.fullmatch(re.split(r"[\s,]", line)[0]) for line in lines):
            return class_names.read_classes(classes)
        return class_names.class_names(lines)
    if "," in str(classes):
        return class_names.class_names([name.strip() for name in str(classes).split(",")])
    raise ParameterError(
        f"{classes}: no such file, expected the classes.",
        "--classes imagenet, a file with one name a line, or name,name,...",
    )


def _is_file(text: str | Path) -> bool:
    """Whether a text names a file; a list of classes can be longer than any name."""
    try:
        return Path(text).is_file()
    except OSError:
        return False


def fingerprints_of(classes: ClassesArgument, templates: TemplatesArgument) -> dict[str, str]:
    """Digests of those that are files, by path."""
    files = [one for one in (classes, templates) if isinstance(one, str | Path)]
    return {str(file): fingerprint(Path(file)) for file in files if Path(file).is_file()}


def read_templates(templates: TemplatesArgument) -> tuple[str, ...]:
    """Templates of prompts, in each of which ``{}`` stands for the name of a class.

    Parameters
    ----------
    templates : str, Path or sequence of str
        ``"openai"`` (80) or ``"simple"`` (7), as open_clip has them; a file with one template a
        line; one template; or the templates.

    Raises
    ------
    ParameterError
        When there is no template, or one has no ``{}``.
    """
    if templates in ("openai", "simple"):
        from open_clip import OPENAI_IMAGENET_TEMPLATES, SIMPLE_IMAGENET_TEMPLATES

        functions = (
            OPENAI_IMAGENET_TEMPLATES if templates == "openai" else SIMPLE_IMAGENET_TEMPLATES
        )
        return tuple(function("{}") for function in functions)
    if not isinstance(templates, str | Path):
        found = list(templates)
    elif "{}" in str(templates):
        found = [str(templates)]
    elif _is_file(templates):
        found = _lines(Path(templates))
    else:
        raise ParameterError(
            f"{templates}: no such file, expected templates.",
            "--templates openai, simple, a file with one template a line, or 'a photo of a {}.'",
        )
    for template in found:
        if "{}" not in template:
            raise ParameterError(
                f"the template {template!r} has no {{}} where the name of a class goes."
            )
    if not found:
        raise ParameterError(f"{templates} holds no template.")
    return tuple(found)


def fill(template: str, name: str) -> str:
    """The prompt that a template makes of a class."""
    return template.replace("{}", name)


def _lines(path: Path) -> list[str]:
    """Lines of a text file without blanks around them; those at its end that are empty go."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path} cannot be read as UTF-8 text: {error}.") from error
    return [line.strip() for line in text.rstrip().splitlines()]


def class_indices(
    targets: Sequence[str],
    ids: Sequence[str],
    names: Sequence[str],
    wordnet_ids: Sequence[str] = (),
) -> list[int]:
    """Class of each target, which is its WordNet id, its name, or its index as text.

    Underscores stand for blanks. A name goes before an index, so that classes may be called "7".
    When no ids of classes are given and all targets are WordNet ids, as many as there are classes,
    their order is that of the classes, as in ImageNet.

    Parameters
    ----------
    targets, ids : sequence of str
        Of the examples.
    names : sequence of str
        Of the classes.
    wordnet_ids : sequence of str, optional
        Of the classes.

    Raises
    ------
    SourceError
        When a target names no class, or several.
    """
    distinct: dict[str, str] = {}  # with the first example of each
    for target, example in zip(targets, ids, strict=True):
        distinct.setdefault(target, example)
    if not wordnet_ids and _has_wordnet_order(distinct.keys(), names):
        index = {target: number for number, target in enumerate(sorted(distinct))}
    else:
        places = defaultdict(list)
        for number, name in enumerate(names):
            places[_plain(name)].append(number)
        index = {name: number for number, name in enumerate(wordnet_ids)}
        left = {target: example for target, example in distinct.items() if target not in index}
        _refuse_ids([target for target in left if target not in places], distinct, names, index)
        for target, example in left.items():
            index[target] = _index_of(target, example, names, places)
    return [index[target] for target in targets]


def _has_wordnet_order(distinct: Set[str], names: Sequence[str]) -> bool:
    """Whether targets are WordNet ids, each of which stands for the class in its place."""
    return (
        len(distinct) == len(names)
        and distinct.isdisjoint(names)
        and all(_WORDNET_ID.fullmatch(target) for target in distinct)
    )


def _refuse_ids(
    unknown: Sequence[str],
    distinct: Mapping[str, str],
    names: Sequence[str],
    known: Mapping[str, int],
) -> None:
    """Raise when targets without a class are WordNet ids."""
    ids = [target for target in unknown if _WORDNET_ID.fullmatch(target)]
    if not ids:
        return
    told = f"{distinct[ids[0]]}: no class is called {ids[0]!r}"
    if known:
        raise SourceError(f"{told}, and none of {len(known):,} has this WordNet id.")
    raise SourceError(
        f"{told}, and the order of {len(ids):,} WordNet ids does not tell which of {len(names):,} "
        "classes they are.",
        "--classes FILE with an id in front of each name (n01440764 tench)",
    )


def _index_of(target: str, example: str, names: Sequence[str], places: dict[str, list[int]]) -> int:
    found = places.get(_plain(target), [])
    if len({names[place] for place in found}) == 1:
        return found[0]  # of twins too: `ranks.target_ranks` takes them for one
    if found:
        raise SourceError(
            f"{example}: {len(found)} classes are called {target!r}: {', '.join(map(str, found))}.",
            "give targets as indices of classes",
        )
    if _is_index(target):
        if int(target) < len(names):
            return int(target)
        raise SourceError(
            f"{example}: there is no class {target}; they go from 0 to {len(names) - 1}."
        )
    raise SourceError(f"{example}: no class is called {target!r}.", near(target, names, "classes"))


def near(word: str, words: Sequence[str], what: str) -> str | None:
    """A hint: the words that are like one, or some of them; None where there is no word."""
    if not words:
        return None
    spelt = {other.lower(): other for other in words}
    n = 1 if word.lower() in spelt else 5
    likely = difflib.get_close_matches(word.lower(), spelt, n, _LIKE)
    if likely:
        return f"did you mean {' or '.join(spelt[other] for other in likely)}?"
    some = list(dict.fromkeys(words))
    return f"{what}: {', '.join(some[:8])}{', ...' if len(some) > 8 else ''}"


def _plain(name: str) -> str:
    return name.replace("_", " ").strip()


def _is_index(text: str) -> bool:
    return text.isascii() and text.isdigit()


def twin_notes(names: Sequence[str]) -> list[str]:
    """A note on each name that several classes share."""
    places = defaultdict(list)
    for number, name in enumerate(names):
        places[name].append(number)
    return [
        f"classes {' and '.join(map(str, numbers))} are both called {name!r}: no model can tell "
        "them apart"
        for name, numbers in places.items()
        if len(numbers) > 1
    ]
