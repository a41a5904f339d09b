from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_kernels_are_plain_python_too() -> None:
    """The kernels' tests on small input pass as well with numba's compiler switched off."""
    folder = Path(__file__).parent
    # NumPy's scalars warn where a hash overflows, which compiled code does without a word.
    tests = [str(folder / "test_text_kernels.py"), "-k", "small", "-W", "ignore::RuntimeWarning"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=folder.parent,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert " passed" in run.stdout
