"""Every image is read as a viewer shows it; every other file is refused in words."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import typing as npt
from numpy.typing import NDArray
from PIL import Image as Pillow
from pillow_heif import from_pillow

from immich_aio.domain.images import Image, ImageLimits
from immich_aio.errors import AioError, BadImageError, TooLargeError
from immich_aio.wire.image_file import decode, read_size

LIMITS = ImageLimits()
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIC", "AVIF"]
ORIENTATION = 0x0112
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 180, 40), (40, 50, 200), (250, 250, 250)


def quadrants(width: int = 96, height: int = 64) -> Pillow.Image:
    """Red and green over blue and white."""
    picture = Pillow.new("RGB", (width, height), RED)
    picture.paste(GREEN, (width // 2, 0, width, height // 2))
    picture.paste(BLUE, (0, height // 2, width // 2, height))
    picture.paste(WHITE, (width // 2, height // 2, width, height))
    return picture


def noise(width: int, height: int) -> Pillow.Image:
    """Colours that differ from row to row, and do not compress."""
    values = np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)
    return Pillow.fromarray(values)


def saved(picture: Pillow.Image, kind: str, **options: object) -> bytes:
    """The picture as a file, in this format's best quality."""
    out = io.BytesIO()
    if kind == "HEIC":
        from_pillow(picture).save(out, **{"quality": 95, "chroma": 444} | options)
        return out.getvalue()
    best: dict[str, dict[str, object]] = {
        "JPEG": {"quality": 95, "subsampling": 0},
        "WEBP": {"lossless": True},
        "AVIF": {"quality": 95, "subsampling": "4:4:4", "speed": 9},
    }
    picture.save(out, kind, **best.get(kind, {}) | options)
    return out.getvalue()


def with_orientation(value: int) -> bytes:
    exif = Pillow.Exif()
    exif[ORIENTATION] = value
    return exif.tobytes()


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_claiming(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(100_000), 9)
    parts = png_chunk(b"IHDR", header), png_chunk(b"IDAT", body), png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def gif_claiming(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    """A GIF whose first frame asks for its area to be cleared after it."""
    control = b"!\xf9\x04\x08\0\0\0\0"
    image = b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02L\x01\0;"
    return b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + bytes(6) + control + image


def tiff(width: int, height: int, body: bytes, tags: dict[int, tuple[int, ...]]) -> bytes:
    """A little-endian grey TIFF of one strip, its tags by number; each value fits 32 bits."""
    tags = {256: (width,), 257: (height,), 258: (8,), 259: (1,), 262: (1,), 277: (1,)} | tags
    tags |= {} if 324 in tags else {273: (8,), 278: (height,), 279: (len(body),)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, *tags[tag]) for tag in sorted(tags))
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory


def vp8x_claiming(width: int, height: int) -> bytes:
    body = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunks = b"WEBPVP8X" + struct.pack("<I", 10) + body
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def vp8l_claiming(width: int, height: int) -> bytes:
    body = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(9)
    chunks = b"WEBPVP8L" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


def bmp_claiming(width: int, height: int) -> bytes:
    data = bytearray(saved(quadrants(), "BMP"))
    data[18:26] = struct.pack("<II", width, height)
    return bytes(data)


def jpeg_claiming(width: int, height: int) -> bytes:
    data = bytearray(saved(quadrants(), "JPEG"))
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


BOMBS = {
    "PNG": png_claiming(50_000, 50_000),
    "GIF": gif_claiming((60_000, 60_000), (1, 1)),
    "GIF frame beyond its screen": gif_claiming((1, 1), (60_000, 60_000)),
    "TIFF": tiff(50_000, 50_000, bytes(100), {}),
    "TIFF tile": tiff(100, 100, bytes(100), {322: (60_000,), 323: (30_000,), 324: (8,), 325: (9,)}),
    "WebP canvas": vp8x_claiming(60_000, 60_000),
    "WebP lossless": vp8l_claiming(16_384, 16_384),
    "BMP": bmp_claiming(50_000, 50_000),
    "JPEG": jpeg_claiming(65_000, 65_000),
}


