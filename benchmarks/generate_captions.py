r"""Write a file of made-up captions whose words are spread like those of web captions.

    python benchmarks/generate_captions.py OUT.parquet --captions 1000000 --seed 0

Words are drawn from a Zipf-Mandelbrot law over 400,000 made-up forms; a caption has a
log-normal number of them. The forms are such that lower-casing, splitting on ``[\W_]+`` and
dropping numbers and tokens of one character is the whole cleaning: no form is a stop word, an
English word, or anything that English noun lemmatisation would change. So every program that
tokenises this way has to arrive at the same counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike

N_FORMS = 400_000
ZIPF_EXPONENT = 1.05
ZIPF_SHIFT = 2.7
BREVITY_NOISE = 0.42
LENGTH_MU, LENGTH_SIGMA = 2.1, 0.55  # of the log of the number of words
NUMBER_SHARE = 0.06
CASE_SHARES = (0.62, 0.31, 0.07)  # lower, Capitalised, UPPER
ROW_GROUP = 100_000

# Every Latin form begins with one of these, as next to no English word does. That keeps the forms
# clear of stop words and of the exceptions of noun lemmatisation without a list of either.
ONSETS = (
    "zv", "zl", "zm", "zd", "zg", "zr", "kf", "kv", "vl", "bv",
    "gv", "mv", "fk", "bz", "dz", "jv", "vj", "zj", "gj",
)  # fmt: skip
CONSONANTS = "bdfgjklmnprstvz"
CODAS = "bdgklmprt"  # not s, n, x: plural rules and "men" to "man" must find nothing
ACCENTED = str.maketrans("aeiou", "áéîöü")
CYRILLIC = "абвгдежзиклмнопрстуфхцчшыэюя"
GREEK = "αβγδεζηθικλμνξοπρτυφχψω"  # no sigma: its lower case depends on its place in the word
SCRIPT_SHARES = {"latin": 0.88, "accented": 0.05, "cyrillic": 0.03, "greek": 0.02, "cjk": 0.02}

BETWEEN = {  # what stands between two words, with its share
    " ": 0.80, ", ": 0.06, "-": 0.035, " - ": 0.02, " | ": 0.015, ". ": 0.015, ' "': 0.01,
    '" ': 0.01, "'s ": 0.01, " & ": 0.006, "... ": 0.005, "/": 0.005, ": ": 0.005, "_": 0.004,
}  # fmt: skip
AT_THE_END = {"": 0.80, ".": 0.12, "...": 0.05, "!": 0.02, '"': 0.01}


def make_forms(n_forms: int = N_FORMS) -> list[str]:
    """Make distinct lower-case word forms, shorter ones towards the front."""
    rng = np.random.default_rng(20_000)  # one lexicon, whatever the seed of the captions

    def pick(alphabet: str | tuple[str, ...]) -> str:
        return alphabet[int(rng.random() * len(alphabet))]

    def latin() -> str:
        word = pick(ONSETS) + pick("aeiou")
        for _ in range(int(rng.random() * 4)):
            word += pick(CONSONANTS) + pick("aeiou")
        return word + pick(CODAS) if rng.random() < 0.6 else word

    def letters(alphabet: str, least: int, most: int) -> str:
        return "".join(pick(alphabet) for _ in range(int(rng.integers(least, most + 1))))

    ideographs = "".join(map(chr, range(0x4E00, 0x4E00 + 3000)))
    makers: dict[str, Callable[[], str]] = {
        "latin": latin,
        "accented": lambda: latin().translate(ACCENTED),
        "cyrillic": lambda: letters(CYRILLIC, 3, 10),
        "greek": lambda: letters(GREEK, 3, 10),
        "cjk": lambda: letters(ideographs, 2, 4),
    }
    ranked: dict[str, float] = {}  # form -> where it stands, from 0 (frequent) to 1 (rare)
    for script, share in SCRIPT_SHARES.items():
        of_script: dict[str, None] = {}  # a dict keeps the order, a set would not
        while len(of_script) < round(share * n_forms):
            of_script.setdefault(makers[script]())
        # Zipf's law of brevity, with enough noise that long frequent words exist
        brevity = [np.log(len(form)) + rng.normal(0, BREVITY_NOISE) for form in of_script]
        order = np.argsort(brevity, kind="stable")
        forms = list(of_script)
        ranked.update((forms[i], (at + 0.5) / len(forms)) for at, i in enumerate(order))
    return sorted(ranked, key=ranked.__getitem__)


class Lexicon:
    """All pieces of text that captions are put together from, in one Arrow array.

    ``pieces`` holds the forms in lower case, then Capitalised, then UPPER, then numbers, then what
    stands between words, then what ends a caption.
    """

    def __init__(self, n_forms: int = N_FORMS) -> None:
        forms = make_forms(n_forms)
        numbers = [str(n) for n in range(10_000)]
        self.n_forms = n_forms
        self.first_number = 3 * n_forms
        self.first_between = self.first_number + len(numbers)
        self.first_end = self.first_between + len(BETWEEN)
        self.n_numbers = len(numbers)
        self.pieces = pa.array(
            forms
            + [form.capitalize() for form in forms]
            + [form.upper() for form in forms]
            + numbers
            + list(BETWEEN)
            + list(AT_THE_END)
        )
        self.word_cdf = _cdf(1 / (np.arange(1, n_forms + 1) + ZIPF_SHIFT) ** ZIPF_EXPONENT)
        self.case_cdf = _cdf(CASE_SHARES)
        self.between_cdf = _cdf(list(BETWEEN.values()))
        self.end_cdf = _cdf(list(AT_THE_END.values()))

    def draw_captions(self, n_captions: int, rng: np.random.Generator) -> pa.StringArray:
        """Draw captions: pieces alternate between a word and what follows it."""
        n_words = np.maximum(1, np.round(rng.lognormal(LENGTH_MU, LENGTH_SIGMA, n_captions)))
        stops = np.cumsum(n_words.astype(np.int64))
        total = int(stops[-1])

        words = _draw(self.word_cdf, total, rng) + self.n_forms * _draw(self.case_cdf, total, rng)
        # the fourth power: small numbers are common
        numbers = self.first_number + (rng.random(total) ** 4 * self.n_numbers).astype(np.int64)
        after = self.first_between + _draw(self.between_cdf, total, rng)
        after[stops - 1] = self.first_end + _draw(self.end_cdf, n_captions, rng)

        ids = np.empty(2 * total, np.int64)
        ids[0::2] = np.where(rng.random(total) < NUMBER_SHARE, numbers, words)
        ids[1::2] = after
        pieces = self.pieces.take(pa.array(ids))
        # The pieces lie end to end in one buffer, so captions need only new offsets into it.
        _, offsets, data = pieces.buffers()
        piece_offsets = np.frombuffer(offsets, np.int32, 2 * total + 1)
        caption_offsets = piece_offsets[np.concatenate([[0], 2 * stops])]
        return pa.StringArray.from_buffers(n_captions, pa.py_buffer(caption_offsets), data)


def _cdf(weights: ArrayLike) -> np.ndarray:
    cumulative = np.cumsum(np.asarray(weights, np.float64))
    return np.asarray(cumulative / cumulative[-1])


def _draw(cdf: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    return np.searchsorted(cdf, rng.random(n), side="right")


def caption_chunks(n_captions: int, seed: int) -> Iterator[pa.StringArray]:
    """Yield captions a row group at a time; the first chunks of a longer file are the same."""
    lexicon = Lexicon()
    for chunk, start in enumerate(range(0, n_captions, ROW_GROUP)):
        rng = np.random.default_rng([seed, chunk])
        captions = lexicon.draw_captions(ROW_GROUP, rng)
        yield captions[: n_captions - start]


def write_captions(path: Path, n_captions: int, seed: int) -> None:
    """Write captions as parquet with the one column TEXT, never leaving half a file behind."""
    schema = pa.schema([("TEXT", pa.string())])
    unfinished = path.with_suffix(".unfinished")
    with pq.ParquetWriter(unfinished, schema, compression="snappy") as writer:
        for captions in caption_chunks(n_captions, seed):
            writer.write_table(pa.table([captions], schema=schema), row_group_size=ROW_GROUP)
    unfinished.replace(path)


def main() -> None:
    """Parse the command line and write the file."""
    parser = argparse.ArgumentParser(description="Write made-up captions as parquet.")
    parser.add_argument("path", type=Path, metavar="OUT.parquet")
    parser.add_argument("--captions", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.captions < 1:
        parser.error(f"--captions must be at least 1, got {arguments.captions}")
    write_captions(arguments.path, arguments.captions, arguments.seed)


if __name__ == "__main__":
    main()
