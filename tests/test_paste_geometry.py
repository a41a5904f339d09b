"""An object pasted into a photograph: its size, its place, its edge and its colours."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conceptstats.errors import ParameterError
from conceptstats.pasting import (
    Box,
    Pixels,
    fit_object,
    from_lab,
    object_box,
    paste_accessory,
    place_object,
    to_lab,
)

SIDES = st.integers(11, 300)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def plain_photo(width: int = 200, height: int = 100, grey: int = 50) -> Pixels:
    return np.full((height, width, 3), grey, np.uint8)


def red_square(side: int = 20, margin: int = 5) -> Pixels:
    """An opaque red square on a transparent ground of another colour."""
    cut = np.zeros((side + 2 * margin, side + 2 * margin, 4), np.uint8)
    cut[..., 1] = 255
    cut[margin : margin + side, margin : margin + side] = [200, 10, 10, 255]
    return cut


def test_the_box_of_the_object_takes_its_share() -> None:
    """20 x 20 in 200 x 100 at a tenth: 2,000 pixels, sqrt(2000) = 44.7, so 45 x 45, scale 2.236."""
    pasted = paste_accessory(plain_photo(), red_square(), rng())
    left, top, right, bottom = pasted.box
    assert (right - left, bottom - top) == (45, 45)
    assert pasted.scale == pytest.approx(2.2360679)
    assert pasted.share == 45 * 45 / 20_000
    changed = (pasted.pixels != 50).any(-1)
    assert changed.sum() == 45 * 45
    assert object_box(np.where(changed, np.uint8(255), np.uint8(0))) == pasted.box


@given(SIDES, SIDES, SIDES, SIDES, st.floats(0.01, 1), st.integers(0, 99))
def test_it_always_fits_or_is_an_error(
    width: int, height: int, across: int, down: int, area: float, seed: int
) -> None:
    """Inside the photograph, proportions kept, and never less than half of the share wanted."""
    try:
        fit = fit_object((width, height), (across, down), area=area)
    except ParameterError as error:
        assert "too long" in error.message or "pixels in the photograph" in error.message
        return
    box, overlap = place_object((fit.width, fit.height), (across, down), rng(seed))
    assert 0 <= box.left < box.right <= across
    assert 0 <= box.top < box.bottom <= down
    assert overlap is None
    assert fit.width == pytest.approx(width * fit.scale, abs=0.51)
    assert fit.height == pytest.approx(height * fit.scale, abs=0.51)
    assert width * height * fit.scale**2 >= 0.499 * area * across * down


def test_a_long_object_is_scaled_to_fit() -> None:
    """At a tenth of 120 x 80, 100 x 10 becomes 98 x 10.

    At two tenths of 100 x 100 it would be 141 x 14, so it stays 100 x 10: half of what was wanted,
    which is just allowed.
    """
    assert fit_object((100, 10), (120, 80))[:2] == (98, 10)
    fit = fit_object((100, 10), (100, 100), area=0.2)
    assert fit[:3] == (100, 10, 1.0)
    with pytest.raises(ParameterError, match=r"too long to take 30%.*at most 10"):
        fit_object((100, 10), (100, 100), area=0.3)


def test_coarse_and_invisible_objects_are_refused() -> None:
    """Beyond the largest scale, and below eight pixels a side."""
    with pytest.raises(ParameterError, match=r"enlarged 4\.5 times, expected 2"):
        fit_object((10, 10), (200, 100), max_enlarge=2)
    with pytest.raises(ParameterError, match="would be 6 x 6 pixels"):
        fit_object((50, 50), (20, 20))
    with pytest.raises(ParameterError, match="area is 0"):
        fit_object((50, 50), (20, 20), area=0)
    with pytest.raises(ParameterError, match="transparent all over"):
        paste_accessory(plain_photo(), np.zeros((20, 20, 4), np.uint8), rng())


@pytest.mark.parametrize(("avoid", "n_places"), [([], 12), ([Box(9, 9, 10, 10)], 11)])
def test_places_are_uniform(avoid: list[Box], n_places: int) -> None:
    """Each of 3 x 4 places is drawn as often as the others, without the one that must be spared."""
    random, counts = rng(), np.zeros((4, 3), int)
    for _ in range(2400):
        box, _ = place_object((8, 7), (10, 10), random, avoid=avoid)
        counts[box.top, box.left] += 1
    used = counts[counts > 0]
    assert len(used) == n_places
    assert np.abs(used - 2400 / n_places).max() < 5 * np.sqrt(2400 / n_places)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 40), st.integers(1, 40),
       st.integers(0, 9))  # fmt: skip
def test_what_must_stay_visible_is_spared_where_it_can_be(
    left: int, top: int, width: int, height: int, seed: int
) -> None:
    """No place has a smaller overlap than the one that is drawn."""
    avoid = Box(left, top, left + width, top + height)
    size, photo = (30, 25), (100, 100)
    box, overlap = place_object(size, photo, rng(seed), avoid=[avoid], max_overlap=1)

    def shared(x: int, y: int) -> int:
        over_x = min(x + size[0], avoid.right) - max(x, avoid.left)
        over_y = min(y + size[1], avoid.bottom) - max(y, avoid.top)
        return max(over_x, 0) * max(over_y, 0)

    least = min(shared(x, y) for x in range(71) for y in range(76))
    assert shared(box.left, box.top) == least
    assert overlap == least / avoid.area


def test_a_photograph_that_is_all_object_is_refused() -> None:
    """The object's box is the photograph: a tenth of it would be covered, and a twentieth may."""
    everything = Box(0, 0, 200, 100)
    pasted = paste_accessory(plain_photo(), red_square(), rng(), avoid=[everything])
    assert pasted.overlap == pytest.approx(0.10125)
    with pytest.raises(ParameterError, match="covers 10% of what must stay visible"):
        paste_accessory(plain_photo(), red_square(), rng(), avoid=[everything], max_overlap=0.05)
    with pytest.raises(ParameterError, match="to avoid is empty"):
        place_object((10, 10), (50, 50), rng(), avoid=[Box(5, 5, 5, 9)])


