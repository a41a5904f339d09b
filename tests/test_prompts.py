"""Prompts of probes: templates, checks, retries, shares and records."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from messages import Messages

from conceptstats.class_names import ClassNames, class_names
from conceptstats.concat import concat
from conceptstats.errors import ConceptStatsError, OutputExistsError, ParameterError, TableError
from conceptstats.shards import Shard
from conceptstats.synth.prompts import run as module
from conceptstats.synth.prompts.checks import PromptCheck
from conceptstats.synth.prompts.run import write_prompts
from conceptstats.synth.prompts.wording import (
    Wanted,
    Writer,
    fill,
    first_line,
    read_templates,
    template_writer,
)
from conceptstats.table_files import load_table, save_table
from conceptstats.tables import PROBES, PROMPTS

KEYS = ["polar bear", "dog", "hot dog", "crane"]
ACCESSORIES = ["hat", "umbrella", "snowy"]


def save_probes(path: Path, keys: Sequence[str] = KEYS, **columns: Any) -> Path:
    rows = [
        {"probe_id": f"{key}+{other}", "key": key, "accessory": other, "class_index": place}
        | columns
        for place, key in enumerate(keys)
        for other in ACCESSORIES
    ]
    save_table(path, pa.Table.from_pylist(rows, schema=PROBES), PROBES)
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = load_table(path, PROMPTS).to_pylist()
    return rows


def speaking(says: Any) -> Writer:
    """A writer that says something of what is wanted."""
    return Writer("model", "m", {}, lambda wanted: [says(one) for one in wanted])


CLASSES = ClassNames(
    ("polar bear", "dog", "hot dog", "crane", "crane", "baluster / handrail"),
    (("ice bear",), ("hound",), (), ("hoist",), (), ()),
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Two Polar Bears, each with hats", None),
        ("an ice bear in a hat", None),
        ("", "is empty"),
        ("a bear in a hat", "does not name the key"),
        ("a polar bear in the snow", "does not name the accessory"),
        ("a polar bear with a hat beside a dog", "names another class: dog"),
        ("a polar bear with a hat and hounds near hot dogs", "names another class: dog, hot dog"),
        ("a polar bear with a hat at a handrail", "names another class: baluster / handrail"),
        ("a dogged polar bear in a bearhat hat", None),
    ],
)
def test_what_a_prompt_must_name(text: str, reason: str | None) -> None:
    """Key and accessory in any number, and no other class."""
    found = PromptCheck(CLASSES).problem(text, "polar bear", "hat", 0)
    shown = found and ": ".join(part for part in found if part)
    assert shown == reason


def test_the_longest_name_counts_and_twins_are_one() -> None:
    """A hot dog is no dog; a class of the same name is not another one."""
    check = PromptCheck(CLASSES)
    assert check.problem("a hot dog with a hat", "hot dog", "hat", 2) is None
    found = check.problem("a hot dog with a hat", "dog", "hat", 1)
    assert found is not None
    assert found.reason == "does not name the key"
    assert check.problem("a crane with a hat", "crane", "hat", 4) is None
    assert check.problem("a hoist with a hat", "crane", "hat", 4) is None


@pytest.mark.parametrize(("others", "class_index"), [([], 0), (["dog"], None)])
def test_a_reading_of_the_key_may_be_another_class(
    others: list[str], class_index: int | None
) -> None:
    """The bird, in the list of classes or not, is a kite where no other class is called so."""
    bird, text = "kite (bird of prey)", "a kite with a hat"
    classes = [bird] * (class_index == 0) + others
    assert PromptCheck(class_names(classes)).problem(text, bird, "hat", class_index) is None
    found = PromptCheck(class_names([*classes, "kite"])).problem(text, bird, "hat", class_index)
    assert found is not None
    assert found.reason == "does not name the key"


def test_templates_are_filled_with_the_right_article() -> None:
    """Only before the words themselves; braces elsewhere stay."""
    assert fill("A {key}, a {accessory} {x}.", "otter", "hat") == "An otter, a hat {x}."
    assert fill("{key} and {accessory}", "{accessory}", "a") == "{accessory} and a"


def test_the_first_line_is_taken() -> None:
    """Without quotes, empty lines and doubled blanks."""
    assert first_line('\n "A dog  in a hat." \n\nAnother.') == "A dog in a hat."
    assert first_line(" \n") == ""


def test_templates_give_a_prompt_of_every_probe(tmp_path: Path) -> None:
    """The schema, the order of the probes, several templates, and seeds of their own."""
    probes = save_probes(tmp_path / "probes.parquet")
    made = write_prompts(probes, tmp_path / "p.parquet", template_writer(), per_probe=3)
    table = load_table(made.output, PROMPTS)
    assert table.column_names == [*PROMPTS.names, "place", "number", "attempt"]
    assert (made.n, made.n_probes, made.n_probes_without, made.dropped) == (36, 12, 0, {})
    rows = table.to_pylist()
    assert [row["place"] for row in rows] == [place for place in range(12) for _ in range(3)]
    assert [row["number"] for row in rows] == [0, 1, 2] * 12
    assert len({row["seed"] for row in rows}) == 36
    for row in rows:
        key, accessory = row["probe_id"].split("+")
        assert key in row["prompt"]
        assert accessory in row["prompt"]
        assert (row["source"], row["model"]) == ("template", None)
    heads = Counter(row["prompt"].split()[1] for row in rows)
    assert len(heads) >= 4


def test_templates_of_a_file(tmp_path: Path) -> None:
    """One a line; each must hold both words."""
    path = tmp_path / "templates.txt"
    path.write_text("a {key} by a {accessory}\n\n{accessory}: {key}\n", encoding="utf-8")
    assert read_templates(path) == ["a {key} by a {accessory}", "{accessory}: {key}"]
    path.write_text("a {key}\n")
    with pytest.raises(ParameterError, match=r"lacks \{key\} or \{accessory\}"):
        read_templates(path)
    path.write_text("\n")
    with pytest.raises(ParameterError, match="no template"):
        read_templates(path)


def test_a_prompt_depends_on_its_probe_alone(tmp_path: Path) -> None:
    """Not on order, neighbours or share: shares put together are the whole, row by row."""
    probes = save_probes(tmp_path / "probes.parquet")
    whole = write_prompts(probes, tmp_path / "whole.parquet", template_writer(), per_probe=2)
    shares = []
    for i in range(3):
        path = tmp_path / f"{i}.parquet"
        write_prompts(probes, path, template_writer(), per_probe=2, shard=Shard(i, 3))
        shares.append(path)
    made = concat([shares[i] for i in (1, 2, 0)], tmp_path / "all.parquet")
    assert load_table(made.output, PROMPTS).equals(load_table(whole.output, PROMPTS))
    table = load_table(probes, PROBES)
    save_table(tmp_path / "turned.parquet", table.take(list(range(11, 2, -1))), PROBES)
    turned = write_prompts(tmp_path / "turned.parquet", tmp_path / "t.parquet", template_writer(),
                           per_probe=2)  # fmt: skip
    known = {(row["probe_id"], row["number"]): row["prompt"] for row in rows_of(whole.output)}
    assert all(
        known[row["probe_id"], row["number"]] == row["prompt"] for row in rows_of(turned.output)
    )
    other = write_prompts(
        probes, tmp_path / "other.parquet", template_writer(), per_probe=2, seed=1
    )
    assert [row["prompt"] for row in rows_of(other.output)] != list(known.values())


def test_unfit_prompts_are_tried_again_then_dropped_and_counted(tmp_path: Path) -> None:
    """Every wanted prompt is in the table or in the record, with its reason.

    Of 12 probes the writer gives the 3 of "dog" nothing but a crane, and all others a fit prompt
    at the third attempt.
    """
    probes = save_probes(tmp_path / "probes.parquet")
    asked: Counter[str] = Counter()

    def says(one: Wanted) -> str:
        asked[one.item] += 1
        if one.key == "dog":
            return f"a dog with a {one.accessory} and cranes"
        return f"{one.key} {one.accessory}" if asked[one.item] == 3 else one.key

    made = write_prompts(probes, tmp_path / "p.parquet", speaking(says), retries=2)
    assert (made.n, made.n_probes_without, made.n_retried) == (9, 3, 9)
    assert made.dropped == {"names another class": 3}
    assert set(asked.values()) == {3}
    assert {row["attempt"] for row in rows_of(made.output)} == {2}
    record = json.loads((tmp_path / "p.parquet.run.json").read_text())
    assert record["n_dropped"] == made.dropped
    assert record["dropped"][0] == ["dog+hat", 0, "names another class", "crane",
                                    "a dog with a hat and cranes"]  # fmt: skip
    assert len(record["dropped"]) == 3
    assert record["arguments"]["retries"] == 2


def test_each_attempt_has_its_own_seed(tmp_path: Path) -> None:
    """And each number too."""
    probes = save_probes(tmp_path / "probes.parquet")
    seeds: list[int] = []

    def says(one: Wanted) -> str:
        seeds.append(one.seed)
        return f"{one.key} {one.accessory}" if len(seeds) > 24 else "no"

    write_prompts(probes, tmp_path / "p.parquet", speaking(says), per_probe=2, retries=1)
    assert len(seeds) == len(set(seeds)) == 48


def test_nothing_fit_is_an_error(tmp_path: Path) -> None:
    """It says why, and shows one."""
    probes = save_probes(tmp_path / "probes.parquet")
    with pytest.raises(TableError, match=r"none of 12 .*does not name the key \(12\).*'Sorry'"):
        write_prompts(probes, tmp_path / "p.parquet", speaking(lambda _: "Sorry"), retries=0)
    assert not (tmp_path / "p.parquet").exists()


def test_a_share_may_have_no_prompt(tmp_path: Path) -> None:
    """Of more shares than probes, or where all are dropped: shares still make the whole."""
    probes = save_probes(tmp_path / "probes.parquet", ["dog"])

    def says(one: Wanted) -> str:
        return one.key if one.accessory == "hat" else f"{one.key} {one.accessory}"

    shares = []
    for i in range(4):
        share = write_prompts(probes, tmp_path / f"{i}.parquet", speaking(says), shard=Shard(i, 4))
        shares.append((share.n, share.n_probes, sum(share.dropped.values())))
    assert shares == [(0, 1, 1), (1, 1, 0), (1, 1, 0), (0, 0, 0)]
    whole = write_prompts(probes, tmp_path / "whole.parquet", speaking(says))
    made = concat([tmp_path / f"{i}.parquet" for i in range(4)], tmp_path / "all.parquet")
    assert load_table(made.output, PROMPTS).equals(load_table(whole.output, PROMPTS))


def test_a_killed_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finished parts are not written again, and the result is that of one run."""
    monkeypatch.setattr(module, "_PART", 5)
    probes = save_probes(tmp_path / "probes.parquet")
    writer = template_writer()
    whole = write_prompts(probes, tmp_path / "whole.parquet", writer)
    asked: list[str] = []

    class Killed(BaseException):
        pass

    def stops(wanted: Sequence[Wanted]) -> list[str]:
        if len(asked) == 10:
            raise Killed
        asked.extend(one.item for one in wanted)
        return writer.write(wanted)

    half = Writer("template", None, writer.settings, stops)
    with pytest.raises(Killed):
        write_prompts(probes, tmp_path / "p.parquet", half)
    progress = Messages()

    def goes_on(wanted: Sequence[Wanted]) -> list[str]:
        asked.extend(one.item for one in wanted)
        return writer.write(wanted)

    rest = Writer("template", None, writer.settings, goes_on)
    made = write_prompts(probes, tmp_path / "p.parquet", rest, progress=progress)
    assert progress.said == ["going on with an unfinished run: 2 parts are done"]
    assert len(asked) == len(set(asked)) == 12
    assert load_table(made.output, PROMPTS).equals(load_table(whole.output, PROMPTS))
    records = [(tmp_path / f"{name}.parquet.run.json").read_text() for name in ("whole", "p")]
    assert records[0] == records[1]