def assert_close(image: Image, expected: Pillow.Image, tolerance: int) -> None:
    """Same size, and the same colours in the middle of each quadrant."""
    assert (image.width, image.height) == expected.size
    height, width = image.pixels.shape[:2]
    wanted = np.asarray(expected.convert("RGB")).astype(int)
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            difference = np.abs(image.pixels[y, x].astype(int) - wanted[y, x])
            assert difference.max() <= tolerance, (x, y, image.pixels[y, x], wanted[y, x])


# Formats and modes


@pytest.mark.parametrize(
    ("data", "tolerance"),
    [
        pytest.param(saved(quadrants(), "JPEG"), 4, id="JPEG"),
        pytest.param(saved(quadrants(), "JPEG", progressive=True), 4, id="progressive JPEG"),
        pytest.param(saved(quadrants(), "PNG"), 0, id="PNG"),
        pytest.param(saved(quadrants(), "WEBP"), 0, id="WebP lossless"),
        pytest.param(saved(quadrants(), "WEBP", lossless=False, quality=95), 8, id="WebP"),
        pytest.param(saved(quadrants(), "GIF"), 0, id="GIF"),
        pytest.param(saved(quadrants(), "BMP"), 0, id="BMP"),
        pytest.param(saved(quadrants(), "TIFF"), 0, id="TIFF"),
        pytest.param(saved(quadrants(), "TIFF", compression="tiff_lzw"), 0, id="TIFF LZW"),
        pytest.param(saved(quadrants(), "TIFF", compression="jpeg", quality=95), 6, id="TIFF JPEG"),
        pytest.param(saved(quadrants(), "TIFF", big_tiff=True), 0, id="BigTIFF"),
        pytest.param(saved(quadrants(), "HEIC"), 8, id="HEIC"),
        pytest.param(saved(quadrants(), "AVIF"), 8, id="AVIF"),
    ],
)
def test_a_picture_keeps_its_size_and_colours(data: bytes, tolerance: int) -> None:
    image = decode(data, LIMITS)
    assert_close(image, quadrants(), tolerance)
    assert (image.full_width, image.full_height) == (96, 64)
    assert read_size(data) == (96, 64)


@pytest.mark.parametrize("kind", FORMATS)
def test_pixels_are_contiguous_bytes_in_rows_of_three(kind: str) -> None:
    pixels = decode(saved(quadrants(), kind), LIMITS).pixels
    assert pixels.shape == (64, 96, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous


def test_a_memoryview_reads_as_bytes_do() -> None:
    data = saved(quadrants(), "PNG")
    assert_close(decode(memoryview(data), LIMITS), quadrants(), 0)
    assert read_size(memoryview(data)) == (96, 64)


def ramp(top: float, dtype: npt.DTypeLike) -> NDArray[Any]:
    """Four rows of grey from nothing to ``top``."""
    return np.tile(np.linspace(0, top, 256), (4, 1)).astype(dtype)


def twelve_bits(values: NDArray[Any]) -> bytes:
    """Two values in three bytes, as TIFF packs them."""
    even, odd = values.ravel()[::2].astype(int), values.ravel()[1::2].astype(int)
    packed = np.stack([even >> 4, (even & 15) << 4 | odd >> 8, odd & 255], axis=1)
    return packed.astype(np.uint8).tobytes()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(saved(Pillow.fromarray(ramp(255, np.uint8)), "PNG"), id="8-bit PNG"),
        pytest.param(saved(Pillow.fromarray(ramp(255, np.uint8)), "JPEG"), id="grey JPEG"),
        pytest.param(saved(Pillow.fromarray(ramp(65535, np.uint16)), "PNG"), id="16-bit PNG"),
        pytest.param(saved(Pillow.fromarray(ramp(65535, np.uint16)), "TIFF"), id="16-bit TIFF"),
        pytest.param(saved(Pillow.fromarray(ramp(65535, ">u2")), "TIFF"), id="big-endian TIFF"),
        pytest.param(saved(Pillow.fromarray(ramp(65535, np.int32)), "TIFF"), id="32-bit TIFF"),
        pytest.param(saved(Pillow.fromarray(ramp(2e9, np.int32)), "TIFF"), id="32-bit, all used"),
        pytest.param(saved(Pillow.fromarray(ramp(1, np.float32)), "TIFF"), id="float to 1"),
        pytest.param(saved(Pillow.fromarray(ramp(255, np.float32)), "TIFF"), id="float to 255"),
        pytest.param(saved(Pillow.fromarray(ramp(1e6, np.float32)), "TIFF"), id="float, wide"),
        pytest.param(
            tiff(256, 4, twelve_bits(ramp(4095, np.uint16)), {258: (12,)}), id="12-bit TIFF"
        ),
        pytest.param(
            tiff(256, 4, ramp(65535, "<u2")[:, ::-1].tobytes(), {258: (16,), 262: (0,)}),
            id="16-bit TIFF, white is zero",
        ),
    ],
)
def test_grey_of_any_depth_is_scaled_and_not_clipped(data: bytes) -> None:
    pixels = decode(data, LIMITS).pixels.astype(int)
    expected = np.broadcast_to(np.arange(256)[None, :, None], (4, 256, 3))
    assert np.abs(pixels - expected).max() <= 1


