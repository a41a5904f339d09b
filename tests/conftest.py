"""Fixtures that several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def test_data() -> Path:
    """Folder of third-party test data, which is no part of the project."""
    folder = os.environ.get("CONCEPTSTATS_TEST_DATA")
    if folder is None:
        pytest.skip("CONCEPTSTATS_TEST_DATA is not set")
    return Path(folder)
