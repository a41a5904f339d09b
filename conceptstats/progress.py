"""Progress on standard error: what is done, how fast, and how long it will take."""

from __future__ import annotations

import sys
import threading
import time
from typing import Protocol, TextIO


class Progress(Protocol):
    """Is told how a long job goes on."""

    def stage(self, name: str, unit: str) -> None:
        """A new stage begins."""

    def advance(self, n: int, share: float = 0.0) -> None:
        """``n`` more units are done; ``share`` in [0, 1] of the stage is, where that is known."""

    def say(self, message: str) -> None:
        """Something that the user should know."""

    def close(self) -> None:
        """The job is over."""


class Silent:
    """Says nothing."""

    def stage(self, name: str, unit: str) -> None:
        """Ignore."""

    def advance(self, n: int, share: float = 0.0) -> None:
        """Ignore."""

    def say(self, message: str) -> None:
        """Ignore."""

    def close(self) -> None:
        """Ignore."""


class Bar:
    """Messages, and one line that is rewritten at most five times a second if ``live``."""

    def __init__(self, stream: TextIO, *, live: bool) -> None:
        self._stream = stream
        self._live = live
        self._lock = threading.Lock()
        self._name = self._unit = ""
        self._n = 0
        self._began = self._shown = time.monotonic()

    def stage(self, name: str, unit: str) -> None:
        """Begin a line."""
        self.close()
        self._name, self._unit, self._n = name, unit, 0
        self._began = self._shown = time.monotonic()

    def advance(self, n: int, share: float = 0.0) -> None:
        """Add to the count and rewrite the line."""
        with self._lock:
            self._n += n
            now = time.monotonic()
            if not self._live or now - self._shown < 0.2:
                return
            self._shown = now
            elapsed = now - self._began
            text = f"{self._name}: {self._n:,} {self._unit}, {self._n / elapsed:,.0f}/s"
            if 0.01 < share <= 1:
                text += f", {share:.0%}, {_clock(elapsed / share - elapsed)} left"
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()

    def say(self, message: str) -> None:
        """Print a message on a line of its own."""
        self.close()
        self._stream.write(f"{message}\n")

    def close(self) -> None:
        """Clear the line."""
        if self._live and self._name:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def terminal_progress(*, quiet: bool = False) -> Progress:
    """Messages on standard error, and a bar when that is a terminal; silence if ``quiet``."""
    return Silent() if quiet else Bar(sys.stderr, live=sys.stderr.isatty())
