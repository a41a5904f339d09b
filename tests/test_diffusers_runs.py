"""`synth generate --backend diffusers` by the command line: the same pixels however it is run."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from tiny_diffusers import write_tiny_flux, write_tiny_sd

from conceptstats.cli import cli
from conceptstats.shards import Shard
from conceptstats.synth import generate_cli
from conceptstats.synth.generate import Generated
from conceptstats.synth.picture_folder import MADE
from conceptstats.table_files import load_table, save_table
from conceptstats.tables import PROBES, PROMPTS

PAIRS = [("bus", "apple"), ("car", "hat"), ("mug", "book"), ("cup", "sun")]
MAIN = [sys.executable, "-c", "from conceptstats.cli import main; main()"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with probes, prompts, a FLUX and two Stable Diffusions."""
    folder = tmp_path_factory.mktemp("place")
    rows = [{"probe_id": f"{k}-{a}", "key": k, "accessory": a} for k, a in PAIRS]
    save_table(folder / "probes.parquet", pa.Table.from_pylist(rows, PROBES), PROBES)
    texts = [
        {"probe_id": row["probe_id"], "prompt": f"{word} {row['key']}, {row['accessory']}"}
        for row in rows
        for word in ("red", "blue")
    ]
    save_table(folder / "prompts.parquet", pa.Table.from_pylist(texts, PROMPTS), PROMPTS)
    write_tiny_flux(folder / "flux")
    write_tiny_sd(folder / "sd")
    write_tiny_sd(folder / "watchful", watchful=True)
    return folder


def command(place: Path, output: Path, *more: str, model: str = "flux") -> list[str]:
    """Two pictures a probe, in bf16, where batches show in the last bits."""
    size = ["--width", "64", "--height", "64"] if model == "flux" else []
    return [
        *("synth", "generate", str(place / "probes.parquet"), "--backend", "diffusers"),
        *("--model", str(place / model), "--precision", "bf16", "--device", "cpu"),
        *("--steps", "3", "--per-probe", "2", "-o", str(output), "--json", *size, *more),
    ]


def invoke(arguments: list[str]) -> Result:
    return CliRunner().invoke(cli, arguments)


def run(arguments: list[str]) -> dict[str, Any]:
    """What the command prints."""
    done = invoke(arguments)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def digests(output: Path) -> dict[str, str]:
    """SHA-256 of each picture by its id, as the table says."""
    table = load_table(output / "images.parquet", MADE)
    return dict(zip(table["image_id"].to_pylist(), table["sha256"].to_pylist(), strict=True))


def assert_same(one: Path, other: Path) -> None:
    """Two folders have the same files with the same bytes."""
    names = {path.relative_to(one) for path in one.rglob("*")}
    assert names == {path.relative_to(other) for path in other.rglob("*")}
    files = [str(name) for name in names if (one / name).is_file()]
    assert len(files) == 2 + 8
    _, different, errors = filecmp.cmpfiles(one, other, files, shallow=False)
    assert (different, errors) == ([], [])


@pytest.fixture(scope="module")
def whole(place: Path) -> dict[str, Path]:
    """One run from beginning to end, one picture at a time, of each model."""
    for model in ("flux", "sd"):
        found = run(command(place, place / f"of-{model}", "--batch-size", "1", model=model))
        assert (found["n"], found["n_failed"], found["complete"]) == (8, 0, True)
    return {model: place / f"of-{model}" for model in ("flux", "sd")}


@pytest.mark.parametrize("model", ["flux", "sd"])
def test_batch_size_changes_no_pixel(
    place: Path, whole: dict[str, Path], tmp_path: Path, model: str
) -> None:
    """1 and 4 give the same bytes; only --batched lets batches show, and says so in the record."""
    run(command(place, tmp_path / "four", "--batch-size", "4", model=model))
    assert_same(tmp_path / "four", whole[model])
    run(command(place, tmp_path / "batched", "--batch-size", "4", "--batched", model=model))
    assert not digests(tmp_path / "batched").items() & digests(whole[model]).items()
    record = json.loads((tmp_path / "batched" / "images.parquet.run.json").read_text("ascii"))
    assert record["arguments"]["batched"] == 4


