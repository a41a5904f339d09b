"""A world where the answer is known: which key stands with which accessory, and how often.

A picture shows a key and an accessory; its caption names both, or one of the two. Pairs are drawn
from a joint table with Zipf marginals and a stated association, so the PMI of every pair is known
exactly, and two worlds can differ in their association alone.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from conceptstats.errors import ParameterError, UnknownConceptError
from conceptstats.tables import JOINT

from .sprites import ACCESSORIES, KEYS, Sprites

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MARGINALS, _ASSOCIATION, _PICTURES, _CAPTIONS = range(4)  # streams of random numbers
_KINDS = {  # of settings: as they are annotated, and in words
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple[str, ...]": "a list of texts",
}
_RANGES = {
    "n": (1, 10**9),
    "zipf": (0, 5),
    "association": (0, 10),
    "associated": (0.01, 1),
    "empty": (0, 0.9),
    "named_one": (0, 1),
    "seed": (0, 2**62),
}
_FITTED = 1e-12  # largest error of a marginal
_MOST_ROUNDS = 10_000


@dataclass(frozen=True, slots=True)
class World:
    """What a world is made of.

    Parameters
    ----------
    keys, accessories : tuple of str
        Concepts that have a sprite.
    n : int
        Captions.
    zipf : float
        Exponent of the marginals: the concept of rank r has weight r ** -zipf.
    association : float
        Largest log weight that ties a key to an accessory, in nats. 0: they are independent.
    associated : float
        Share of pairs that are tied, by log weights spread evenly from 0 to the largest; the
        others are indifferent.
    reverse : bool
        Turn the association round: who stood together most now stand together least.
    empty : float
        Share of pairs that never stand together: those with the least weight.
    named_one : float
        Share of captions that name only one of the two, the key as often as the accessory.
    key_visibility, accessory_visibility, noise, size
        Of the pictures; see `Sprites`.
    both_templates, one_templates : tuple of str
        Captions, with {key} and {accessory}, or with {concept}.
    seed : int
    """

    keys: tuple[str, ...] = KEYS
    accessories: tuple[str, ...] = ACCESSORIES
    n: int = 50_000
    zipf: float = 0.3
    association: float = 3.5
    associated: float = 0.6
    reverse: bool = False
    empty: float = 0.4
    named_one: float = 0.5
    key_visibility: float = 0.6
    accessory_visibility: float = 1.0
    noise: float = 0.05
    size: int = 64
    both_templates: tuple[str, ...] = (
        "photo of {key} with {accessory}",
        "{key} and {accessory}, stock photo",
        "the {accessory} beside our {key}",
    )
    one_templates: tuple[str, ...] = (
        "photo of {concept}",
        "{concept} - free image",
        "the {concept}",
    )
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no world can be made of."""
        for field in fields(self):
            if not _is(value := getattr(self, field.name), str(field.type)):
                raise ParameterError(
                    f"{field.name} is {value!r}, expected {_KINDS[str(field.type)]}."
                )
        for name, known in (("keys", KEYS), ("accessories", ACCESSORIES)):
            given = getattr(self, name)
            if unknown := sorted(set(given) - set(known)):
                raise UnknownConceptError(
                    f"{name}: no drawing of {', '.join(unknown)}.", f"there are {', '.join(known)}"
                )
            if len(given) < 2 or len(set(given)) < len(given):
                raise ParameterError(f"{name}: expected 2 or more, all different; got {given}.")
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise ParameterError(f"{name} is {getattr(self, name)}, expected {low} to {high}.")
        concepts = {*self.keys, *self.accessories}
        _check_templates(self.both_templates, ("key", "accessory"), concepts)
        _check_templates(self.one_templates, ("concept",), concepts)
        self.sprites()

    def sprites(self) -> Sprites:
        """What draws its pictures."""
        return Sprites(self.size, self.key_visibility, self.accessory_visibility, self.noise)

    def to_json(self) -> dict[str, Any]:
        """As JSON types; `world_from` takes it back."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def _is(value: object, kind: str) -> bool:
    """Whether a setting is of the kind that its annotation says; true is no number."""
    if kind == "tuple[str, ...]":
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    if kind == "bool" or isinstance(value, bool):
        return kind == "bool" and isinstance(value, bool)
    return isinstance(value, int) or (kind == "float" and isinstance(value, float))


def _check_templates(
    templates: tuple[str, ...], names: tuple[str, ...], concepts: set[str]
) -> None:
    for template in templates:
        try:
            filled = template.format(**{name: f"<{name}>" for name in names})
        except (LookupError, ValueError, AttributeError, TypeError) as error:
            raise ParameterError(f"template {template!r} has no meaning: {error!r}.") from error
        if any(f"<{name}>" not in filled for name in names):
            raise ParameterError(
                f"template {template!r} lacks {' or '.join('{' + name + '}' for name in names)}."
            )
        words = re.split(r"[\W_]+", template.format(**dict.fromkeys(names, "")).lower())
        if named := sorted(concepts & set(words)):
            raise ParameterError(
                f"template {template!r} names {' and '.join(named)} itself, so the PMI of no pair "
                "with it would be known."
            )
    if not templates:
        raise ParameterError(f"there is no template with {names[0]}.")


def world_from(data: Mapping[str, Any], **changes: Any) -> World:
    """A world of named settings; ``keys`` and ``accessories`` may also say how many.

    Raises
    ------
    ParameterError
        When there is no such setting, or its value cannot be.
    UnknownConceptError
        When a concept has no sprite.
    """
    given = {**data, **{name: value for name, value in changes.items() if value is not None}}
    known = {field.name: field for field in fields(World)}
    if unknown := sorted(set(given) - set(known)):
        raise ParameterError(
            f"a world has no setting {', '.join(unknown)}.", f"there are {', '.join(known)}"
        )
    for name, all_names in (("keys", KEYS), ("accessories", ACCESSORIES)):
        if isinstance(size := given.get(name), int):
            if not 2 <= size <= len(all_names):
                raise ParameterError(f"{name} is {size}, expected 2 to {len(all_names)}.")
            given[name] = all_names[:size]
    settings: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    return World(**settings)


def read_world(path: Path, **changes: Any) -> World:
    """Read a TOML file of settings, at the top or under ``[world]``; ``changes`` win.

    Raises
    ------
    ParameterError
        When the file cannot be read; and as `world_from` does.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path} cannot be read as TOML: {error}.") from error
    settings = data.get("world", data)
    if not isinstance(settings, dict):
        raise ParameterError(f"{path}: world is {settings!r}, expected a table of settings.")
    return world_from(settings, **changes)


