"""Build, resume, merge, verify and read a caption index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conceptstats.index.caption_index import CaptionIndex, PairStatistics
from conceptstats.index.forward import FoundCaption
from conceptstats.index.verify import Verified, verify_index

if TYPE_CHECKING:
    from conceptstats.index.build import build_index
    from conceptstats.index.joint import JointCounts, count_joint
    from conceptstats.index.merge import merge_indexes

__all__ = [
    "CaptionIndex",
    "FoundCaption",
    "JointCounts",
    "PairStatistics",
    "Verified",
    "build_index",
    "count_joint",
    "merge_indexes",
    "verify_index",
]


def __getattr__(name: str) -> Any:
    """Import what builds only when it is asked for: questions to an index need no compiler."""
    if name == "build_index":
        from conceptstats.index.build import build_index

        return build_index
    if name == "merge_indexes":
        from conceptstats.index.merge import merge_indexes

        return merge_indexes
    if name in ("JointCounts", "count_joint"):
        from conceptstats.index import joint

        return getattr(joint, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