@pytest.mark.parametrize("model", ["flux", "sd"])
def test_three_shares_give_what_one_run_gives(
    place: Path, whole: dict[str, Path], tmp_path: Path, model: str
) -> None:
    """In one folder, whatever comes last."""
    for index in (1, 2, 0):
        found = run(command(place, tmp_path / "out", "--shard", f"{index}/3", model=model))
    assert found["complete"]
    assert_same(tmp_path / "out", whole[model])


def test_a_killed_run_goes_on(place: Path, whole: dict[str, Path], tmp_path: Path) -> None:
    """Killed with signal 9 as soon as three pictures are there; the end is the same."""
    output = tmp_path / "out"
    process = subprocess.Popen([*MAIN, *command(place, output)], stdout=subprocess.PIPE)
    ends = time.monotonic() + 120
    while len(list(output.rglob("*/*.png"))) < 3 and process.poll() is None:
        assert time.monotonic() < ends
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert process.returncode == -9
    kept = {path: path.stat().st_mtime_ns for path in output.rglob("[0-9]*.png")}
    assert 3 <= len(kept) < 8
    found = run(command(place, output))
    assert found["n"] == 8
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert_same(output, whole["flux"])


def test_processes_of_a_launch_share_the_work(
    place: Path, whole: dict[str, Path], tmp_path: Path
) -> None:
    """As `accelerate launch` and torchrun set the environment; the first alone prints."""
    output = tmp_path / "out"
    processes = [
        subprocess.Popen(
            [*MAIN, *command(place, output)],
            env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    (first, _), (second, errors) = (process.communicate(timeout=200) for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert json.loads(first)["shard"] == "0/2"
    assert (second, errors) == ("", "")
    assert_same(output, whole["flux"])


def test_prompts_and_arguments_of_a_preset(place: Path, tmp_path: Path) -> None:
    """Prompts in turn; options win over the preset, and --set over both."""
    prompts = ["--prompts", str(place / "prompts.parquet"), "--preset", "genpairs"]
    run(command(place, tmp_path / "out", *prompts, "--set", "true_cfg_scale=1"))
    table = load_table(tmp_path / "out" / "images.parquet", MADE)
    assert table["prompt"].to_pylist()[:3] == ["red bus, apple", "blue bus, apple", "red car, hat"]
    record = json.loads((tmp_path / "out" / "images.parquet.run.json").read_text("ascii"))
    assert record["arguments"]["pipeline"] == "FluxPipeline"
    assert record["arguments"]["template"] is None
    assert record["arguments"]["arguments"] == {
        "width": 64,
        "height": 64,
        "num_inference_steps": 3,
        "guidance_scale": 5.0,
        "max_sequence_length": 512,
        "true_cfg_scale": 1,
    }
    assert {"diffusers", "transformers", "torch"} <= record["versions"].keys()


def test_a_preset_for_another_pipeline(place: Path, tmp_path: Path) -> None:
    """Stable Diffusion takes not all that the preset gives, which the user has not."""
    done = invoke(command(place, tmp_path / "out", "--preset", "genpairs", model="sd"))
    assert done.exit_code == 1
    assert "takes no argument 'max_sequence_length', which is of the preset genpairs" in str(
        done.exception
    )
    assert "leave out --preset genpairs, which is for black-forest-labs/FLUX.1-dev" in str(
        done.exception
    )
    done = invoke(command(place, tmp_path / "out", "--max-sequence-length", "9", model="sd"))
    assert "takes no argument 'max_sequence_length' here" in str(done.exception)


def test_pictures_that_are_all_replaced_are_an_error(place: Path, tmp_path: Path) -> None:
    """The safety checker's black pictures never end up in a table."""
    done = invoke(command(place, tmp_path / "out", model="watchful"))
    assert done.exit_code == 1
    assert "none of 8 pictures could be made: the safety checker has replaced it" in str(
        done.exception
    )
    assert not (tmp_path / "out").exists()


def test_sizes_that_a_pipeline_refuses(place: Path, tmp_path: Path) -> None:
    """What the pipeline says of it is the reason."""
    done = invoke(command(place, tmp_path / "out", "--width", "33", "--height", "32", model="sd"))
    assert done.exit_code == 1
    assert "ValueError: `height` and `width` have to be divisible by 8" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "x"], "--model is not for --backend sprites"),
        (["--set", "a=1"], "--set is not for --backend sprites"),
        (["--device", "cpu"], "--device is not for --backend sprites"),
        (["--backend", "diffusers"], "needs a --model or a --preset"),
        (["--backend", "diffusers", "--workers", "2"], "--workers is not for --backend diffusers"),
    ],
)
def test_options_of_the_other_backend(
    place: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    """Wrong usage, with nothing written."""
    shared = ["synth", "generate", str(place / "probes.parquet"), "-o", str(tmp_path / "out")]
    done = invoke([*shared, *arguments])
    assert done.exit_code == 2
    assert message in done.output
    assert not (tmp_path / "out").exists()


def test_mistakes_come_up_before_a_model_is_loaded(place: Path, tmp_path: Path) -> None:
    """Probes that are not there, and a finished output: the model is not even looked for."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x.png").write_bytes(b"x")
    arguments = command(place, tmp_path / "mine", model="nowhere/at/all")
    assert "mine exists" in str(invoke(arguments).exception)
    arguments[2] = str(tmp_path / "none.csv")
    assert "none.csv is missing" in str(invoke(arguments).exception)


def test_what_libraries_log_is_not_shown(place: Path, tmp_path: Path) -> None:
    """In a process of its own, in which they begin to log as they are imported."""
    folder = shutil.copytree(place / "sd", tmp_path / "model")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    arguments = [*command(place, tmp_path / "out"), "--model", str(folder)]
    done = subprocess.run([*MAIN, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["Error", "Hint"]


def test_long_prompts_are_said(place: Path, tmp_path: Path) -> None:
    """Before pictures are made, and at the end."""
    probes = tmp_path / "probes.csv"
    probes.write_text(f"probe_id,key,accessory\na,bus,{'x' * 80}\n", encoding="utf-8")
    arguments = [x for x in command(place, tmp_path / "out", model="sd") if x != "--json"]
    arguments[2] = str(probes)
    done = invoke(arguments)
    assert done.exit_code == 0, done.output
    assert "prompts that are longer than the model reads: 1; the first is" in done.stderr
    assert done.stdout.splitlines()[-1].split() == ["prompts", "read", "in", "part", "1"]


def test_failures_are_said_with_what_helps(capsys: pytest.CaptureFixture[str]) -> None:
    """The first ten of them, where all are, and that the same command tries them again."""
    failures = tuple((f"bus-{number}", "it is black") for number in range(12))
    found = Generated(Path("images.parquet"), 3, failures, (), (), Shard(), complete=True)
    generate_cli._show(found)
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if line.endswith(": it is black")]) == 10
    assert "2 more; see failures.parquet" in lines[-2]
    assert "without --overwrite, tries them again" in lines[-1]


def test_a_model_that_cannot_be_had(place: Path, tmp_path: Path) -> None:
    """Without a network it is one line and a hint, and nothing of what libraries say."""
    arguments = [*command(place, tmp_path / "out"), "--model", "org/name"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [*MAIN, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "Error: org/name cannot be loaded: there is no folder of that name, it is not in the "
        "cache, and the hub cannot be reached.",
        "Hint: without a network: get its files elsewhere, and name their folder",
    ]
