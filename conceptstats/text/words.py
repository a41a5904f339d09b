"""Profile `words`, the default: noun lemmas from spaCy's rule tables, installed by pip alone."""

from __future__ import annotations

import gzip
import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any
from unicodedata import unidata_version

from conceptstats.errors import ProfileError
from conceptstats.text.forms import FormProfile

# Function words of English. Words that say what a picture shows (numbers, sides, colours, sizes)
# are concepts and stay; so do all nouns, verbs of content and adjectives.
STOP_WORDS = frozenset(
    """
    a an the this that these those some any each every either neither no none all both another such
    i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his
    himself she her hers herself it its itself they them their theirs themselves who whom whose
    which what whatever whoever whichever someone somebody something anyone anybody anything
    everyone everybody everything nobody nothing
    of at by for with without about against into onto through during to from in on off over upon
    as than per via within among amongst toward towards until till since despite except
    and or but nor so yet if because while although though unless whereas whether
    am is are was were be been being have has had having do does did doing done will would shall
    should can could may might must ought
    not don doesn didn isn aren wasn weren hasn haven hadn won wouldn shan shouldn couldn mightn
    mustn needn ain ll re ve
    there here then when where why how again also just only even very too quite rather almost
    already still ever never always often once more most much many less least few own same other
    others etc
    """.split()
)
_SHORTEST_LEMMA = 3  # characters that a suffix rule leaves at the least: "gas" is not a "ga"
_NOT_PLURAL = ("ss", "us", "is")
_HISSING = ("ches", "shes", "sses", "xes", "zes")  # plurals in "es"
_IRREGULAR = {"lenses": "lens", "species": "species"}  # not "lense", not "specie"


def _read(table: str) -> Any:
    """One of the package's English lemma tables, its nouns."""
    data = files("spacy_lookups_data") / "data" / f"en_lemma_{table}.json.gz"
    nouns: Any = json.loads(gzip.decompress(data.read_bytes()))["noun"]
    return nouns


@cache
def _tables() -> tuple[frozenset[str], dict[str, str], tuple[tuple[str, str], ...]]:
    """Known nouns, the lemma of each exception, and suffix rules from the longest suffix to "s"."""
    nouns = frozenset(_read("index"))
    exceptions = dict(_IRREGULAR)
    for form, lemmas in _read("exc").items():
        lemmas = [lemma for lemma in lemmas if "_" not in lemma]
        lemmas = [lemma for lemma in lemmas if lemma in nouns] or lemmas
        if lemmas:
            exceptions[form] = min(lemmas, key=lambda lemma: (len(lemma), lemma))
    rules = sorted(map(tuple, _read("rules")), key=lambda rule: -len(rule[0]))
    return nouns, exceptions, tuple(rules)


def noun_lemma(form: str) -> str:
    """Noun lemma of a lower-case form.

    In this order: the exception listed for the form (of several lemmas, those that are known
    nouns; of these the shortest, then the first by alphabet: "leaves" is "leaf"); the first suffix
    rule that leaves a known noun of three characters or more; the form itself. The bare plural "s"
    is tried first ("vases" is "vase", not "vas"), but behind a hiss after the longer suffixes
    ("crosses" is "cross", not "crosse"), and it is not taken off "ss", "us" and "is".

    >>> [noun_lemma(form) for form in ("dogs", "leaves", "glass", "women", "buses", "vases")]
    ['dog', 'leaf', 'glass', 'woman', 'bus', 'vase']
    """
    nouns, exceptions, rules = _tables()
    if form in exceptions:
        return exceptions[form]
    for old, new in rules if form.endswith(_HISSING) else reversed(rules):
        if form.endswith(old) and not (old == "s" and form.endswith(_NOT_PLURAL)):
            lemma = form[: -len(old)] + new
            if len(lemma) >= _SHORTEST_LEMMA and lemma in nouns:
                return lemma
    return form


def words_profile() -> FormProfile:
    """Profile `words`.

    Raises
    ------
    ProfileError
        When the package spacy-lookups-data is missing.
    """
    try:
        _, exceptions, _ = _tables()
        lookups = version("spacy-lookups-data")
    except (ModuleNotFoundError, FileNotFoundError, PackageNotFoundError) as error:
        raise ProfileError(
            f"profile 'words' needs the noun tables of spacy-lookups-data ({error}).",
            "pip install spacy-lookups-data",
        ) from error
    return FormProfile(
        name="words",
        versions={"spacy-lookups-data": lookups, "unicode": unidata_version},
        stop_words=STOP_WORDS,
        exceptions=frozenset(exceptions),
        lemmatize=noun_lemma,
        filters_lemmas=True,
    )
