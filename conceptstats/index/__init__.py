"""Build, resume, merge, verify and read a caption index."""

from conceptstats.index.build import build_index

__all__ = ["build_index"]
