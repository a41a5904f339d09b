"""Progress on standard error: what is shown, and when nothing is."""

from __future__ import annotations

import io

import pytest

from conceptstats import progress
from conceptstats.progress import Bar, Silent, terminal_progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands at the number in the list."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_bar_shows_rate_and_time_left(clock: list[float]) -> None:
    """After ten seconds and a quarter of the work, thirty seconds are left."""
    stream = io.StringIO()
    bar = Bar(stream, live=True)
    bar.stage("reading", "captions")
    clock[0] = 10.0
    bar.advance(5_000, 0.25)
    assert stream.getvalue().endswith("reading: 5,000 captions, 500/s, 25%, 0:30 left")


def test_a_bar_is_rewritten_five_times_a_second_at_most(clock: list[float]) -> None:
    """Many small steps do not flood the terminal, and all of them count."""
    stream = io.StringIO()
    bar = Bar(stream, live=True)
    bar.stage("reading", "captions")
    for step in range(100):
        clock[0] = step / 100
        bar.advance(10)
    assert 3 <= stream.getvalue().count("captions,") <= 5
    clock[0] = 2.0
    bar.advance(0)
    assert "1,000 captions, 500/s" in stream.getvalue()


def test_without_a_terminal_only_messages_are_shown(clock: list[float]) -> None:
    """A log file has no bar in it."""
    stream = io.StringIO()
    bar = Bar(stream, live=False)
    bar.stage("reading", "captions")
    clock[0] = 10.0
    bar.advance(5_000, 0.25)
    bar.say("a message")
    bar.close()
    assert stream.getvalue() == "a message\n"


def test_quiet_is_silent() -> None:
    """--quiet has neither."""
    assert isinstance(terminal_progress(quiet=True), Silent)
