"""Image files ↔ pictures: bytes of an upload in, upright red-green-blue pixels out.

An upload passes four gates: its size in bytes, its first bytes (only the formats of ``ACCEPTED``
are ever opened), the pixels its header claims, and the decoder. Whatever a decoder says of a
damaged file becomes a ``BadImageError`` in one place, ``_codec_errors``.

Pillow's format classes are called directly, not through ``Image.open``: its search would load other
plug-ins (Ghostscript among them), and some formats allocate while being opened, before the size
could be refused.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from PIL import ExifTags, ImageFile
from PIL import Image as Pillow
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile
from pillow_heif import HeifImageFile

from immich_aio.domain.images import Image, ImageLimits
from immich_aio.errors import AioError, BadImageError, TooLargeError
from immich_aio.wire.image_kind import (
    ACCEPTED,
    ImageKind,
    kind_of,
    png_chunk,
    webp_chunk,
    webp_size,
)
from immich_aio.wire.image_pixels import flattened, pixels_of

ENOUGH_SIDE = 4000
"""As many pixels on the longer side as text detection can use."""

# Pillow's own limit is one number for the process, first a warning and then an error, and would
# refuse what a raised MAX_MEGAPIXELS allows. Here ImageLimits rules, from the header, every format.
Pillow.MAX_IMAGE_PIXELS = None


class _FirstFrame(GifImageFile):
    """A GIF that is only shown, not played.

    To make way for a second frame, Pillow fills a canvas while it opens the file, as large as the
    first frame claims to be, before anybody can refuse that size. No disposal, no canvas.
    """

    @property
    def disposal_method(self) -> int:
        return 0

    @disposal_method.setter
    def disposal_method(self, value: int) -> None:
        pass


_OPENERS: dict[ImageKind, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImageFile,  # not jpeg_factory: of a file of several (MPO) the first is the picture
    "PNG": PngImageFile,
    "WebP": WebPImageFile,
    "GIF": _FirstFrame,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
    "HEIC": HeifImageFile,
    "AVIF": AvifImageFile,
}
# These paint row by row, so that a file cut short leaves its upper part.
_KEPT_WHEN_CUT: frozenset[ImageKind] = frozenset({"JPEG", "PNG", "GIF", "BMP", "TIFF"})
_TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}


def decode(
    data: bytes | memoryview, limits: ImageLimits, *, target_side: int | None = ENOUGH_SIDE
) -> Image:
    """Read the picture in an upload: upright, without alpha, its first frame or page.

    A JPEG whose longer side is at least twice ``target_side`` is decoded at a half, quarter or
    eighth, never to fewer than ``target_side`` pixels; ``None`` decodes every pixel. A JPEG, PNG,
    GIF, BMP or plain TIFF that is cut off is read as far as it goes. The pixels are read-only.

    Raises ``BadImageError``, and ``TooLargeError`` before anything is decoded.
    """
    data = _within(data, limits)
    kind = kind_of(data)
    with _codec_errors(kind):
        picture, (width, height), whole = _loaded(kind, data, limits, target_side)
        orientation = _orientation(picture.info)  # none for a TIFF: Pillow has turned it, size too
        flat = flattened(picture)
        del picture  # four bytes a pixel that need not live beside the next copy
        if orientation in _TURNS:
            flat = flat.transpose(_TURNS[orientation])
        pixels = pixels_of(flat)
    if not whole and bool((pixels == pixels[0, 0]).all()):
        raise _cut_too_soon(kind)
    return Image(pixels, *_upright((width, height), orientation))


def load_upright(data: bytes | memoryview, limits: ImageLimits) -> Pillow.Image:
    """Read every pixel of the picture in an upload, upright, in whatever mode the file has.

    For who must do as others do with Pillow; ``decode`` is for who wants pixels. Raises as that.
    """
    data = _within(data, limits)
    kind = kind_of(data)
    with _codec_errors(kind):
        picture, _, whole = _loaded(kind, data, limits, None)
        if not whole and _is_plain(picture):
            raise _cut_too_soon(kind)
        turn = _TURNS.get(_orientation(picture.info))
        return picture if turn is None else picture.transpose(turn)


def read_size(data: bytes | memoryview) -> tuple[int, int]:
    """Read width and height, as a viewer shows the picture, from the header alone.

    Raises ``BadImageError``; no limit applies, as nothing is decoded.
    """
    data = bytes(data)
    kind = kind_of(data)
    with _codec_errors(kind):
        if kind == "WebP":
            info = {"exif": webp_chunk(data, b"EXIF"), "xmp": webp_chunk(data, b"XMP ")}
            return _upright(webp_size(data), _orientation(info))
        picture = _OPENERS[kind](io.BytesIO(data))
        if isinstance(picture, TiffImageFile) and ExifTags.Base.Orientation in picture.tag_v2:
            return picture.size  # Pillow has turned it; it has not by what XMP says
        if kind == "PNG" and "exif" not in picture.info:  # it may stand after the pixels
            picture.info["exif"] = png_chunk(data, b"eXIf")
        return _upright(picture.size, _orientation(picture.info))


@contextmanager
def _codec_errors(kind: ImageKind) -> Iterator[None]:
    """Make a decoder's exception ours; the one place that does.

    Pillow, pillow-heif and the libraries under them answer damage with OSError, SyntaxError,
    ValueError, TypeError, KeyError, IndexError, EOFError, struct.error, OverflowError, MemoryError,
    RuntimeError, zlib.error, AssertionError and more, and the list grows with versions. The bytes
    are the caller's and the size was checked before, so all of it says one thing: a bad file.
    """
    try:
        yield
    except AioError:
        raise
    except Exception as error:
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadImageError(
            f"This {kind} is damaged, cut off or empty, and cannot be decoded ({detail}); "
            f"send a sound image: {ACCEPTED}."
        ) from error


def _within(data: bytes | memoryview, limits: ImageLimits) -> bytes:
    """Give the upload as bytes; refuses one that is over the limit."""
    size = memoryview(data).nbytes
    if size > limits.max_bytes:
        raise TooLargeError(
            f"The upload is {size / 2**20:.1f} MB, over the limit of "
            f"{limits.max_bytes / 2**20:g} MB; raise MAX_UPLOAD_MB if it is meant to pass."
        )
    return bytes(data)


def _is_plain(picture: Pillow.Image) -> bool:
    """Tell whether every pixel has one colour."""
    extrema = picture.getextrema()
    bands = extrema if isinstance(extrema[0], tuple) else (extrema,)
    return all(low == high for low, high in bands)


def _cut_too_soon(kind: ImageKind) -> BadImageError:
    return BadImageError(f"This {kind} is cut off before any of its picture; send it again.")


def _refuse_oversize(size: tuple[int, int], limits: ImageLimits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise TooLargeError(
            f"The image is {width} × {height}, {width * height / 1e6:.1f} megapixels, over the "
            f"limit of {limits.max_pixels / 1e6:g}; raise MAX_MEGAPIXELS if it is meant to pass."
        )


def _opened(kind: ImageKind, source: io.BytesIO, limits: ImageLimits) -> ImageFile.ImageFile:
    """Read a file's header and refuse what is over the limits; no pixel is decoded."""
    if kind == "WebP":  # libwebp allocates the canvas when it opens the file
        _refuse_oversize(webp_size(source.getvalue()), limits)
    picture = _OPENERS[kind](source)
    _refuse_oversize(picture.size, limits)
    if isinstance(picture, TiffImageFile):  # libtiff allocates a tile, however small the picture
        tags = picture.tag_v2
        tile = tags.get(ExifTags.Base.TileWidth, 0), tags.get(ExifTags.Base.TileLength, 0)
        _refuse_oversize(tile, limits)
    return picture


