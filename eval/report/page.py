"""The page of a report: its parts, its template, and its scripts.

Everything is inside the page. A content security policy lets it load nothing from anywhere, and
run no script but the two of which it names the digest; text from captions and names is escaped by
the template, also in the data of the chart.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import altair
import vl_convert
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from .chart import MOST, Chart
from .pairs import Extremes
from .records import Made
from .tables import Table

_START = """
(() => {
  const spec = JSON.parse(document.getElementById("pairs-spec").textContent);
  const actions = {export: true, source: false, compiled: false, editor: false};
  vegaEmbed("#pairs-chart", spec, {mode: "vega-lite", renderer: "svg", ast: true, actions})
    .then(() => { document.getElementById("pairs-waiting").hidden = true; })
    .catch((error) => {
      document.getElementById("pairs-waiting").textContent = "The chart cannot be drawn: " + error;
    });
})();
"""


class Picture(NamedTuple):
    """A figure of the page."""

    kind: str
    title: str
    uri: str
    caption: str
    alt: str


class Details(NamedTuple):
    """What must be known of one result besides its numbers."""

    label: str
    notes: Sequence[str]
    terms: Table | None
    dropped: Sequence[tuple[str, str]]


class Frequencies(NamedTuple):
    """A result on how frequent concepts are."""

    label: str
    picture: Picture | None
    no_picture: str  # why
    table: Table


@dataclass(frozen=True, slots=True)
class Main:
    """What stands in a report on results of `eval correlate`."""

    label: str  # of the main result
    outcome: str  # what its means of outcomes are called
    finding: list[str]
    others: list[tuple[str, str]]  # label and effect of the other results
    differences: list[tuple[str, str]]  # label and sentence of comparisons of two worlds or models
    headline: Table
    shuffles: Table | None
    slopes: Table | None  # of two models on the same examples
    nothing: list[tuple[str, str]]  # label and sentence of results of shuffled data
    pictures: list[Picture]
    difference_pictures: list[Picture]
    bins: Table
    by_bins: Table
    predictors: Table


@dataclass(slots=True)
class Content:
    """Everything that stands in a report."""

    title: str
    intro: list[str]  # paragraphs
    main: Main | None
    frequencies: list[Frequencies]
    details: list[Details]
    records: list[Made]
    chart: Chart | None = None
    no_chart: str = ""  # why
    pairs: Extremes | None = None
    no_pairs: str = ""  # why


def render_page(content: Content) -> str:
    """The page as HTML; equal contents are equal pages."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = files(__package__).joinpath("report.html.jinja").read_text(encoding="utf-8")
    scripts = [_library(), _START] if content.chart else []
    return environment.from_string(template).render(
        content=content,
        policy=_policy(scripts),
        scripts=[Markup(script) for script in scripts],  # ours and altair's, not from data
        most=MOST,
    )


@cache
def _library() -> str:
    """Vega, Vega-Lite and their embedding as one script."""
    version = ".".join(altair.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", version)
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _policy(scripts: Sequence[str]) -> str:
    digests = [
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    ]
    allowed = " ".join(digests) or "'none'"
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"
