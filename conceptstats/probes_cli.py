"""The commands `conceptstats concepts | probes`: parse, call, print. No logic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from conceptstats.class_names import ClassNames
from conceptstats.name_options import Accessories, Classes, accessories_option, key_match_option
from conceptstats.options import json_option, overwrite_option, quiet_option
from conceptstats.printing import print_facts, print_json, print_table


@click.command(
    epilog="Example: conceptstats probes IDX --keys dog,cat,bus,car --min-count 50 "
    "--min-expected 1 -o probes.parquet. The column matched says which probes have the key and "
    "frequency that all strata aim at."
)
@click.argument("index", type=click.Path(path_type=Path))
@click.option(
    "--keys",
    "classes",
    type=Classes(),
    required=True,
    help="Names of the classes, in their order: a file with one a line (synonyms behind tabs, ids "
    "of WordNet in front, or JSON), imagenet, or names with commas. An empty line keeps the place "
    "of a class that is left out.",
)
@key_match_option
@click.option(
    "--missing",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do when a class is no concept of the index as a whole: polar bear is none where "
    "single words are counted, see `conceptstats concepts`.",
)
@accessories_option
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Table to write.",
)
@click.option(
    "--strata",
    "n_strata",
    default=20,
    show_default=True,
    help="Levels of PMI, of equal width; stratum 0, never seen together, comes besides.",
)
@click.option(
    "--per-stratum",
    default=24,
    show_default=True,
    help="Probes in a stratum. With a multiple of the number of keys each key has as many in "
    "every stratum.",
)
@click.option(
    "--unseen", "n_unseen", type=int, help="Probes in stratum 0. [default: as --per-stratum]"
)
@click.option(
    "--min-count",
    default=1,
    show_default=True,
    help="Least captions of a key, and of an accessory.",
)
@click.option(
    "--min-expected",
    default=0.0,
    show_default=True,
    help="Leave out pairs with fewer captions expected by chance, n_key n_accessory / n: their "
    "PMI is mostly noise. Of a pair with 0.01 expected it says little that it was never seen; "
    "with 3 or more that is beyond chance (5%).",
)
@click.option(
    "--match/--no-match",
    default=True,
    show_default=True,
    help="Match the frequencies of keys and accessories between strata, or draw at random.",
)
@click.option("--all", "take_all", is_flag=True, help="Every pair with its stratum; no selection.")
@click.option("--seed", default=0, show_default=True, help="Of the draw.")
@overwrite_option
@quiet_option
@json_option
def probes(
    index: Path,
    classes: ClassNames,
    output: Path,
    take_all: bool,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Choose pairs to probe: even over PMI, with matched frequencies of single concepts."""
    from conceptstats.class_probes import select_class_probes
    from conceptstats.index import CaptionIndex
    from conceptstats.runs import run_record
    from conceptstats.table_files import check_output, fingerprint, save_table
    from conceptstats.tables import PROBES

    check_output(output, overwrite=overwrite)
    if take_all:
        options["per_stratum"] = None
    opened = CaptionIndex.open(index)
    selected = select_class_probes(opened, classes, **options)
    seed = options.pop("seed")
    arguments = {"keys": list(classes.names), "synonyms": list(classes.synonyms), **options}
    record = run_record("probes", arguments, {str(index): fingerprint(index)}, seed)
    save_table(output, selected.table, PROBES, record=record, overwrite=overwrite)
    rows = selected.balance.to_pylist()
    if as_json:
        found = {"output": str(output), "n_probes": selected.table.num_rows}
        print_json({**found, "balance": rows, "notes": selected.notes})
        return
    print_table(rows, selected.balance.column_names)
    click.echo(f"\n{selected.table.num_rows:,} probes in {output}")
    if not quiet:
        for note in selected.notes:
            click.echo(note, err=True)


@click.command(
    epilog="Example: conceptstats concepts classes.txt --index WORDS --accessories "
    "accessories.parquet -o concepts.txt"
)
@click.argument("classes", type=Classes())
@click.option(
    "--synonyms",
    type=Classes(),
    help="Other names of the same classes, in the same order: a file as for CLASSES, such as "
    "ImageNet's own list of WordNet ids and names.",
)
@click.option(
    "--accessories",
    type=Accessories(),
    help="What is counted besides: a table of `conceptstats synth accessories`, a file with one a "
    "line, or names with commas. [default: none]",
)
@click.option(
    "--index",
    type=click.Path(path_type=Path),
    help="Index of words over the same captions: its plurals and other forms of the last words "
    "are listed too.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Concept file to write: one concept a line, its other phrases behind tabs.",
)
@overwrite_option
@quiet_option
@json_option
def concepts(
    classes: ClassNames,
    synonyms: ClassNames | None,
    accessories: list[str] | None,
    index: Path | None,
    output: Path,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """List classes of several words, and accessories, as concepts to count.

    CLASSES is a file with one class a line (synonyms behind tabs, ids of WordNet in front, or
    JSON), imagenet, or names with commas. The list is for `index build --profile concepts`; it is
    plain text, to be read and changed. Without accessories it is also a list of classes with their
    synonyms, in the same order: an empty line stands for a class of an earlier one's name.

    From captions to probes of classes:

    \b
    conceptstats index build CAPTIONS -o WORDS
    conceptstats concepts imagenet --synonyms LIST --index WORDS -o classes.txt
    conceptstats synth accessories WORDS --classes classes.txt -o a.parquet
    conceptstats concepts classes.txt --index WORDS --accessories a.parquet -o all.txt
    conceptstats index build CAPTIONS -o INDEX --profile concepts --concepts all.txt
    conceptstats probes INDEX --keys classes.txt --accessories a.parquet -o p.parquet
    """  # noqa: D301 (click takes the character of a backspace for: as it stands)
    from conceptstats.concept_list import make_concept_list

    found = make_concept_list(
        classes,
        output,
        synonyms=synonyms,
        accessories=accessories or [],
        index=index,
        overwrite=overwrite,
    )
    facts = {
        "output": str(output),
        "classes": sum(map(bool, found.classes)),
        "accessories": len(found.accessories),
        "phrases": sum(map(len, (*found.classes, *found.accessories))),
    }
    if as_json:
        print_json({**facts, "notes": found.notes})
        return
    print_facts(facts)
    if not quiet:
        for note in found.notes:
            click.echo(note, err=True)
