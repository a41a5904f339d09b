"""Pictures of results, by recipe.

They are sized for a column of a paper, can be told apart in grey and by colour-blind readers, and
equal results make equal files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.style
import pyarrow as pa
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from conceptstats import __version__
from conceptstats.errors import ParameterError
from conceptstats.table_files import check_ending, fingerprint, load_table
from conceptstats.tables import EXAMPLES, writing

from .by_pair import pairs_of
from .figure_parts import Look, Series
from .recipes import COLUMN, KINDS, RECIPES, Recipe
from .result_files import load_results
from .result_kinds import check_result, command_of, kind_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist

ENDINGS = (".pdf", ".png", ".svg")

_LOOKS: tuple[Look, ...] = (  # colours of Okabe and Ito
    Look("#0072B2", "o", "-"),
    Look("#D55E00", "s", "--"),
    Look("#009E73", "^", "-."),
    Look("#CC79A7", "D", ":"),
    Look("#E69F00", "v", "-"),
    Look("#56B4E9", "P", "--"),
    Look("#000000", "X", "-."),
)
MOST_RESULTS = len(_LOOKS)
_WIDTHS = (2.5, 12.0)  # inches
_HANDLE = 0.34  # inches of the marker before it
_LINE = 0.135  # inches of a line of small print
_DEFAULT_STYLE = "default"
_STYLE: dict[str, Any] = {
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 0.9,
    "lines.markersize": 3.8,
    "pdf.fonttype": 42,  # text stays text, which journals ask for
    "svg.fonttype": "path",
    "svg.hashsalt": "conceptstats",
    "savefig.dpi": 300,
}


def draw_figure(
    results: Mapping[str, Mapping[str, Any]],
    recipe: str = "accuracy-pmi",
    width: float = COLUMN,
    *,
    examples: pa.Table | None = None,
) -> Figure:
    """Draw results in one picture.

    Parameters
    ----------
    results : mapping
        By label, as `eval correlate`, `compare` (without --slopes), `frequency`, `long-tail` or
        `agreement` writes them.
    recipe : str
        accuracy-pmi: accuracy in bins of the predictor (of comparisons: difference of accuracy in
        bins of its difference). vqa-pmi: the same of questions. accuracy-frequency: accuracy in
        bins of the concepts' frequency. long-tail: counts by rank, shares under n. agreement:
        counts in one data set against another. bins: r against the number of bins. predictors:
        slope and r of each.
    width : float
        Inches.
    examples : Table, optional
        Of the only result of accuracy-pmi or vqa-pmi: each pair is drawn as a dot behind the bins.

    Raises
    ------
    ParameterError
        When there are no results or too many, or they do not go into one picture.
    TableError
        When a result holds something else, or the examples have no pairs.
    """
    found = _find(recipe)
    _check(results, recipe, width, examples)
    parts = _parts(results, found)
    series = [
        Series(label, result, look, shift=2.0 * (k - (len(parts) - 1) / 2))
        for k, ((label, result), look) in enumerate(zip(parts.items(), _LOOKS, strict=False))
    ]
    texts = [found.says(one, labelled=len(series) > 1) for one in series]
    lines = [wrap(text, width - _HANDLE, _STYLE["legend.fontsize"]) for text in texts]
    with matplotlib.style.context([_DEFAULT_STYLE, _STYLE]):
        figure = Figure(layout="constrained")
        figure.set_size_inches(width, found.height(width, series) + _LINE * sum(map(len, lines)))
        pairs = None
        if examples is not None:
            pairs = pairs_of(examples, str(series[0].result["predictor"]))
        handles = found.draw(figure, series, pairs)
        _add_legend(figure, handles, ["\n".join(part) for part in lines])
    return figure


def _find(name: str) -> Recipe:
    recipe = RECIPES.get(KINDS.get(name, name))
    if recipe is None:
        raise ParameterError(f"recipe is {name!r}, expected {', '.join(RECIPES)}.")
    return recipe


def _parts(
    results: Mapping[str, Mapping[str, Any]], recipe: Recipe
) -> dict[str, Mapping[str, Any]]:
    """What is drawn as one series each; a name that stands twice is told by its result."""
    found: dict[str, Mapping[str, Any]] = {}
    for label, result in results.items():
        for name, part in recipe.parts(label, result).items():
            found[f"{label} {name}" if name in found else name] = part
    if len(found) > MOST_RESULTS:
        raise ParameterError(
            f"the results hold {len(found)} models or sets of concepts, expected 1 to "
            f"{MOST_RESULTS} in a figure.",
            "write results of fewer of them",
        )
    return found


def render(figure: Figure, ending: str, description: str = "") -> bytes:
    """A figure as a file of one of `ENDINGS`, without times, so that equal figures are equal files.

    Parameters
    ----------
    figure : Figure
    ending : str
    description : str
        Stands in the metadata.
    """
    metadata: dict[str, str | None]
    if ending == ".pdf":
        metadata = {"CreationDate": None, "Subject": description}
    elif ending == ".svg":
        metadata = {"Date": None, "Description": description}
    else:
        metadata = {"Description": description}
    out = BytesIO()
    with matplotlib.style.context([_DEFAULT_STYLE, _STYLE]):
        figure.savefig(out, format=ending.removeprefix("."), metadata=metadata)
    return out.getvalue()


def save_figure(
    figure: Figure, path: str | Path, *, description: str = "", overwrite: bool = False
) -> None:
    """Write a figure atomically, in the format of its ending: .pdf, .png (300 dpi) or .svg.

    Raises
    ------
    ParameterError
        When the name has another ending.
    OutputExistsError, OutputError
    """
    path = Path(path)
    check_ending(path, ENDINGS)
    with writing(path, overwrite=overwrite) as partial:
        partial.write_bytes(render(figure, path.suffix, description))


def wrap(text: str, width: float, size: float) -> list[str]:
    """Lines of a text that are no wider than so many inches, at a size in points.

    Lines end at blanks; a word that is too wide is cut.
    """
    font = FontProperties(size=size)

    def fits(line: str) -> bool:
        return text_to_path.get_text_width_height_descent(line, font, False)[0] <= width * 72

    lines: list[str] = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if fits(longer):
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if not fits(lines[-1] + letter):
                lines.append("")
            lines[-1] += letter
    return lines


def draw_files(
    paths: Mapping[str, Path],
    outputs: Sequence[Path],
    *,
    recipe: str = "accuracy-pmi",
    width: float = COLUMN,
    examples: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Draw results of files, by label, into one picture, and write it to one or more files.

    The metadata of each file name the results and their fingerprints.

    Raises
    ------
    ParameterError, TableError, OutputExistsError, OutputError
        As `draw_figure` and `save_figure` do.
    """
    for output in outputs:
        check_ending(output, ENDINGS)
    results = load_results(paths)
    table = None if examples is None else load_table(examples, EXAMPLES)
    figure = draw_figure(results, recipe, width, examples=table)
    name = KINDS.get(recipe, recipe)
    made_of = [f"{label}={fingerprint(path)}" for label, path in paths.items()]
    description = f"conceptstats {__version__} eval figure --recipe {name} {' '.join(made_of)}"
    for output in outputs:
        save_figure(figure, output, description=description, overwrite=overwrite)