def test_an_object_that_cannot_be_seen_is_refused() -> None:
    """A photograph is not passed through as its own version."""
    grey = np.full((20, 20, 4), 50, np.uint8)
    grey[..., 3] = 255
    with pytest.raises(ParameterError, match="nothing would change"):
        paste_accessory(plain_photo(), grey, rng())
    grey[4, 4] = [60, 50, 50, 255]
    assert (paste_accessory(plain_photo(), grey, rng()).pixels != 50).any()


def test_versions_lie_at_one_place() -> None:
    """Generators in one state put objects of like shape at the same place."""
    wide, tall = red_square(20)[:, :, :], red_square(22)
    first = paste_accessory(plain_photo(), wide, rng(3)).box
    assert first == paste_accessory(plain_photo(), tall, rng(3)).box
    assert first != paste_accessory(plain_photo(), wide, rng(4)).box


def test_edges_are_smooth_and_take_no_colour_from_behind() -> None:
    """A round mask over green: its edge mixes red with the photograph's grey, never with green."""
    y, x = np.mgrid[:100, :100]
    cut = np.zeros((100, 100, 4), np.uint8)
    cut[..., 1] = 255
    cut[(x - 50) ** 2 + (y - 50) ** 2 < 45**2] = [200, 10, 10, 255]
    pasted = paste_accessory(plain_photo(400, 400), cut, rng(), area=0.02)
    red, green = pasted.pixels[..., 0], pasted.pixels[..., 1]
    between = (red > 60) & (red < 190)
    assert between.sum() > 50
    assert green.max() <= 50
    # Of a mixture a * (200, 10) + (1 - a) * (50, 50).
    share = (red[between] - 50) / 150
    assert np.abs(green[between] - (50 - 40 * share)).max() < 3


def test_the_photograph_is_not_changed() -> None:
    """The function is pure: same input, same output, and the input stays."""
    photo, cut = plain_photo(), red_square()
    one = paste_accessory(photo, cut, rng(1), harmonise=0.5)
    two = paste_accessory(photo, cut, rng(1), harmonise=0.5)
    assert (photo == 50).all()
    assert (cut == red_square()).all()
    assert (one.pixels == two.pixels).all()
    assert one.box == two.box


def test_lab_is_that_of_the_standard() -> None:
    """White is (100, 0, 0), red (53.24, 80.09, 67.20), and every colour comes back."""
    known = to_lab(np.array([[255, 255, 255], [255, 0, 0], [0, 0, 0]]))
    np.testing.assert_allclose(known, [[100, 0, 0], [53.24, 80.09, 67.20], [0, 0, 0]], atol=0.01)
    colours = rng().integers(0, 256, (50, 50, 3), dtype=np.uint8)
    assert (from_lab(to_lab(colours)) == colours).all()


def test_light_is_harmonised_as_far_as_asked() -> None:
    """The object's mean lightness goes to the photograph's by the share that is asked for."""
    photo = rng().integers(0, 80, (100, 100, 3), dtype=np.uint8)
    cut = np.dstack([rng(1).integers(150, 255, (40, 40, 3)), np.full((40, 40), 255)])
    cut = cut.astype(np.uint8)

    def lightness(harmonise: float) -> float:
        pasted = paste_accessory(photo, cut, rng(), harmonise=harmonise, area=0.16)
        left, top, right, bottom = pasted.box
        return float(to_lab(pasted.pixels[top:bottom, left:right])[..., 0].mean())

    own, half, full = lightness(0), lightness(0.5), lightness(1)
    assert full == pytest.approx(to_lab(photo)[..., 0].mean(), abs=2)
    assert half == pytest.approx((own + full) / 2, abs=2)
    with pytest.raises(ParameterError, match="harmonise is 2"):
        lightness(2)


def test_it_imports_without_pillow() -> None:
    """The module itself needs NumPy only."""
    code = "import sys, conceptstats.pasting; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
