"""WordNet through NLTK: synonyms of the classes of ImageNet, and parts of speech."""

from __future__ import annotations

import warnings
from typing import Any

from conceptstats.errors import ParameterError, ProfileError

INSTALL = 'pip install "conceptstats[text]"'


def how_to_get(*corpora: str) -> str:
    """How data of NLTK are had.

    >>> how_to_get("wordnet")
    'python -m nltk.downloader wordnet (or set NLTK_DATA to a folder that has corpora/wordnet)'
    """
    folders = " and ".join(f"corpora/{name}" for name in corpora)
    return (
        f"python -m nltk.downloader {' '.join(corpora)} "
        f"(or set NLTK_DATA to a folder that has {folders})"
    )


def load_wordnet() -> Any:
    """NLTK's reader of WordNet.

    Raises
    ------
    ProfileError
        When NLTK or WordNet is not installed.
    """
    try:
        from nltk.corpus import wordnet
    except ModuleNotFoundError as error:
        raise ProfileError(
            "this needs NLTK, which is not installed.", f"{INSTALL}; {how_to_get('wordnet')}"
        ) from error
    try:
        wordnet.ensure_loaded()
    except LookupError as error:
        raise ProfileError(
            "this needs WordNet, which is not installed.", how_to_get("wordnet")
        ) from error
    return wordnet


def wordnet_version() -> str:
    """Version of the database, for run records."""
    return str(load_wordnet().get_version())


def names_of_synset(wordnet_id: str) -> list[str]:
    """All names of one of ImageNet's ids, such as ``n01440764``, the usual one first.

    The ids are offsets in WordNet 3.0.

    Raises
    ------
    ParameterError
        When WordNet has no such id.
    """
    wordnet = load_wordnet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where there is none, and gives None
        synset = wordnet.synset_from_pos_and_offset("n", int(wordnet_id[1:]))
    if synset is None:
        raise ParameterError(
            f"WordNet {wordnet.get_version()} has no noun {wordnet_id}.",
            "ids of ImageNet are those of WordNet 3.0",
        )
    return [name.replace("_", " ") for name in synset.lemma_names()]


def is_noun_or_adjective(word: str) -> bool:
    """Whether WordNet knows a word, or a form of it, as a noun or an adjective."""
    wordnet = load_wordnet()
    name = word.replace(" ", "_")
    return bool(wordnet.synsets(name, wordnet.NOUN) or wordnet.synsets(name, wordnet.ADJ))
