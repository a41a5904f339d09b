"""Pages of reports taken apart, and results to make them of."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
from example_tables import QUICK, make_examples

from conceptstats.eval.statistics.correlate import correlate_file
from conceptstats.runs import run_record
from conceptstats.table_files import save_table
from conceptstats.tables import EXAMPLES

VOID = {"meta", "link", "img", "br", "hr", "input"}


@dataclass
class Page(HTMLParser):
    """A page taken apart."""

    html: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        """Read the page."""
        super().__init__()
        self.open: list[str] = []
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep its attributes."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        """It closes what was opened last."""
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        """Keep scripts, styles and text apart."""
        if "script" in self.open:
            self.scripts[-1] += data
        elif "style" in self.open:
            self.styles.append(data)
        else:
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """Attributes of all elements of a name."""
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def words(self) -> str:
        """Text with single blanks."""
        return " ".join(self.text.split())

    @property
    def spec(self) -> dict[str, Any]:
        """The chart."""
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found

    @property
    def dots(self) -> list[dict[str, Any]]:
        """Data of the chart."""
        found: list[dict[str, Any]] = max(self.spec["datasets"].values(), key=len)
        return found


def write_run(folder: Path, examples: pa.Table | None = None, seed: int = 0) -> Path:
    """Examples with their record, and the result of them."""
    if examples is None:
        examples = make_examples(seed)
    place, result = folder / f"examples{seed}.parquet", folder / f"result{seed}.json"
    record = run_record("eval join", {"made by": "the test"}, {"predictions.parquet": "sha256:0"})
    save_table(place, examples, EXAMPLES, record=record)
    correlate_file(place, result, cluster="class", n_bins=8, **QUICK)
    return result