def _check(
    results: Mapping[str, Mapping[str, Any]], name: str, width: float, examples: pa.Table | None
) -> None:
    recipe = _find(name)
    if not _WIDTHS[0] <= width <= _WIDTHS[1]:
        raise ParameterError(
            f"the width is {width} inches, expected {_WIDTHS[0]} to {_WIDTHS[1]}.",
            "3.4 is a column of a paper, 7 a page",
        )
    most = 1 if recipe.one_result else MOST_RESULTS
    if not 0 < len(results) <= most:
        raise ParameterError(f"{len(results)} results, expected {_span(most)} in a figure.")
    for label, result in results.items():
        check_result(result, label)
    _check_kinds(results, name, recipe)
    predictors = {str(result.get("predictor")) for result in results.values()}
    if len(predictors) > 1 and recipe.one_predictor:
        raise ParameterError(
            f"the results have different predictors: {', '.join(sorted(predictors))}.",
            "one axis can show one of them",
        )
    kinds = {kind_of(result) for result in results.values()}
    if examples is not None and (
        len(results) > 1 or not recipe.has_pairs or kinds != {"correlate"}
    ):
        raise ParameterError(
            "examples go with one result of eval correlate in a figure accuracy-pmi or vqa-pmi."
        )


def _span(most: int) -> str:
    return "1" if most == 1 else f"1 to {most}"


def _check_kinds(results: Mapping[str, Mapping[str, Any]], name: str, recipe: Recipe) -> None:
    for label, result in results.items():
        kind = kind_of(result)
        if kind in recipe.takes:
            continue
        others = [other for other, one in RECIPES.items() if kind in one.takes]
        raise ParameterError(
            f"{label} is of eval {command_of(kind)}, and a figure {name} takes results of eval "
            f"{' or '.join(map(_plainly, recipe.takes))}.",
            f"--recipe {' or '.join(others)} draws it" if others else "eval report takes it",
        )
    kinds = {kind_of(result): label for label, result in results.items()}
    if len(kinds) > 1:
        told = " and ".join(f"{label} is of eval {kind}" for kind, label in kinds.items())
        raise ParameterError(f"{told}: they do not go into one figure.")


def _plainly(kind: str) -> str:
    """The command of `eval` that writes results of a kind, and not those of another."""
    return "compare without --slopes" if kind == "compare" else command_of(kind)


def _add_legend(figure: Figure, handles: list[Artist], labels: list[str]) -> None:
    legend = figure.legend(
        handles,
        labels,
        loc="outside lower left",
        frameon=False,
        borderpad=0.1,
        borderaxespad=0.2,
        handlelength=1.2,
        handletextpad=0.5,
        labelspacing=0.3,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
        text.set_linespacing(1.15)
