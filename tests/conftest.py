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


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail when a test was skipped although CONCEPTSTATS_NO_SKIPS is set."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CONCEPTSTATS_NO_SKIPS") and reporter and reporter.stats.get("skipped"):
        reporter.write_line("A test was skipped, and CONCEPTSTATS_NO_SKIPS is set: failed.")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