def _loaded(
    kind: ImageKind, data: bytes, limits: ImageLimits, target_side: int | None
) -> tuple[Pillow.Image, tuple[int, int], bool]:
    """Decode a file; give its full size too, and whether all of it was there.

    ``ImageFile.LOAD_TRUNCATED_IMAGES`` would be simpler, but is one switch for the process, and
    lets damaged files through too.
    """
    source = io.BytesIO(data)
    picture = _opened(kind, source, limits)
    size, header_end = picture.size, source.tell()
    _draft(picture, target_side)
    try:
        picture.load()
    except (OSError, SyntaxError) as error:
        # A PNG cut inside a chunk's name says SyntaxError; else Pillow says that it ran out.
        ran_out = isinstance(error, SyntaxError) or str(error).startswith("image file is truncated")
        ran_out = ran_out and header_end < len(data) == source.tell()
        if kind not in _KEPT_WHEN_CUT or not ran_out:
            raise
    else:
        return picture, picture.size if kind == "TIFF" else size, True
    if kind == "JPEG":
        # The end marker that is missing makes libjpeg deliver what it holds back, which in a
        # progressive file is everything.
        picture = _opened(kind, io.BytesIO(data + b"\xff\xd9"), limits)
        _draft(picture, target_side)
        picture.load()
    else:
        picture.tile = []  # nothing left to decode: the rows painted so far are the picture
        if isinstance(picture, TiffImageFile):
            picture.load_end()  # turns it upright
            size = picture.size
    return picture, size, False


def _draft(picture: ImageFile.ImageFile, target_side: int | None) -> None:
    if target_side is None or not isinstance(picture, JpegImageFile):
        return
    width, height = picture.size
    longer = max(width, height)
    picture.draft(
        None, (max(1, width * target_side // longer), max(1, height * target_side // longer))
    )


def _orientation(info: dict[Any, Any]) -> int:
    """Read the EXIF orientation, 1 to 8; damaged EXIF does not lose the picture, but is upright."""
    bearer = Pillow.Image()  # PngImageFile.getexif would decode the pixels first
    bearer.info = info
    try:
        orientation = bearer.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - the same zoo as in _codec_errors
        return 1
    return orientation if orientation in _TURNS else 1


def _upright(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size[1], size[0]) if orientation >= 5 else size
