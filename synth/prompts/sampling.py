"""Draw tokens so that each text depends on its own seed alone, not on the batch it is made in."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from conceptstats.errors import ModelError, ParameterError

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn.

    Parameters
    ----------
    temperature : float
        What logits are divided by; 0: the most probable token.
    top_p : float
        Draw among the most probable tokens that have this share of the probability together.
    min_p : float
        Draw among tokens with at least this share of the probability of the most probable one.
    max_new_tokens : int
    """

    temperature: float = 1.0
    top_p: float = 1.0
    min_p: float = 0.0
    max_new_tokens: int = 50

    def __post_init__(self) -> None:
        """Refuse what is outside its range."""
        if (
            not 0 <= self.temperature < math.inf
            or not 0 < self.top_p <= 1
            or not 0 <= self.min_p <= 1
            or self.max_new_tokens < 1
        ):
            raise ParameterError(
                f"temperature is {self.temperature}, top_p {self.top_p}, min_p {self.min_p} and "
                f"max_new_tokens {self.max_new_tokens}; expected 0 or more, (0, 1], [0, 1], and 1 "
                "or more."
            )


def text_seed(seed: int, *item: object) -> int:
    """Seed of one text, below 2**62: of nothing but a run's seed and what the text is about."""
    text = "\0".join(map(str, (seed, *item))).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 2


def uniforms(seed: int, n: int) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1), one for each token of a text."""
    return np.random.Generator(np.random.Philox(key=seed)).random(n)


def draw_token(logits: Floats, u: float, sampling: Sampling) -> int:
    """The token whose share of the probability holds a number u in [0, 1).

    Tokens stand by falling probability, those of the same by their number. As in transformers,
    the temperature comes first, then top_p, then min_p.

    Raises
    ------
    ModelError
        When logits are no numbers.
    """
    best = logits.max()
    if not np.isfinite(best):  # also where one is nan
        raise ModelError(
            "the model gives no numbers.", "--precision bf16 or fp32, which reach further than fp16"
        )
    if sampling.temperature == 0:
        return int(logits.argmax())
    scaled = (logits.astype(np.float64) - float(best)) / sampling.temperature
    kept = np.flatnonzero(scaled >= _floor(sampling))
    kept = kept[np.argsort(-scaled[kept], kind="stable")]
    shares = np.exp(scaled[kept])
    if sampling.top_p < 1:
        before = np.cumsum(shares) - shares
        enough = before < sampling.top_p * np.exp(scaled).sum()
        kept, shares = kept[enough], shares[enough]
    sums = np.cumsum(shares)
    at = int(np.searchsorted(sums, u * sums[-1], "right"))
    return int(kept[min(at, len(kept) - 1)])


def _floor(sampling: Sampling) -> float:
    """Least logarithm of a token's share of the probability of the best one."""
    return math.log(sampling.min_p) if sampling.min_p > 0 else -math.inf
