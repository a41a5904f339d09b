"""Profile `paper`: the cleaning of Qu & Xie (arXiv 2507.08000), word for word.

NLTK's English stop words and its WordNet lemmatiser with the default part of speech. The lemma is
not filtered again, so "us" becomes the concept "u", as published.
"""

from __future__ import annotations

from importlib.metadata import version
from unicodedata import unidata_version

from conceptstats.errors import ProfileError
from conceptstats.text.forms import FormProfile
from conceptstats.wordnet import INSTALL, how_to_get

_HINT = how_to_get("stopwords", "wordnet")


def paper_profile() -> FormProfile:
    """Profile `paper`.

    Raises
    ------
    ProfileError
        When NLTK, its stop words or WordNet are missing.
    """
    try:
        from nltk.corpus import stopwords, wordnet
        from nltk.stem import WordNetLemmatizer
    except ModuleNotFoundError as error:
        raise ProfileError(
            "profile 'paper' needs NLTK, which is not installed.",
            f"{INSTALL}; {_HINT}",
        ) from error
    try:
        stop_words = frozenset(stopwords.words("english"))
        wordnet.ensure_loaded()
        with wordnet.open("noun.exc") as exceptions_file:
            exceptions = frozenset(line.split(maxsplit=1)[0] for line in exceptions_file)
        wordnet_version = wordnet.get_version()
    except LookupError as error:
        raise ProfileError(
            "profile 'paper' needs NLTK's stop words and WordNet, which are not installed.",
            _HINT,
        ) from error
    lemmatizer = WordNetLemmatizer()
    return FormProfile(
        name="paper",
        versions={
            "nltk": version("nltk"),
            "wordnet": str(wordnet_version),
            "unicode": unidata_version,
        },
        stop_words=stop_words,
        exceptions=exceptions,
        lemmatize=lemmatizer.lemmatize,
        filters_lemmas=False,
    )
