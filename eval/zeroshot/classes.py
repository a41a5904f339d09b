"""The classes that a model chooses from, their prompts, and the targets that name them."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from conceptstats.errors import ParameterError, SourceError

ClassesArgument = str | Path | Sequence[str] | None
TemplatesArgument = str | Path | Sequence[str]

_WORDNET_ID = re.compile(r"n\d{8}")


def read_classes(classes: ClassesArgument, subfolders: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the classes, in order; a name may stand twice.

    Parameters
    ----------
    classes : str, Path or sequence of str, optional
        ``"imagenet"``, a file with one name a line, names with commas between them, or the names.
    subfolders : sequence of str, optional
        Of a folder of images: the classes when ``classes`` is None, with blanks for underscores.

    Raises
    ------
    ParameterError
        When no classes are given or found, there are fewer than two, or a name is empty.
    """
    if classes is None:
        names = _names_of_folders(subfolders)
    elif isinstance(classes, str | Path):
        names = _named_classes(classes)
    else:
        names = [str(name).strip() for name in classes]
    if "" in names:
        raise ParameterError(f"class {names.index('')} has an empty name.")
    if len(names) < 2:
        raise ParameterError(f"{len(names)} class is given, expected two or more to choose from.")
    return tuple(names)


def _names_of_folders(subfolders: Sequence[str] | None) -> list[str]:
    if subfolders is None:
        raise ParameterError(
            "no classes are given, and only a folder of images has them in its subfolders.",
            "--classes imagenet, a file with one name a line, or name,name,...",
        )
    if all(_is_index(name) or _WORDNET_ID.fullmatch(name) for name in subfolders):
        raise ParameterError(
            f"the subfolders ({', '.join(subfolders[:3])}, ...) are numbers of classes, no names.",
            "--classes imagenet, or a file with one name a line",
        )
    return [_plain(name) for name in subfolders]


def _named_classes(classes: str | Path) -> list[str]:
    if classes == "imagenet":
        from open_clip import IMAGENET_CLASSNAMES

        return list(IMAGENET_CLASSNAMES)
    if _is_file(classes):
        return _lines(Path(classes))
    if "," in str(classes):
        return [name.strip() for name in str(classes).split(",")]
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


def class_indices(targets: Sequence[str], ids: Sequence[str], names: Sequence[str]) -> list[int]:
    """Class of each target, which is its name, or its index as text.

    Underscores stand for blanks. A name goes before an index, so that classes may be called "7".
    When all targets are WordNet ids, as many as there are classes, their order is that of the
    classes, as in ImageNet.

    Parameters
    ----------
    targets, ids : sequence of str
        Of the examples.
    names : sequence of str
        Of the classes.

    Raises
    ------
    SourceError
        When a target names no class, or several.
    """
    distinct: dict[str, str] = {}  # with the first example of each
    for target, example in zip(targets, ids, strict=True):
        distinct.setdefault(target, example)
    if has_wordnet_order(targets, names):
        index = {target: number for number, target in enumerate(sorted(distinct))}
    else:
        places = defaultdict(list)
        for number, name in enumerate(names):
            places[_plain(name)].append(number)
        index = {
            target: _index_of(target, example, names, places)
            for target, example in distinct.items()
        }
    return [index[target] for target in targets]


def has_wordnet_order(targets: Sequence[str], names: Sequence[str]) -> bool:
    """Whether the targets are WordNet ids, each of which stands for the class in its place."""
    distinct = set(targets)
    return (
        len(distinct) == len(names)
        and distinct.isdisjoint(names)
        and all(_WORDNET_ID.fullmatch(target) for target in distinct)
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
    likely = difflib.get_close_matches(word, dict.fromkeys(words), 5, 0.5)
    if likely:
        return f"did you mean {' or '.join(likely)}?"
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
