"""Pictures in files: every format upright, in its colours, with 8 bits; no range is guessed."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conceptstats.errors import SourceError
from conceptstats.pictures import decode_image, decode_on_white, decode_with_alpha, read_picture

RAMP = np.linspace(0, 255, 40).astype(np.uint8)
GREY = np.tile(RAMP, (30, 1))
COLOUR = np.dstack([GREY, GREY[:, ::-1], np.full_like(GREY, 90)])

in_rgb = pytest.mark.parametrize("decode", [decode_image, decode_on_white])
Decode = Callable[[bytes], Image.Image]


def encoded(pixels: Any, kind: str = "PNG", **options: Any) -> bytes:
    """The file of a picture, or of an array."""
    image = Image.fromarray(pixels) if isinstance(pixels, np.ndarray) else pixels
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@in_rgb
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_as_its_exif_says(orientation: int, decode: Decode) -> None:
    """All eight orientations come out as the one upright picture."""
    upright = np.zeros((8, 16, 3), np.uint8)
    upright[:4, :8] = 255  # white at the top left
    turns = {1: [], 2: [0], 3: [3], 4: [1], 5: [5], 6: [2], 7: [6], 8: [4]}
    image = Image.fromarray(upright)
    for turn in turns[orientation]:
        image = image.transpose(Image.Transpose(turn))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(image, exif=exif)
    np.testing.assert_array_equal(np.asarray(decode(data)), upright)
    stored = decode_on_white(data, upright=False)
    np.testing.assert_array_equal(np.asarray(stored), np.asarray(image))


@in_rgb
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_becomes_rgb(mode: str, decode: Decode) -> None:
    """White stays white and black stays black, whatever the file holds."""
    for value in (0, 255):
        image = Image.new("RGB", (5, 3), (value,) * 3).convert(mode)
        found = decode(encoded(image, "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"))
        assert (found.mode, found.size) == ("RGB", (5, 3))
        np.testing.assert_array_equal(np.asarray(found), value)


@in_rgb
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_are_scaled(kind: str, decode: Decode) -> None:
    """Half of 65,535 is half of 255, where Pillow's own conversion gives white."""
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    found = decode(encoded(values, kind))
    np.testing.assert_array_equal(np.asarray(found)[0, :, 0], [0, 1, 128, 255])
    assert found.mode == "RGB"


@pytest.mark.parametrize("decode", [decode_image, decode_on_white, decode_with_alpha])
def test_values_without_a_known_range_are_refused(decode: Decode) -> None:
    """Floating-point numbers, and integers beyond 16 bits."""
    with pytest.raises(ValueError, match="floating-point"):
        decode(encoded(GREY.astype(np.float32), "TIFF"))
    with pytest.raises(ValueError, match="beyond 16 bits"):
        decode(encoded(GREY.astype(np.int32) * 1000, "TIFF"))


@in_rgb
def test_grey_palette_and_one_bit_are_their_colours(decode: Decode) -> None:
    """Each becomes RGB with the values that it shows."""
    assert (np.asarray(decode(encoded(GREY))) == GREY[..., None]).all()
    few = Image.fromarray(COLOUR).quantize(16)
    assert (np.asarray(decode(encoded(few))) == np.asarray(few.convert("RGB"))).all()
    bits = np.asarray(decode(encoded(GREY > 100)))
    assert (bits[..., 0] == (GREY > 100) * 255).all()


@in_rgb
def test_cmyk_is_not_inverted(decode: Decode) -> None:
    """A JPEG in CMYK shows the colours that went in."""
    pixels = np.asarray(decode(encoded(Image.fromarray(COLOUR).convert("CMYK"), "JPEG",
                                       quality=100)))  # fmt: skip
    assert pixels.shape == (30, 40, 3)
    assert np.abs(pixels.astype(int) - COLOUR).mean() < 3


def test_transparency_is_dropped_or_lies_on_white() -> None:
    """By a channel, by a colour of a palette, or by a grey value of 8 or of 16 bits."""
    clear = GREY <= 100
    seen = np.where(clear[..., None], 255, COLOUR)
    data = encoded(np.dstack([COLOUR, np.where(clear, np.uint8(0), np.uint8(255))]))
    assert (np.asarray(decode_image(data)) == COLOUR).all()
    assert (np.asarray(decode_on_white(data)) == seen).all()
    few = Image.fromarray(COLOUR).quantize(8)
    data = encoded(few, transparency=few.getpixel((0, 0)))
    assert (np.asarray(decode_image(data)) == np.asarray(few.convert("RGB"))).all()
    assert (np.asarray(decode_on_white(data))[0, 0] == 255).all()
    for factor in (1, 257):
        pixels = GREY if factor == 1 else GREY.astype(np.uint16) * 257
        data = encoded(pixels, transparency=int(pixels[0, 9]))
        assert (np.asarray(decode_image(data)) == GREY[..., None]).all()
        shown = np.where(GREY[0, 9] == GREY, 255, GREY)
        assert (np.asarray(decode_on_white(data)) == shown[..., None]).all()
        alpha = np.asarray(decode_with_alpha(data))[..., 3]
        assert (alpha == np.where(GREY[0, 9] == GREY, 0, 255)).all()


def test_a_palette_with_several_degrees_of_transparency() -> None:
    """Pillow warns of the direct way to RGB; the colours are the same."""
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    data = encoded(image, transparency=b"\x00\xff")
    found = decode_image(data)
    assert [found.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (0, 255, 0)]
    assert np.asarray(decode_with_alpha(data))[0, :, 3].tolist() == [0, 255]


def test_a_file_is_read_as_it_was_when_it_was_listed(tmp_path: Path) -> None:
    """Missing, changed and broken files are errors that name them."""
    path = tmp_path / "a b é.png"
    with pytest.raises(SourceError, match=r"é\.png: No such file"):
        read_picture(path)
    path.write_bytes(encoded(COLOUR))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (np.asarray(read_picture(path, digest)) == COLOUR).all()
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(SourceError, match="its sha256 differs"):
        read_picture(path, digest)
    with pytest.raises(SourceError, match=r"é\.png: OSError: .*truncated"):
        read_picture(path)
    path.write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"UnidentifiedImageError: no picture of a known format$"):
        read_picture(path)
