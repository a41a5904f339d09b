"""Pictures of results: accuracy against a predictor, r against bins, predictors side by side.

They are sized for a column of a paper, can be told apart in grey and by colour-blind readers, and
equal results make equal files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

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
from .figure_panels import PANELS, small_print
from .figure_parts import Look, Series
from .result_files import check_result, is_comparison, is_shuffle, load_results

if TYPE_CHECKING:
    from matplotlib.artist import Artist

Kind = Literal["accuracy", "bins", "predictors"]
ENDINGS = (".pdf", ".png", ".svg")
COLUMN = 3.4  # inches

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
_HEIGHTS = {"accuracy": 2.35, "bins": 2.1, "predictors": 0.75}  # inches, at the width of a column
_PREDICTOR_ROW = 0.27  # inches
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
    kind: Kind = "accuracy",
    width: float = COLUMN,
    *,
    examples: pa.Table | None = None,
) -> Figure:
    """Draw results in one picture.

    Parameters
    ----------
    results : mapping
        By label, as `eval correlate` writes them; or comparisons, as `eval compare` does.
    kind : {"accuracy", "bins", "predictors"}
        Accuracy in bins of the predictor (of comparisons: difference of accuracy in bins of its
        difference); r against the number of bins; slope and r of every predictor.
    width : float
        Inches.
    examples : Table, optional
        Of the only result: each pair is drawn as a dot behind the bins.

    Raises
    ------
    ParameterError
        When there are no results or too many, or they do not go into one picture.
    TableError
        When a result holds something else, or the examples have no pairs.
    """
    _check(results, kind, width, examples)
    series = [
        Series(label, result, look, shift=2.0 * (k - (len(results) - 1) / 2))
        for k, ((label, result), look) in enumerate(zip(results.items(), _LOOKS, strict=False))
    ]
    texts = [small_print(one, kind, labelled=len(series) > 1) for one in series]
    lines = [wrap(text, width - _HANDLE, _STYLE["legend.fontsize"]) for text in texts]
    with matplotlib.style.context([_DEFAULT_STYLE, _STYLE]):
        figure = Figure(layout="constrained")
        figure.set_size_inches(width, _height(kind, width, series) + _LINE * sum(map(len, lines)))
        pairs = None
        if examples is not None:
            pairs = pairs_of(examples, str(series[0].result["predictor"]))
        handles = PANELS[kind](figure, series, pairs)
        _add_legend(figure, handles, ["\n".join(part) for part in lines])
    return figure


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
    kind: Kind = "accuracy",
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
    figure = draw_figure(results, kind, width, examples=table)
    made_of = [f"{label}={fingerprint(path)}" for label, path in paths.items()]
    description = f"conceptstats {__version__} eval figure --kind {kind} {' '.join(made_of)}"
    for output in outputs:
        save_figure(figure, output, description=description, overwrite=overwrite)


def _check(
    results: Mapping[str, Mapping[str, Any]], kind: str, width: float, examples: pa.Table | None
) -> None:
    if kind not in get_args(Kind):
        raise ParameterError(f"kind is {kind!r}, expected {', '.join(get_args(Kind))}.")
    if not _WIDTHS[0] <= width <= _WIDTHS[1]:
        raise ParameterError(
            f"the width is {width} inches, expected {_WIDTHS[0]} to {_WIDTHS[1]}.",
            "3.4 is a column of a paper, 7 a page",
        )
    if not 0 < len(results) <= MOST_RESULTS:
        raise ParameterError(f"{len(results)} results, expected 1 to {MOST_RESULTS} in a figure.")
    for label, result in results.items():
        check_result(result, label)
    if shuffled := [label for label, result in results.items() if is_shuffle(result)]:
        raise ParameterError(
            f"{shuffled[0]} is of eval shuffle, which has no bins to draw.",
            "conceptstats eval report takes it",
        )
    compared = [label for label, result in results.items() if is_comparison(result)]
    if compared and (kind != "accuracy" or len(compared) < len(results)):
        raise ParameterError(
            f"{compared[0]} is a comparison of two worlds, which goes with other comparisons into "
            "a figure of kind accuracy only."
        )
    predictors = {str(result["predictor"]) for result in results.values()}
    if len(predictors) > 1 and kind == "accuracy":
        raise ParameterError(
            f"the results have different predictors: {', '.join(sorted(predictors))}.",
            "one axis can show one of them",
        )
    if examples is not None and (len(results) > 1 or compared or kind != "accuracy"):
        raise ParameterError("examples go with one result in a figure of kind accuracy.")


def _height(kind: Kind, width: float, series: list[Series]) -> float:
    height = _HEIGHTS[kind] + 0.25 * (width - COLUMN)
    if kind == "predictors":
        names = {row["name"] for one in series for row in one.result["predictors"]}
        height += len(names) * max(_PREDICTOR_ROW, 0.09 * (len(series) + 1))
    return height


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