def test_a_float_picture_with_gaps_is_read() -> None:
    """Not-a-number is common in scientific TIFFs; it counts as the lowest value."""
    values = ramp(1, np.float32)
    values[0, 0], values[1, 255] = np.nan, np.inf
    pixels = decode(saved(Pillow.fromarray(values), "TIFF"), LIMITS).pixels
    assert pixels[0, 0, 0] == 0
    assert pixels[1, 255, 0] == 255
    assert pixels[2, 128, 0] == 128


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_one_bit_is_black_and_white(kind: str) -> None:
    checks = (np.indices((16, 24)).sum(axis=0) % 2 * 255).astype(np.uint8)
    pixels = decode(saved(Pillow.fromarray(checks).convert("1"), kind), LIMITS).pixels
    assert (pixels == checks[..., None]).all()


def see_through(mode: str) -> Pillow.Image:
    """Left half opaque and dark, right half fully transparent and just as dark."""
    picture = Pillow.new(mode, (96, 64), (10,) * (len(mode) - 1) + (255,))
    picture.paste((10,) * (len(mode) - 1) + (0,), (48, 0, 96, 64))
    return picture


def transparent_palette(one: bool) -> Pillow.Image:
    picture = Pillow.new("P", (96, 64), 0)
    picture.putpalette([10, 10, 10, 10, 10, 10] + [90] * 9)
    picture.paste(1, (48, 0, 96, 64))
    picture.info["transparency"] = 1 if one else bytes([255, 0, 128, 128, 128])
    return picture


Colour = int | tuple[int, int, int]


def keyed(mode: str, dark: Colour, clear: Colour) -> Pillow.Image:
    """One value of an otherwise opaque picture means transparent."""
    values = np.zeros((64, 96) if isinstance(dark, int) else (64, 96, 3), int)
    values[:, :48], values[:, 48:] = dark, clear
    picture = Pillow.fromarray(values.astype(np.uint16 if mode == "I;16" else np.uint8))
    assert picture.mode == mode
    picture.info["transparency"] = clear
    return picture