def joint_table(world: World) -> Floats:
    """Probability that a picture shows each key with each accessory.

    Pairs are put in a random order. The weight of the last is exp(association), that of the others
    falls evenly, as a logarithm, to 1 where the share of those that are tied ends. So the pairs
    that attract each other are spread evenly over PMI, and stand out from many that do not: the
    PMI of words in captions is skewed to the right too. The weights are brought to the Zipf
    marginals by iterative proportional fitting (Deming & Stephan, 1940), which keeps their odds
    ratios. Worlds that differ in ``association``, ``associated``, ``reverse`` or ``empty`` have
    the same order and the same marginals.

    Returns
    -------
    (keys, accessories) float64
        Sums to 1.

    Raises
    ------
    ParameterError
        When so many pairs are empty that no table has these marginals.
    """
    shape = len(world.keys), len(world.accessories)
    size = shape[0] * shape[1]
    order = np.random.default_rng([world.seed, _ASSOCIATION]).permutation(size).reshape(shape)
    tied = np.maximum(0, (order + 1) / size - 1 + world.associated) / world.associated
    weights = np.exp(world.association * (-tied if world.reverse else tied))
    least = size - 1 - order if world.reverse else order
    weights[least < round(world.empty * size)] = 0
    rng = np.random.default_rng([world.seed, _MARGINALS])
    targets = [np.arange(1.0, size + 1) ** -world.zipf for size in shape]
    rows, columns = (rng.permutation(target / target.sum()) for target in targets)
    for _ in range(_MOST_ROUNDS):
        sums = weights.sum(1)
        if not (sums > 0).all() or not (weights.sum(0) > 0).all():
            break
        weights *= (rows / sums)[:, None]
        weights *= columns / weights.sum(0)
        if np.abs(weights.sum(1) - rows).max() < _FITTED:
            return np.asarray(weights / weights.sum(), np.float64)
    raise ParameterError(
        f"with {world.empty:.0%} empty pairs no joint table has these marginals.",
        "a smaller share of empty pairs, more concepts, or another seed",
    )


def joint_as_table(world: World) -> pa.Table:
    """`JOINT` of a world: what was drawn from, and the PMI of every pair over its captions."""
    joint = joint_table(world)
    key, accessory = np.divmod(np.arange(joint.size), joint.shape[1])
    columns = {
        "key": np.array(world.keys)[key],
        "accessory": np.array(world.accessories)[accessory],
        "p": joint.ravel(),
        "p_key": joint.sum(1)[key],
        "p_accessory": joint.sum(0)[accessory],
        "pmi": true_pmi(joint, world.named_one).ravel(),
    }
    return pa.table({name: pa.array(values) for name, values in columns.items()}, schema=JOINT)


def true_pmi(joint: Floats, named_one: float) -> Floats:
    r"""PMI over captions that are drawn from a joint table, in nats.

    Both are named in a share :math:`1 - s` of captions, each alone in :math:`s / 2`, so

    .. math:: \ln \frac{(1 - s)\, p_{ka}}{(1 - s/2)^2\, p_k\, p_a}

    -inf where a pair is empty.
    """
    named = 1 - named_one / 2
    singles = np.outer(joint.sum(1), joint.sum(0)) * named**2
    with np.errstate(divide="ignore"):
        value: Floats = np.log((1 - named_one) * joint) - np.log(singles)
    return value


class Pictures(NamedTuple):
    """What the pictures of a world show and their captions say, in order."""

    key: Ints  # place in `World.keys`
    accessory: Ints
    captions: list[str]


def draw_pictures(world: World) -> Pictures:
    """Draw the pairs from the joint table, and a caption for each."""
    joint = joint_table(world)
    pairs = np.random.default_rng([world.seed, _PICTURES]).choice(
        joint.size, world.n, p=joint.ravel()
    )
    key, accessory = np.divmod(pairs, joint.shape[1])
    rng = np.random.default_rng([world.seed, _CAPTIONS])
    named = rng.random(world.n)
    which = rng.random(world.n)
    captions = []
    for i in range(world.n):
        k, a = world.keys[key[i]], world.accessories[accessory[i]]
        if named[i] >= world.named_one:
            template = world.both_templates[int(which[i] * len(world.both_templates))]
            captions.append(template.format(key=k, accessory=a))
        else:
            template = world.one_templates[int(which[i] * len(world.one_templates))]
            captions.append(template.format(concept=k if named[i] < world.named_one / 2 else a))
    return Pictures(key, accessory, captions)
