"""A progress that keeps what it is told."""

from __future__ import annotations

from conceptstats.progress import Silent


class Messages(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        """Keep a message."""
        self.said.append(message)