def test_classes_must_be_those_of_the_probes(tmp_path: Path) -> None:
    """An index of a class means nothing in another list; probes without one go by name."""
    probes = save_probes(tmp_path / "probes.parquet")
    with pytest.raises(ParameterError, match=r"'dog' is class 1 of the probes, which is 'cat'"):
        write_prompts(probes, tmp_path / "p.parquet", template_writer(),
                      classes=class_names(["polar bear", "cat", "hot dog", "crane"]))  # fmt: skip
    free = save_probes(tmp_path / "free.parquet", class_index=None)
    made = write_prompts(free, tmp_path / "p.parquet", template_writer(), classes=CLASSES)
    assert made.n == 12


def test_without_classes_the_keys_are_the_classes(tmp_path: Path) -> None:
    """Of all probes, not of one share."""
    probes = save_probes(tmp_path / "probes.parquet")

    def says(one: Wanted) -> str:
        also = " and a crane" if one.accessory == "hat" else " and a truck"
        return f"{one.key} {one.accessory}{also}"

    made = write_prompts(probes, tmp_path / "p.parquet", speaking(says), shard=Shard(0, 12 // 3))
    assert made.dropped == {"names another class": 1}


@pytest.mark.parametrize("options", [{"per_probe": 0}, {"retries": -1}, {"seed": -1}])
def test_numbers_out_of_range_are_errors(tmp_path: Path, options: dict[str, int]) -> None:
    """The error names the parameter."""
    probes = save_probes(tmp_path / "probes.parquet")
    with pytest.raises(ParameterError, match=next(iter(options))):
        write_prompts(probes, tmp_path / "p.parquet", template_writer(), **options)  # type: ignore[arg-type]


def test_bad_probes_and_outputs_are_errors(tmp_path: Path) -> None:
    """Twice the same probe, none at all, an output that exists."""
    probes = save_probes(tmp_path / "probes.parquet", ["dog", "dog"])
    with pytest.raises(TableError, match=r"'dog\+hat' stands more than once"):
        write_prompts(probes, tmp_path / "p.parquet", template_writer())
    save_table(tmp_path / "none.parquet", PROBES.empty_table(), PROBES)
    with pytest.raises(TableError, match="has no probes"):
        write_prompts(tmp_path / "none.parquet", tmp_path / "p.parquet", template_writer())
    with pytest.raises(OutputExistsError):
        write_prompts(probes, probes, template_writer())
    with pytest.raises(ConceptStatsError, match="does not end in"):
        write_prompts(probes, tmp_path / "p.txt", template_writer())


def test_the_command(tmp_path: Path) -> None:
    """Facts in words and in JSON; a share is a part of them; both sources at once are an error."""
    probes = save_probes(tmp_path / "probes.csv")
    templates = tmp_path / "templates.txt"
    templates.write_text("a {key} with {accessory} near a dog\n", encoding="utf-8")
    command = [sys.executable, "-c", "from conceptstats.cli import main; main()", "synth",
               "prompts", str(probes), "--templates", str(templates), "--retries", "0"]  # fmt: skip
    output = tmp_path / "p.csv"
    done = subprocess.run([*command, "-o", str(output), "--json"], capture_output=True, text=True,
                          check=True)  # fmt: skip
    expected = {"output": str(output), "n": 3, "n_probes": 12, "n_probes_without": 9,
                "n_retried": 0, "n_dropped": 9, "dropped": {"names another class": 9}}  # fmt: skip
    assert json.loads(done.stdout) == expected
    done = subprocess.run([*command, "-o", str(tmp_path / "share.csv"), "--shard", "1/4"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert "dropped: names another class  2" in done.stdout
    done = subprocess.run([*command, "-o", str(tmp_path / "x.csv"), "--model", "m"],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 1
    assert "both a model and templates" in done.stderr
