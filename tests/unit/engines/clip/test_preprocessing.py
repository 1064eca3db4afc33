"""Pictures reach the tower as cn_clip would have it, to the byte, whatever mode they have."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from bench.clip_samples import pixels
from immich_aio.domain.images import ImageLimits
from immich_aio.engines.clip.preprocessing import square
from immich_aio.errors import BadImageError, TooLargeError

SIDE = 224
LIMITS = ImageLimits()
PICTURE = Image.fromarray(pixels(3, 331, 197))


def file_of(picture: Image.Image, kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


def with_alpha(picture: Image.Image) -> Image.Image:
    alpha = Image.fromarray(pixels(5, *picture.size)[:, :, 0])
    picture = picture.copy()
    picture.putalpha(alpha)
    return picture


FILES = {
    "RGB PNG": file_of(PICTURE, "PNG"),
    "RGB WebP": file_of(PICTURE, "WEBP", lossless=True),
    "RGB JPEG": file_of(PICTURE, "JPEG", quality=90),
    "progressive JPEG": file_of(PICTURE, "JPEG", progressive=True),
    "RGBA PNG": file_of(with_alpha(PICTURE), "PNG"),
    "RGBA WebP": file_of(with_alpha(PICTURE), "WEBP", lossless=True),
    "grey PNG": file_of(PICTURE.convert("L"), "PNG"),
    "grey with alpha": file_of(with_alpha(PICTURE.convert("L")), "PNG"),
    "black and white": file_of(PICTURE.convert("1"), "PNG"),
    "palette PNG": file_of(PICTURE.quantize(60), "PNG"),
    "palette with transparency": file_of(PICTURE.quantize(60), "PNG", transparency=7),
    "GIF": file_of(PICTURE.quantize(60), "GIF"),
    "CMYK JPEG": file_of(PICTURE.convert("CMYK"), "JPEG", quality=90),
    "CMYK TIFF": file_of(PICTURE.convert("CMYK"), "TIFF"),
    "YCbCr TIFF": file_of(PICTURE.convert("YCbCr"), "TIFF"),
    "BMP": file_of(PICTURE, "BMP"),
    "AVIF": file_of(PICTURE, "AVIF", quality=90),
    "one pixel": file_of(PICTURE.crop((5, 5, 6, 6)), "PNG"),
    "a strip": file_of(PICTURE.resize((2000, 3)), "PNG"),
    "as large as the square": file_of(PICTURE.resize((SIDE, SIDE)), "PNG"),
}


@pytest.mark.parametrize("name", FILES)
def test_every_mode_gives_the_references_bytes(name: str) -> None:
    opened = Image.open(io.BytesIO(FILES[name]))
    # What torchvision's Resize and cn_clip's transform do with a Pillow image.
    expected = opened.resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert("RGB")
    made = square(FILES[name], LIMITS, SIDE)
    np.testing.assert_array_equal(made.pixels, np.asarray(expected))
    assert (made.width, made.height) == opened.size
    assert made.pixels.dtype == np.uint8


def test_the_modes_are_what_their_names_say() -> None:
    modes = {Image.open(io.BytesIO(file)).mode for file in FILES.values()}
    assert {"1", "L", "LA", "P", "RGB", "RGBA", "CMYK"} <= modes


def test_grey_of_sixteen_bits_is_scaled_and_not_clipped() -> None:
    deep = np.asarray(PICTURE.convert("L")).astype(np.uint16) * 257
    made = square(file_of(Image.fromarray(deep), "PNG"), LIMITS, SIDE).pixels
    expected = square(file_of(PICTURE.convert("L"), "PNG"), LIMITS, SIDE).pixels
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_before_anything_else(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    made = square(file_of(PICTURE, "PNG", exif=exif), LIMITS, SIDE)
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    upright = PICTURE.transpose(turns[orientation]) if orientation in turns else PICTURE
    np.testing.assert_array_equal(made.pixels, square(file_of(upright, "PNG"), LIMITS, SIDE).pixels)
    assert (made.width, made.height) == upright.size


def test_a_jpeg_cut_off_is_seen_as_far_as_it_goes() -> None:
    cut = FILES["RGB JPEG"][: len(FILES["RGB JPEG"]) * 2 // 3]
    whole, part = (square(file, LIMITS, SIDE).pixels for file in (FILES["RGB JPEG"], cut))
    np.testing.assert_array_equal(part[:80], whole[:80])


@pytest.mark.parametrize("name", ["RGB JPEG", "grey PNG", "CMYK TIFF"])
def test_a_file_cut_off_before_its_picture_is_refused(name: str) -> None:
    header = FILES[name].find(b"\xff\xda") + 12 if "JPEG" in name else 60
    with pytest.raises(BadImageError):
        square(FILES[name][:header], LIMITS, SIDE)


@pytest.mark.parametrize("file", [b"", b"text", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused(file: bytes) -> None:
    with pytest.raises(BadImageError):
        square(file, LIMITS, SIDE)


def test_what_is_over_the_limits_is_refused() -> None:
    with pytest.raises(TooLargeError, match="MAX_MEGAPIXELS"):
        square(FILES["RGB PNG"], ImageLimits(max_pixels=1000), SIDE)
    with pytest.raises(TooLargeError, match="MAX_UPLOAD_MB"):
        square(FILES["RGB PNG"], ImageLimits(max_bytes=100), SIDE)
