"""What Immich makes of a file: metadata, preview, thumbnail, thumbhash. Blocking; for threads.

Pictures are read by Pillow. Of videos only Motion JPEG is understood, by its first frame: enough
for the sample library without ffmpeg.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from immich_aio.domain.immich import AssetType
from immich_aio.errors import BadImageError

pillow_heif.register_heif_opener()

PREVIEW_SIDE = 1440
THUMBNAIL_SIDE = 250
PREVIEW_QUALITY = 80
HASHED_SIDE = 100
VIDEO_SEARCHED = 4 << 20
"""How far into a video its first frame is looked for, in bytes."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says of itself; width and height as stored, before it is turned upright."""

    width: int | None = None
    height: int | None = None
    make: str | None = None
    model: str | None = None
    lens_model: str | None = None
    orientation: str | None = None
    taken_at: datetime | None = None
    f_number: float | None = None
    focal_length: float | None = None
    iso: int | None = None
    exposure_time: str | None = None
    latitude: float | None = None
    longitude: float | None = None

    @property
    def upright_size(self) -> tuple[int | None, int | None]:
        """Width and height as shown."""
        turned = self.orientation in {"5", "6", "7", "8"}
        return (self.height, self.width) if turned else (self.width, self.height)


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """The pictures that Immich keeps of a file."""

    preview: bytes
    thumbnail: bytes
    thumbhash: bytes


def read_metadata(path: Path, kind: AssetType) -> Metadata:
    """Read a file's metadata. Raises BadImageError."""
    with _opened(path, kind) as picture:
        exif = picture.getexif()
        details = exif.get_ifd(ExifTags.IFD.Exif)
        place = exif.get_ifd(ExifTags.IFD.GPSInfo)
        exposure = _number(details.get(ExifTags.Base.ExposureTime))
        taken = details.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
        return Metadata(
            width=picture.width,
            height=picture.height,
            make=_text(exif.get(ExifTags.Base.Make)),
            model=_text(exif.get(ExifTags.Base.Model)),
            lens_model=_text(details.get(ExifTags.Base.LensModel)),
            orientation=_text(exif.get(ExifTags.Base.Orientation)),
            taken_at=_date(taken),
            f_number=_number(details.get(ExifTags.Base.FNumber)),
            focal_length=_number(details.get(ExifTags.Base.FocalLength)),
            iso=_whole(details.get(ExifTags.Base.ISOSpeedRatings)),
            exposure_time=f"1/{round(1 / exposure)}" if exposure and exposure < 1 else None,
            latitude=_degrees(place.get(2), place.get(1)),
            longitude=_degrees(place.get(4), place.get(3)),
        )


def make_thumbnails(path: Path, kind: AssetType) -> Thumbnails:
    """Make preview (JPEG), thumbnail (WebP) and thumbhash. Raises BadImageError."""
    try:
        with _opened(path, kind) as picture:
            picture.draft("RGB", (PREVIEW_SIDE, PREVIEW_SIDE))
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadImageError(f"{path.name} cannot be read: {error}.") from None
    preview = _shrunk(upright, PREVIEW_SIDE)
    small = _shrunk(preview, THUMBNAIL_SIDE)
    tiny = small.copy()
    tiny.thumbnail((HASHED_SIDE, HASHED_SIDE))
    return Thumbnails(
        _encoded(preview, "JPEG", PREVIEW_QUALITY),
        _encoded(small, "WEBP", PREVIEW_QUALITY),
        thumbhash(np.asarray(tiny, np.float64) / 255),
    )


def _shrunk(picture: Image.Image, side: int) -> Image.Image:
    """Immich bounds the shorter side, and never makes a picture larger."""
    factor = side / min(picture.size)
    if factor >= 1:
        return picture
    size = (round(picture.width * factor), round(picture.height * factor))
    return picture.resize(size, Image.Resampling.LANCZOS)


def thumbhash(rgb: NDArray[np.float64]) -> bytes:
    """The thumbhash (Evan Wallace's format) of an opaque picture, (height, width, 3) in 0…1."""
    height, width = rgb.shape[:2]
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    longest = max(width, height)
    across, down = (max(1, _rounded(7 * side / longest)) for side in (width, height))
    light = _cosines((red + green + blue) / 3, max(3, across), max(3, down))
    yellow = _cosines((red + green) / 2 - blue, 3, 3)
    pink = _cosines(red - green, 3, 3)
    landscape = width > height
    head: int = (
        _rounded(63 * light[0])
        | _rounded(31.5 + 31.5 * yellow[0]) << 6
        | _rounded(31.5 + 31.5 * pink[0]) << 12
        | _rounded(31 * light[2]) << 18
    )
    second: int = (
        (down if landscape else across)
        | _rounded(63 * yellow[2]) << 3
        | _rounded(63 * pink[2]) << 9
        | landscape << 15
    )
    nibbles = [_rounded(15 * value) for part in (light, yellow, pink) for value in part[1]]
    nibbles += [0] * (len(nibbles) % 2)
    pairs = zip(nibbles[::2], nibbles[1::2], strict=True)
    body = bytes(low | high << 4 for low, high in pairs)
    return head.to_bytes(3, "little") + second.to_bytes(2, "little") + body


def _rounded(number: float) -> int:
    """Round as JavaScript does: halves up."""
    return math.floor(number + 0.5)


def _cosines(
    channel: NDArray[np.float64], across: int, down: int
) -> tuple[float, list[float], float]:
    """The mean of a channel, its lower cosine terms in 0…1, and what they were divided by."""
    height, width = channel.shape
    terms: list[float] = []
    for y in range(down):
        vertical = np.cos(math.pi / height * y * (np.arange(height) + 0.5))
        for x in range(math.ceil(across * (down - y) / down)):
            horizontal = np.cos(math.pi / width * x * (np.arange(width) + 0.5))
            terms.append(float(vertical @ channel @ horizontal) / channel.size)
    mean, *rest = terms
    scale = max(map(abs, rest))
    return mean, [0.5 + 0.5 * term / scale if scale else 0.5 for term in rest], scale


def _opened(path: Path, kind: AssetType) -> Image.Image:
    try:
        if kind is AssetType.IMAGE:
            return Image.open(path)
        return Image.open(io.BytesIO(_first_frame(path)))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadImageError(f"{path.name} cannot be read: {error}.") from None


def _first_frame(path: Path) -> bytes:
    with path.open("rb") as file:
        beginning = file.read(VIDEO_SEARCHED)
    start = beginning.find(b"\xff\xd8\xff")
    end = beginning.find(b"\xff\xd9", start)
    if start < 0 or end < 0:
        raise ValueError("of videos only Motion JPEG is understood here")
    return beginning[start : end + 2]


def _encoded(picture: Image.Image, form: str, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, quality=quality)
    return buffer.getvalue()


def _text(value: object) -> str | None:
    return str(value).strip("\0 ") or None if value is not None else None


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever the file holds
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def _whole(value: object) -> int | None:
    number = _number(value[0] if isinstance(value, tuple) and value else value)
    return None if number is None else int(number)


def _date(value: object) -> datetime | None:
    """Read ``2024:05:01 12:30:00``; without a zone it is taken for UTC."""
    try:
        return datetime.strptime(str(value), "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _degrees(parts: object, side: object) -> float | None:
    if not isinstance(parts, tuple) or len(parts) != 3:
        return None
    numbers = [_number(part) for part in parts]
    if None in numbers:
        return None
    degrees, minutes, seconds = (number or 0.0 for number in numbers)
    sign = -1 if side in ("S", "W") else 1
    return sign * (degrees + minutes / 60 + seconds / 3600)
