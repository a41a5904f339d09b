"""What an image-text model saw together, how often, and whether that explains where it fails.

>>> import conceptstats as cs
>>> cs.build_index(["captions.parquet"], "IDX")  # doctest: +SKIP
>>> index = cs.CaptionIndex.open("IDX")  # doctest: +SKIP
>>> index.pmi("dog", "frisbee").pmi  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from conceptstats.index import CaptionIndex, build_index, merge_indexes, verify_index

__all__ = ["CaptionIndex", "__version__", "build_index", "merge_indexes", "verify_index"]


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import conceptstats` takes milliseconds."""
    if name in __all__:
        import conceptstats.index

        return getattr(conceptstats.index, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return __all__