@pytest.mark.parametrize(
    ("data", "tolerance"),
    [
        pytest.param(saved(see_through("RGBA"), "PNG"), 0, id="PNG"),
        pytest.param(saved(see_through("LA"), "PNG"), 0, id="PNG grey"),
        pytest.param(saved(see_through("RGBA"), "TIFF"), 0, id="TIFF"),
        pytest.param(saved(see_through("LA"), "TIFF"), 0, id="TIFF grey"),
        pytest.param(saved(see_through("RGBA"), "WEBP", exact=True), 0, id="WebP"),
        pytest.param(saved(see_through("RGBA"), "HEIC"), 8, id="HEIC"),
        pytest.param(saved(see_through("RGBA"), "AVIF"), 8, id="AVIF"),
        pytest.param(saved(transparent_palette(one=True), "PNG"), 0, id="PNG palette, one colour"),
        pytest.param(saved(transparent_palette(one=False), "PNG"), 0, id="PNG palette, shades"),
        pytest.param(saved(transparent_palette(one=True), "GIF"), 0, id="GIF"),
        pytest.param(saved(keyed("L", 10, 77), "PNG"), 0, id="PNG grey, one value"),
        pytest.param(
            saved(keyed("RGB", (10, 10, 10), (1, 2, 3)), "PNG"), 0, id="PNG colour, one value"
        ),
        pytest.param(saved(keyed("I;16", 2570, 300), "PNG"), 0, id="PNG 16-bit, one value"),
    ],
)
def test_transparency_is_laid_over_white(data: bytes, tolerance: int) -> None:
    pixels = decode(data, LIMITS).pixels.astype(int)
    assert np.abs(pixels[:, :40] - 10).max() <= tolerance
    assert np.abs(pixels[:, 56:] - 255).max() <= tolerance


def test_grey_that_is_stored_multiplied_by_its_alpha_is_laid_over_white() -> None:
    data = tiff(2, 1, bytes([10, 255, 0, 0]), {277: (2,), 338: (1,)})
    assert decode(data, LIMITS).pixels[..., 0].tolist() == [[10, 255]]


def test_half_transparent_is_half_white() -> None:
    pixels = decode(saved(Pillow.new("RGBA", (8, 8), (0, 0, 0, 128)), "PNG"), LIMITS).pixels
    assert np.abs(pixels.astype(int) - 127).max() <= 1


def as_ycck(picture: Pillow.Image) -> bytes:
    """A CMYK JPEG as Photoshop writes it; Pillow writes none, so its planes and flag are set."""
    cyan, magenta, yellow, black = picture.split()
    luma = Pillow.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr").split()
    inverted = [plane.point(lambda value: 255 - value) for plane in luma]
    data = bytearray(saved(Pillow.merge("CMYK", (*inverted, black)), "JPEG"))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(saved(quadrants().convert("CMYK"), "JPEG"), id="CMYK"),
        pytest.param(as_ycck(quadrants().convert("CMYK")), id="YCCK"),
        pytest.param(saved(quadrants().convert("CMYK"), "TIFF"), id="CMYK TIFF"),
        pytest.param(saved(quadrants().convert("LAB"), "TIFF"), id="LAB TIFF"),
        pytest.param(saved(quadrants().convert("P"), "PNG"), id="palette"),
    ],
)
def test_other_colour_spaces_show_the_same_colours(data: bytes) -> None:
    expected = quadrants().convert("P") if data.startswith(b"\x89PNG") else quadrants()
    assert_close(decode(data, LIMITS), expected, 6)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "WEBP", "AVIF"])
def test_of_several_frames_the_first_is_read(kind: str) -> None:
    data = saved(
        quadrants(), kind, save_all=True, append_images=[Pillow.new("RGB", (96, 64))], duration=99
    )
    assert_close(decode(data, LIMITS), quadrants(), 8)


# Orientation

STORED_AS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),  # "turn me clockwise": stored turned the other way
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


def stored(orientation: int) -> Pillow.Image:
    return Pillow.fromarray(np.ascontiguousarray(STORED_AS[orientation](np.asarray(quadrants()))))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIC"])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_a_picture_is_turned_upright_and_so_is_its_size(kind: str, orientation: int) -> None:
    data = saved(stored(orientation), kind, exif=with_orientation(orientation))
    image = decode(data, LIMITS)
    assert_close(image, quadrants(), 8)
    assert (image.full_width, image.full_height) == (96, 64)
    assert read_size(data) == (96, 64)


def test_a_compressed_tiff_is_turned_once() -> None:
    exif = with_orientation(6)
    data = saved(stored(6), "TIFF", exif=exif, compression="tiff_lzw")
    assert_close(decode(data, LIMITS), quadrants(), 0)


