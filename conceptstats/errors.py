"""Every error that a user can cause, in one tree.

A message says what went wrong, what was expected against what was found, and where. The hint says
what to try. The command line prints both on one line each and exits with status 1.
"""

from __future__ import annotations


class ConceptStatsError(Exception):
    """Base of all errors that conceptstats raises on purpose.

    Parameters
    ----------
    message : str
        What went wrong: expected against got, and where.
    hint : str, optional
        What the user can do about it.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[ConceptStatsError], tuple[str, str | None]]:
        """Keep the hint on the way from one process to another."""
        return type(self), (self.message, self.hint)

    def __str__(self) -> str:
        """The message, with the hint behind it."""
        return f"{self.message} Hint: {self.hint}" if self.hint else self.message


class SourceError(ConceptStatsError):
    """A caption file is missing, damaged, or of no known format."""


class DamagedSourceError(SourceError):
    """A caption file cannot be read from its head on; ``on_error="skip"`` leaves it out."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message, hint or "--on-error skip leaves such files out, and lists them")


class CaptionColumnError(SourceError):
    """The column that holds the captions cannot be told."""


class ProfileError(ConceptStatsError):
    """A text profile is unknown, or the data it needs is not installed."""


class IndexFormatError(ConceptStatsError):
    """A folder is not an index, or an index of another format version, or damaged."""


class OutputExistsError(ConceptStatsError):
    """The output is there already, and overwriting was not asked for."""


class OutputError(ConceptStatsError):
    """The output cannot be written: a full disk, a missing folder, no permission."""


class BuildInProgressError(ConceptStatsError):
    """Another process is building the same index."""


class ClusterError(ConceptStatsError):
    """A dask cluster is asked for and cannot be had."""


class UnknownConceptError(ConceptStatsError):
    """A concept is outside the vocabulary of the index, so its statistics are unknown."""


class AbsentConceptError(UnknownConceptError):
    """A concept is in no caption: the vocabulary was not cut, and does not have it."""


class TableError(ConceptStatsError):
    """A table lacks a column, or has one of another type than its schema says."""


class ParameterError(ConceptStatsError, ValueError):
    """A parameter is outside its range."""


class ModelError(ConceptStatsError):
    """A model is unknown, its weights cannot be had, or it gives no numbers."""


class StatisticsError(ConceptStatsError):
    """The data do not hold what a statistic needs: too few, or constant."""


class ManifestError(ConceptStatsError):
    """A manifest is unknown, damaged, or says what cannot be; or data differ from theirs."""


class DownloadError(ConceptStatsError):
    """A file cannot be had: no network, not there, access refused, or not what was published."""


class RefusedError(DownloadError):
    """A host wants a login or an accepted licence."""
