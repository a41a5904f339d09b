"""Write the PMI of every pair to a file of the user's."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from conceptstats import tables
from conceptstats.errors import ParameterError
from conceptstats.index.caption_index import CaptionIndex, Formula


def export_pmi(
    index: CaptionIndex,
    output: str | Path,
    *,
    formula: Formula = "document",
    min_count: int = 1,
    overwrite: bool = False,
) -> int:
    """Write `tables.PMI` of every pair that was seen, sorted by frequency of its concepts.

    Parameters
    ----------
    index : CaptionIndex
    output : path
        ``.parquet`` or ``.csv``.
    formula : {"document", "paper"}
    min_count : int
        Least captions with both.
    overwrite : bool

    Returns
    -------
    int
        Pairs written.

    Raises
    ------
    ParameterError
        When the name ends otherwise.
    OutputExistsError, OutputError
    """
    output = Path(output)
    if output.suffix not in (".parquet", ".csv"):
        raise ParameterError(
            f"{output} is neither .parquet nor .csv.", "choose a name that ends in one of these"
        )
    n_rows = 0
    with tables.writing(output, overwrite=overwrite) as partial:
        writer: pq.ParquetWriter | pa_csv.CSVWriter
        if output.suffix == ".csv":
            writer = pa_csv.CSVWriter(str(partial), tables.PMI)
        else:
            writer = pq.ParquetWriter(str(partial), tables.PMI)
        with writer:
            for batch in index.pmi_table(formula=formula, min_count=min_count):
                writer.write_table(_nan_as_null(batch))
                n_rows += batch.num_rows
    return n_rows


def _nan_as_null(table: pa.Table) -> pa.Table:
    """Undefined values, such as the npmi of formula "paper", as nulls."""
    at = table.schema.get_field_index("npmi")
    column = table.column(at).combine_chunks()
    return table.set_column(at, "npmi", pc.if_else(pc.is_nan(column), None, column))
