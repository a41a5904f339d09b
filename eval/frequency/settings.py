"""What a user can set, with its ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from conceptstats.errors import ParameterError

Weights = Literal["auto", "equal"]


def check_bootstrap(n_bootstrap: int, seed: int, level: float) -> None:
    """Raise unless the settings of a bootstrap are within their ranges.

    Raises
    ------
    ParameterError
    """
    if min(n_bootstrap, seed) < 0:
        raise ParameterError(f"bootstrap is {n_bootstrap} and seed {seed}; expected 0 or more.")
    if not 0 < level < 1:
        raise ParameterError(f"level is {level}, expected a number between 0 and 1.")


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for every model; see `run.frequency`."""

    recipe: str = "honest"
    metric: str | None = None
    datasets: tuple[str, ...] = ()
    prompts: str | None = None
    n_bins: int | None = None
    weights: Weights = "auto"
    min_n: int = 1
    aliases: Mapping[str, str] | None = None
    max_unmatched: float = 0.0
    n_bootstrap: int = 1000
    seed: int = 0
    level: float = 0.95

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.weights not in get_args(Weights):
            raise ParameterError(f"weights is {self.weights!r}, expected auto or equal.")
        if self.min_n < 1:
            raise ParameterError(f"min_n is {self.min_n}, expected 1 or more.")
        check_bootstrap(self.n_bootstrap, self.seed, self.level)