@pytest.mark.parametrize("cut", [None, -3000])
def test_a_tiff_that_tells_its_orientation_in_xmp_is_turned(cut: int | None) -> None:
    xmp = b'<rdf:Description tiff:Orientation="6"/>'
    data = saved(stored(6), "TIFF", tiffinfo={700: xmp})[:cut]
    image = decode(data, LIMITS)
    assert tuple(image.pixels[16, 72]) == GREEN
    assert (image.width, image.height) == (image.full_width, image.full_height) == (96, 64)
    assert read_size(data) == (96, 64)


def test_orientation_after_the_pixels_of_a_png_counts() -> None:
    """ImageMagick writes it there."""
    plain = saved(stored(6), "PNG")
    end = plain.index(b"IEND") - 4
    data = plain[:end] + png_chunk(b"eXIf", with_orientation(6)[6:]) + plain[end:]
    assert_close(decode(data, LIMITS), quadrants(), 0)
    assert read_size(data) == (96, 64)


@pytest.mark.parametrize("exif", [b"Exif\0\0rubbish!", with_orientation(77), b"Exif\0\0"])
def test_damaged_exif_does_not_lose_the_picture(exif: bytes) -> None:
    data = saved(quadrants(), "PNG", exif=exif)
    assert_close(decode(data, LIMITS), quadrants(), 0)
    assert read_size(data) == (96, 64)


# Large pictures


def test_a_large_jpeg_is_decoded_smaller_but_tells_its_full_size() -> None:
    data = saved(quadrants(1000, 600), "JPEG", exif=with_orientation(6))
    image = decode(data, LIMITS, target_side=240)
    assert (image.width, image.height) == (150, 250)
    assert (image.full_width, image.full_height) == (600, 1000)


@pytest.mark.parametrize(("target", "width"), [(501, 1000), (500, 500), (125, 125), (None, 1000)])
def test_a_jpeg_is_never_decoded_below_the_target(target: int | None, width: int) -> None:
    image = decode(saved(quadrants(1000, 10), "JPEG"), LIMITS, target_side=target)
    assert (image.width, image.full_width) == (width, 1000)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_single_pixel_is_a_picture(kind: str) -> None:
    image = decode(saved(Pillow.new("RGB", (1, 1), (200, 200, 200)), kind), LIMITS)
    assert image.pixels.shape == (1, 1, 3)
    assert np.abs(image.pixels.astype(int) - 200).max() <= 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_long_strip_is_read(kind: str) -> None:
    image = decode(saved(quadrants(12_000, 200), kind), LIMITS, target_side=None)
    assert_close(image, quadrants(12_000, 200), 4)


def test_a_picture_copied_in_strips_is_whole() -> None:
    """Above 16 megapixels the copy is made piece by piece."""
    picture = quadrants(4100, 4003)
    assert (decode(saved(picture, "BMP"), LIMITS).pixels == np.asarray(picture)).all()


# Cut and padded files


@pytest.mark.parametrize("kind", FORMATS)
def test_what_follows_the_picture_is_ignored(kind: str) -> None:
    data = saved(quadrants(), kind)
    assert (decode(data + b"junk" * 50, LIMITS).pixels == decode(data, LIMITS).pixels).all()


