"""Text profiles: how a caption becomes concepts, or the tags of an image do."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from conceptstats.errors import ProfileError

if TYPE_CHECKING:
    from conceptstats.text.profile import Profile

PROFILES = ("words", "paper", "nouns", "concepts")  # of captions
TAG_PROFILE = "tags"


def load_profile(name: str, **options: Any) -> Profile:
    """Make a profile ready to use.

    Parameters
    ----------
    name : {"words", "paper", "nouns", "concepts", "tags"}
    **options
        `nouns`: ``pipeline``. `concepts`: ``concepts`` (a file) or ``phrases``, ``match``,
        ``split``. `tags`: ``concepts`` or ``phrases``, if only those are wanted.

    Returns
    -------
    Profile

    Raises
    ------
    ProfileError
        When the profile is unknown, takes no such option, or its data is missing.
    """
    if name == "words":
        from conceptstats.text.words import words_profile as make
    elif name == "paper":
        from conceptstats.text.paper import paper_profile as make
    elif name == "nouns":
        from conceptstats.text.nouns import noun_profile as make  # type: ignore[assignment]
    elif name == "concepts":
        from conceptstats.text.phrases import phrase_profile as make  # type: ignore[assignment]
    elif name == TAG_PROFILE:
        from conceptstats.text.tags import tag_profile as make  # type: ignore[assignment]
    else:
        known = ", ".join((*PROFILES, TAG_PROFILE))
        raise ProfileError(f"there is no profile {name!r}.", f"profiles are {known}")
    try:
        inspect.signature(make).bind(**options)
    except TypeError as error:
        given = ", ".join(sorted(options))
        raise ProfileError(
            f"profile {name!r} does not take these options: {given}.",
            "concepts, match and split belong to profile concepts, pipeline to nouns; profile tags "
            "takes concepts",
        ) from error
    return make(**options)


__all__ = ["PROFILES", "TAG_PROFILE", "load_profile"]
