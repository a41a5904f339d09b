"""Results in parts beside an output: kept by a run that stops, taken over by the same run."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from messages import Messages

from conceptstats.errors import ConceptStatsError, OutputError
from conceptstats.parts import unfinished
from conceptstats.progress import Silent

SCHEMA = pa.schema([("n", pa.int64())])
PLAN: dict[str, Any] = {"model": "a", "size": (3, 4)}


def stop_after(output: Path, *numbers: int) -> None:
    """A run that writes these parts, and is interrupted."""
    with (
        pytest.raises(KeyboardInterrupt),
        unfinished(output, PLAN, SCHEMA, Silent()) as parts,
    ):
        for number in numbers:
            parts.write(number, pa.table({"n": [number]}, SCHEMA))
        raise KeyboardInterrupt


def test_a_run_goes_on_with_the_parts_of_the_same_plan(tmp_path: Path) -> None:
    """Parts are in order, an array is made once, and all are gone at the end."""
    output = tmp_path / "out.parquet"
    stop_after(output, 0, 1)
    told = Messages()
    with unfinished(output, dict(PLAN), SCHEMA, told) as parts:
        assert parts.n_done == 2
        parts.write(2, pa.table({"n": [2]}, SCHEMA))
        assert parts.read()["n"].to_pylist() == [0, 1, 2]
        for value in (1.0, 2.0):
            array = parts.array("text", lambda value=value: np.full(2, value, np.float32))
            assert array.tolist() == [1.0, 1.0]
    assert told.said == ["going on with an unfinished run: 2 parts are done"]
    assert list(tmp_path.iterdir()) == []


def test_one_part_is_one(tmp_path: Path) -> None:
    """What is said of it is in the singular."""
    stop_after(tmp_path / "out.parquet", 0)
    told = Messages()
    with unfinished(tmp_path / "out.parquet", dict(PLAN), SCHEMA, told):
        pass
    assert told.said == ["going on with an unfinished run: 1 part is done"]


def test_parts_of_another_plan_are_dropped(tmp_path: Path) -> None:
    """It says what has changed, settings that are gone among them."""
    output = tmp_path / "out.parquet"
    stop_after(output, 0)
    told = Messages()
    with unfinished(output, {"model": "b"}, SCHEMA, told) as parts:
        assert parts.n_done == 0
    (message,) = told.said
    assert message.endswith("these have changed: model, size")


def test_a_mistake_leaves_nothing_and_an_error_keeps_parts(tmp_path: Path) -> None:
    """A clear error before the first part is the user's; after it there is something to lose."""
    output = tmp_path / "out.parquet"
    for n in (0, 1):
        with (
            pytest.raises(ConceptStatsError),
            unfinished(output, PLAN, SCHEMA, Silent()) as parts,
        ):
            for number in range(n):
                parts.write(number, pa.table({"n": [number]}, SCHEMA))
            raise ConceptStatsError("no")
        assert len(list(tmp_path.iterdir())) == n


def test_two_processes_do_not_write_one_output(tmp_path: Path) -> None:
    """The second is told, and the first loses nothing."""
    output = tmp_path / "out.parquet"
    stop_after(output, 0)
    with (tmp_path / ".out.parquet.parts" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with (
            pytest.raises(OutputError, match="another process is writing"),
            unfinished(output, PLAN, SCHEMA, Silent()),
        ):
            pass
    with unfinished(output, PLAN, SCHEMA, Silent()) as parts:
        assert parts.n_done == 1
