from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from conceptstats.errors import ParameterError, UnknownConceptError
from conceptstats.synth._scene import Pose
from conceptstats.synth.images import ImageGenerator, ImageRequest
from conceptstats.synth.sprites import ACCESSORIES, KEYS, Sprites, draw_concept
from conceptstats.text import load_profile

CONCEPTS = KEYS + ACCESSORIES
Values = npt.NDArray[np.float64]


def requests(n: int) -> list[ImageRequest]:
    """Pairs of concepts, single ones, and none, each with a seed of its own."""
    return [
        ImageRequest(
            "", seed, KEYS[seed % 28] if seed % 5 else None, ACCESSORIES[seed] if seed % 7 else None
        )
        for seed in range(n)
    ]


def far(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    """Mean absolute difference of two pictures, where white is 1."""
    return float(np.abs(a.astype(float) - b).mean() / 255)


def change_by_key(sprites: Sprites, seed: int, empty: Sprites) -> float:
    """How far a key changes a picture, over that of the same seed where it is not visible."""
    scenes = (kind.draw_scene(seed, KEYS[seed % 28], "star") for kind in (sprites, empty))
    return far(*scenes)


def test_a_request_is_drawn_alike_in_every_batch() -> None:
    """The picture depends on the request, not on what is drawn before it or with it."""
    generator: ImageGenerator = Sprites()
    asked = requests(20)
    together = [np.asarray(image) for image in generator.generate(asked)]
    backwards = [np.asarray(image) for image in Sprites().generate(asked[::-1])][::-1]
    for request, one, other in zip(asked, together, backwards, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, np.asarray(generator.generate([request])[0]))


@pytest.mark.parametrize("size", [16, 64, 97])
def test_pictures_are_rgb_of_the_size_asked_for(size: int) -> None:
    """Every mode of scene has the right shape, and pixels over the whole range of values."""
    images = Sprites(size).generate(requests(10))
    assert {(image.mode, image.size) for image in images} == {("RGB", (size, size))}
    assert all(np.ptp(np.asarray(image)) > 40 for image in images)


def test_names_are_their_own_concepts() -> None:
    """The default text profile leaves every name as it is; none is both key and accessory."""
    assert len(set(CONCEPTS)) == len(KEYS) + len(ACCESSORIES)
    assert len(KEYS) >= 24
    assert len(ACCESSORIES) >= 36
    words = load_profile("words")
    assert [words.concepts_of(name) for name in CONCEPTS] == [[name] for name in CONCEPTS]


def test_no_two_concepts_are_drawn_alike() -> None:
    """At one pose and in the same colours, any two drawings differ clearly."""
    drawn = np.array([draw_concept(name) for name in CONCEPTS], np.float32) / 255
    distance = np.abs(drawn[:, None] - drawn).mean((2, 3, 4))
    np.fill_diagonal(distance, 1)
    assert distance.min() > 0.04


def poses(n: int, seed: int) -> Iterator[Pose]:
    """Small changes of place, size and turn."""
    rng = np.random.default_rng(seed)
    for x, y, radius, turn in rng.uniform(-1, 1, (n, 4)).tolist():
        yield Pose(0.5 + 0.02 * x, 0.5 + 0.02 * y, 0.44 + 0.02 * radius, 0.12 * turn)


def test_concepts_are_told_apart_by_their_means() -> None:
    """The nearest mean picture names the concept, nearly always."""
    shown = [[draw_concept(name, 32, pose) for pose in poses(8, 0)] for name in CONCEPTS]
    means = np.array(shown, np.float32).mean(1).reshape(len(CONCEPTS), -1)
    right = [
        name
        == CONCEPTS[np.square(draw_concept(name, 32, pose).reshape(-1) - means).sum(1).argmin()]
        for name in CONCEPTS
        for pose in poses(4, 1)
    ]
    assert np.mean(right) >= 0.95


def test_keys_have_comparable_areas() -> None:
    """No key gives itself away by its size."""
    bare = draw_concept(KEYS[0])[0, 0]
    areas = [(draw_concept(key) != bare).any(2).mean() for key in KEYS]
    assert max(areas) < 2 * min(areas)


@pytest.mark.parametrize("concept", CONCEPTS)
def test_drawings_keep_to_their_square(concept: str) -> None:
    """Nothing is cut off where a scene is drawn in the sprite's box alone."""
    pixels = draw_concept(concept, 64, Pose(0.5, 0.5, 0.4, 0))
    inked = np.argwhere((pixels != pixels[0, 0]).any(2))
    assert inked.min() >= 64 * (0.5 - 0.42) - 1
    assert inked.max() <= 64 * (0.5 + 0.42)


def test_another_key_changes_the_area_of_the_key_only() -> None:
    """With one seed, the accessory, the background and the noise stay as they are."""
    sprites = Sprites()
    for seed in range(20):
        other_key, other_accessory = (
            (sprites.draw_scene(seed, "mug", "star") != sprites.draw_scene(seed, *pair)).any(2)
            for pair in (("castle", "star"), ("mug", "cloud"))
        )
        for changed in (other_key, other_accessory):
            assert np.ptp(np.argwhere(changed), axis=0).max() < 0.75 * sprites.size
        assert (other_key & other_accessory).mean() < 0.02


def test_places_sizes_and_colours_vary() -> None:
    """Over seeds, each concept is seen all over the picture."""
    sprites = Sprites(32, accessory_visibility=0.0, noise=0.0)
    blank = Sprites(32, 0.0, 0.0, 0.0)
    changed = [
        (sprites.draw_scene(seed, "jar", "star") != blank.draw_scene(seed, "jar", "star")).any(2)
        for seed in range(200)
    ]
    seen = np.mean(changed, axis=0)
    assert seen[4:-4, 4:-4].min() > 0.02
    assert seen.max() < 0.6


def test_a_concept_alone_stands_near_the_middle() -> None:
    """Without the other, a concept covers the centre of the picture."""
    sprites, blank = Sprites(noise=0.0), Sprites(64, 0.0, 0.0, 0.0)
    for seed in range(20):
        for pair in (("barrel", None), (None, "heart")):
            changed = sprites.draw_scene(seed, *pair) != blank.draw_scene(seed, *pair)
            assert changed[26:38, 26:38].any(2).mean() > 0.5


def test_nothing_shows_at_visibility_0() -> None:
    """The picture does not depend on a concept that is not visible."""
    sprites = Sprites(key_visibility=0.0)
    hidden = Sprites(accessory_visibility=0.0)
    for seed in range(10):
        np.testing.assert_array_equal(
            sprites.draw_scene(seed, "mug", "star"), sprites.draw_scene(seed, "bus", "star")
        )
        np.testing.assert_array_equal(
            hidden.draw_scene(seed, "mug", "star"), hidden.draw_scene(seed, "mug", "moon")
        )


def test_more_visibility_shows_more() -> None:
    """In every picture, evidence of a key grows with its visibility."""
    empty = Sprites(key_visibility=0.0, noise=0.0)
    levels = [Sprites(key_visibility=v, noise=0.0) for v in (0.0, 0.1, 0.3, 0.5, 0.8, 1.0)]
    for seed in range(30):
        shown = [change_by_key(sprites, seed, empty) for sprites in levels]
        assert shown == sorted(shown)
        assert shown[0] == 0
        assert shown[-1] > 0.01


def test_evidence_is_graded_over_pictures() -> None:
    """At half visibility, some pictures show next to nothing of a key, and some show it well."""
    empty, whole = Sprites(key_visibility=0.0, noise=0.0), Sprites(noise=0.0)
    half = Sprites(key_visibility=0.5, noise=0.0)
    shares = [
        change_by_key(half, seed, empty) / change_by_key(whole, seed, empty) for seed in range(200)
    ]
    low, middle, high = np.quantile(shares, [0.1, 0.5, 0.9])
    assert low < 0.08
    assert 0.4 < middle < 0.6
    assert high > 0.4


def test_noise_has_the_standard_deviation_asked_for() -> None:
    """Pixel noise is what the parameter says, where nothing is clipped."""
    noisy, clean = (Sprites(noise=noise).draw_scene(3).astype(float) for noise in (0.05, 0.0))
    assert np.std(noisy - clean) / 255 == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize(
    "parameters",
    [
        {"size": 8},
        {"key_visibility": 1.2},
        {"accessory_visibility": -0.1},
        {"key_visibility": float("nan")},
        {"noise": -1.0},
    ],
)
def test_parameters_outside_their_range_are_refused(parameters: dict[str, float]) -> None:
    """The error names the parameter or its value, and says what is allowed."""
    with pytest.raises(ParameterError) as caught:
        Sprites(**parameters)  # type: ignore[arg-type]
    assert str(next(iter(parameters.values()))) in caught.value.message
    assert caught.value.hint


def test_a_negative_seed_is_refused() -> None:
    """Seeds are those of numpy's generators."""
    with pytest.raises(ParameterError, match="-1"):
        Sprites().draw_scene(-1, "mug", "star")


def test_a_concept_without_a_drawing_is_unknown() -> None:
    """The hint has the nearest names; a key is no accessory, nor the other way round."""
    with pytest.raises(UnknownConceptError, match="teapot") as caught:
        Sprites().draw_scene(0, "teapots", "star")
    assert caught.value.hint == "there are teapot"
    for key, accessory in (("star", None), (None, "mug")):
        with pytest.raises(UnknownConceptError):
            Sprites().generate([ImageRequest("", 0, key, accessory)])
    with pytest.raises(UnknownConceptError, match="zzz"):
        draw_concept("zzz")
