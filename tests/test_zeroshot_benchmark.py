"""The benchmark of zero-shot classification holds two loops against each other that agree."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_both_loops_find_the_same_pictures_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    """On the same pictures with the same model; each stage by itself takes some time."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    bench: Any = import_module("zeroshot")
    images = bench.make_images(tmp_path, 40, 0)
    model = bench.make_model("tiny", precision, torch.device("cpu"), False, images)
    ours = bench.run_ours(model, images, 0)
    theirs = bench.run_theirs(model, images, 0)  # its logits have the bits of the precision
    assert ours == pytest.approx(theirs, abs=0 if precision == "fp32" else 0.05)
    assert 0 < ours < 1
    assert min(bench.stages(model, images, 8).values()) >= 0