@pytest.mark.parametrize("cut_at", [0.6, 0.75, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
def test_a_file_that_is_cut_off_keeps_what_arrived(kind: str, cut_at: float) -> None:
    plain = {"interlace": 0} if kind == "GIF" else {}
    data = saved(noise(320, 640), kind, **plain)
    whole = decode(data, LIMITS).pixels.astype(int)
    part = decode(data[: int(len(data) * cut_at)], LIMITS)
    assert (part.width, part.height) == (320, 640)
    same = np.abs(part.pixels - whole).max(axis=(1, 2)) == 0
    # BMP stores its last row first.
    rows = same[::-1] if kind == "BMP" else same
    assert rows[: int(640 * (cut_at - 0.1))].all()
    assert not rows.all()


def test_a_progressive_jpeg_that_is_cut_off_shows_all_of_the_picture_coarsely() -> None:
    picture = quadrants(640, 480)
    picture.paste(noise(200, 200), (0, 0))
    data = saved(picture, "JPEG", progressive=True)
    pixels = decode(data[: len(data) // 2], LIMITS).pixels.astype(int)
    for (y, x), colour in {(120, 480): GREEN, (420, 100): BLUE, (360, 480): WHITE}.items():
        assert np.abs(pixels[y, x] - colour).max() <= 12


def test_a_turned_tiff_that_is_cut_off_is_still_turned() -> None:
    data = saved(stored(6), "TIFF", exif=with_orientation(6))
    image = decode(data[:-3000], LIMITS)
    assert (image.width, image.height) == (96, 64)
    assert tuple(image.pixels[16, 72]) == GREEN


def test_a_png_cut_anywhere_keeps_what_arrived() -> None:
    """Also where the cut is inside the name or the checksum of one of its chunks."""
    rows = np.asarray(noise(20, 20))
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = [packed[at : at + 50] for at in range(0, len(packed), 50)]
    header = b"\x89PNG\r\n\x1a\n" + png_chunk(
        b"IHDR", struct.pack(">IIBBBBB", 20, 20, 8, 2, 0, 0, 0)
    )
    data = header + b"".join(png_chunk(b"IDAT", part) for part in parts)
    for length in range(len(header) + 8, len(header) + 150):
        with contextlib.suppress(BadImageError):
            assert decode(data[:length], LIMITS).pixels.shape == (20, 20, 3)
    for length in range(len(header) + 150, len(data)):
        pixels = decode(data[:length], LIMITS).pixels
        arrived = 20 * (length - len(header)) // (len(data) - len(header)) - 1
        assert (pixels[:arrived] == rows[:arrived]).all()


def test_a_png_cut_off_before_its_first_pixel_is_refused() -> None:
    data = saved(noise(20, 20), "PNG")
    with pytest.raises(BadImageError, match="cut off before any"):
        decode(data[: data.index(b"IDAT") + 8], LIMITS)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_off_inside_its_header_is_refused(kind: str) -> None:
    data = saved(quadrants(), kind)
    for length in (12, 17):
        with pytest.raises(BadImageError, match="send"):
            decode(data[:length], LIMITS)
        with pytest.raises(BadImageError, match="send"):
            read_size(data[:length])


def test_a_jpeg_cut_off_before_its_first_pixel_is_refused() -> None:
    data = saved(noise(320, 640), "JPEG")
    scan = data.index(b"\xff\xda")
    for length in (scan - 1, scan + 1, scan + 8, scan + 14):
        with pytest.raises(BadImageError, match="cut off"):
            decode(data[:length], LIMITS)


# Refusals


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "The body is empty"),
        (bytes(100), "zero bytes"),
        ("Hello, this is a note. 你好。\n".encode() * 40, "looks like text"),
        (("你好。" * 400).encode(), "looks like text"),
        (b"BMW is a car maker, and this is no bitmap.", "looks like text"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "looks like text"),
        (b"\n<!DOCTYPE html><html><body>502</body></html>", "an HTML page"),
        (b"\xef\xbb\xbf<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "a PDF"),
        (b"PK\x03\x04\x14\0\0\0\x08\0", "a ZIP archive"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41" + bytes(99), "a video"),
        (b"\0\0\0\x14ftypqt  \0\0\x02\0qt  " + bytes(99), "a video"),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x86\x81\x01", "a video"),
        (b"RIFF\x24\0\0\0AVI LIST", "a video"),
        (b"\xff\x0a\xfa\x7f\x01", "JPEG XL"),
        (b"8BPS\0\x01\0\0\0\0\0\0\0\x03\0\0\0\x01\0\0\0\x01\0\x08\0\x03", "no kind of file"),
        (b"P6 1 1 255\n\x80\x90\xff", "no kind of file"),
        (bytes(range(128, 256)) * 3, "no kind of file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_image_is_refused_by_name(data: bytes, said: str) -> None:
    """The caller learns what came, and what may come."""
    for read in (lambda: decode(data, LIMITS), lambda: read_size(data)):
        with pytest.raises(BadImageError, match=said) as caught:
            read()
        assert "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF" in caught.value.message


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png_claiming(0, 0), id="PNG"),
        pytest.param(gif_claiming((0, 0), (0, 0)), id="GIF"),
        pytest.param(bmp_claiming(0, 0), id="BMP"),
        pytest.param(jpeg_claiming(0, 0), id="JPEG"),
        pytest.param(tiff(0, 0, b"", {}), id="TIFF"),
        pytest.param(saved(quadrants(), "WEBP", lossless=False)[:26] + bytes(99), id="WebP"),
    ],
)
def test_a_picture_without_pixels_is_refused(data: bytes) -> None:
    with pytest.raises(BadImageError, match="send"):
        decode(data, LIMITS)
    with pytest.raises(BadImageError, match="send"):
        read_size(data)


def test_a_body_over_the_limit_is_refused_with_the_setting_to_raise() -> None:
    data = saved(quadrants(), "PNG")
    with pytest.raises(TooLargeError, match="MAX_UPLOAD_MB"):
        decode(data, ImageLimits(max_bytes=len(data) - 1))
    assert decode(data, ImageLimits(max_bytes=len(data))).width == 96


@pytest.mark.parametrize("kind", FORMATS)
def test_more_pixels_than_the_limit_are_refused_with_the_setting_to_raise(kind: str) -> None:
    data = saved(quadrants(), kind)
    with pytest.raises(TooLargeError, match=r"96 × 64.*MAX_MEGAPIXELS"):
        decode(data, ImageLimits(max_pixels=96 * 64 - 1))
    assert decode(data, ImageLimits(max_pixels=96 * 64)).width == 96


def test_no_limit_holds_but_the_one_given() -> None:
    """Pillow would warn of the first and refuse the second, whatever MAX_MEGAPIXELS is."""
    assert read_size(gif_claiming((1, 1), (10_000, 10_000))) == (10_000, 10_000)
    assert read_size(gif_claiming((1, 1), (20_000, 20_000))) == (20_000, 20_000)


IN_A_FRESH_PROCESS = """
import resource, sys
from pathlib import Path
from immich_aio.domain.images import ImageLimits
from immich_aio.errors import AioError
from immich_aio.wire.image_file import decode, read_size

warm, *files = [Path(name).read_bytes() for name in sys.argv[1:]]
decode(warm, ImageLimits())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for data in files:
    try:
        image = decode(data, ImageLimits())
        print(image.width, image.height)
    except AioError as error:
        print(error.kind)
    try:
        read_size(data)
    except AioError:
        pass
unit = 1 if sys.platform == "darwin" else 1024
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit)
"""


def decoded_apart(folder: Path, files: list[bytes]) -> tuple[list[str], int]:
    """What another process said of each file, and by how many bytes its peak memory grew."""
    names = []
    for number, data in enumerate([saved(quadrants(), "JPEG"), *files]):
        names.append(folder / str(number))
        names[-1].write_bytes(data)
    run = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-W", "error", "-c", IN_A_FRESH_PROCESS, *names],
        capture_output=True,
        text=True,
        check=True,
    )
    *said, grown = run.stdout.split("\n")[:-1]
    return said, int(grown)


def test_decompression_bombs_are_refused_from_their_header(tmp_path: Path) -> None:
    """None of them is decoded or even allocated: the smallest would take 250 MB."""
    said, grown = decoded_apart(tmp_path, list(BOMBS.values()))
    assert dict(zip(BOMBS, said, strict=True)) == dict.fromkeys(BOMBS, "too_large")
    assert grown < 30_000_000


def test_a_jpeg_at_the_limit_takes_less_than_four_bytes_a_pixel(tmp_path: Path) -> None:
    """Nor does Pillow warn of it: warnings are errors in that process too."""
    data = saved(Pillow.new("L", (10_000, 10_000), 99), "JPEG", quality=20)
    said, grown = decoded_apart(tmp_path, [data])
    assert said == ["5000 5000"]
    assert grown < 4 * 100_000_000


# Damage


@cache
def small_files() -> list[bytes]:
    """One or more of each format, small enough that most bytes matter."""
    picture = quadrants(24, 16)
    exif = with_orientation(6)
    files = [saved(picture, kind) for kind in FORMATS]
    files += [saved(picture, kind, exif=exif) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")]
    files += [
        saved(picture, "JPEG", progressive=True),
        saved(picture.convert("CMYK"), "JPEG"),
        saved(picture, "TIFF", compression="tiff_lzw"),
        saved(picture, "TIFF", compression="jpeg"),
        saved(Pillow.fromarray(ramp(1, np.float32)), "TIFF"),
        saved(Pillow.fromarray(ramp(65535, np.uint16)), "PNG"),
        saved(transparent_palette(one=False), "PNG"),
        saved(picture, "WEBP", lossless=False),
        saved(picture.convert("P"), "BMP"),
    ]
    return files


def assert_read_or_refused(data: bytes) -> None:
    limits = ImageLimits(max_bytes=1_000_000, max_pixels=300_000)
    try:
        pixels = decode(data, limits).pixels
        assert pixels.ndim == 3
        assert pixels.dtype == np.uint8
    except AioError as error:
        assert error.kind in ("bad_image", "too_large")  # noqa: PT017 - both outcomes are right
    try:
        assert min(read_size(data)) > 0
    except AioError as error:
        assert error.kind == "bad_image"  # noqa: PT017 - the same


@settings(max_examples=400, deadline=None, database=None)
@given(
    number=st.integers(0, 1000),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
    cut=st.tuples(st.floats(0, 1), st.integers(0, 40)),
    end=st.floats(0.1, 3),
)
def test_a_damaged_file_is_read_or_refused_and_never_anything_else(
    number: int, changes: list[tuple[float, int]], cut: tuple[float, int], end: float
) -> None:
    data = bytearray(small_files()[number % len(small_files())])
    for place, value in changes:
        # Squared: headers, where most can go wrong, are at the beginning.
        data[int(place * place * (len(data) - 1))] = value
    start = int(cut[0] * len(data))
    del data[start : start + cut[1]]
    assert_read_or_refused(bytes(data[: int(end * len(data))]))


@settings(max_examples=200, deadline=None, database=None)
@given(number=st.integers(0, 1000), kept=st.integers(0, 60), rest=st.binary(max_size=300))
def test_rubbish_is_refused_and_never_anything_else(number: int, kept: int, rest: bytes) -> None:
    start = small_files()[number % len(small_files())][:kept]
    assert_read_or_refused(start + rest)
    assert_read_or_refused(rest)


def test_an_error_of_the_decoder_is_kept_as_the_cause() -> None:
    data = bytearray(saved(quadrants(), "WEBP"))
    data[40:60] = bytes(20)
    with pytest.raises(BadImageError, match="WebP is damaged") as caught:
        decode(bytes(data), LIMITS)
    assert caught.value.__cause__ is not None


# Many at once, and the header alone


def test_eight_threads_at_once_read_what_one_reads() -> None:
    pictures = [noise(200, 300), quadrants(300, 200)]
    files = [saved(picture, kind) for picture in pictures for kind in FORMATS]
    files += [data[: len(data) * 3 // 4] for data in files[:2]]
    alone = [decode(data, LIMITS).pixels for data in files]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda data: decode(data, LIMITS).pixels, files * 8))
    for number, pixels in enumerate(together):
        assert (pixels == alone[number % len(files)]).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_the_size_needs_only_the_header(kind: str) -> None:
    """The pixels need not even be there."""
    data = saved(noise(700, 500), kind)
    assert read_size(data[:1500]) == (700, 500)
