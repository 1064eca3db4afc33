"""Previews, metadata and thumbhashes of real files."""

from __future__ import annotations

import base64
import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from immich_aio.domain.immich import AssetType
from immich_aio.errors import BadImageError
from immich_aio.services.sandbox import media
from immich_aio.services.sandbox.library import _spelled
from immich_aio.wire.immich_api.media import asset_type, mime_type

SAMPLES = Path(media.__file__).parent / "samples"


def picture(size: tuple[int, int], exif: Image.Exif | None = None, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    form = "PNG" if mode == "RGBA" else "JPEG"
    Image.new(mode, size, "red").save(buffer, form, exif=exif or Image.Exif())
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "preview", "thumbnail"),
    [
        ((4000, 3000), (1920, 1440), (333, 250)),
        ((3000, 4000), (1440, 1920), (250, 333)),
        ((800, 600), (800, 600), (333, 250)),
        ((100, 80), (100, 80), (100, 80)),
        ((3000, 100), (3000, 100), (3000, 100)),
    ],
)
def test_previews_are_as_large_as_immichs(
    tmp_path: Path, size: tuple[int, int], preview: tuple[int, int], thumbnail: tuple[int, int]
) -> None:
    """It bounds the shorter side, and makes nothing larger."""
    path = tmp_path / "a.jpg"
    path.write_bytes(picture(size))
    made = media.make_thumbnails(path, AssetType.IMAGE)
    assert Image.open(io.BytesIO(made.preview)).size == preview
    assert Image.open(io.BytesIO(made.thumbnail)).size == thumbnail


def test_a_turned_photo_is_set_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    path = tmp_path / "a.jpg"
    path.write_bytes(picture((80, 40), exif))
    assert Image.open(io.BytesIO(media.make_thumbnails(path, AssetType.IMAGE).preview)).size == (
        40,
        80,
    )
    metadata = media.read_metadata(path, AssetType.IMAGE)
    assert (metadata.width, metadata.height, metadata.orientation) == (80, 40, "6")
    assert metadata.upright_size == (40, 80)


def test_transparent_pictures_have_previews_too(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture((80, 40), mode="RGBA"))
    assert media.make_thumbnails(path, AssetType.IMAGE).preview.startswith(b"\xff\xd8")


def test_metadata_is_what_the_camera_noted(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Apple\0"
    exif[ExifTags.Base.DateTime] = "2026:05:01 12:30:00"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.ExposureTime] = 0.008
    details[ExifTags.Base.ISOSpeedRatings] = 200
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    place[1], place[2], place[3], place[4] = "N", (30.0, 15.0, 0.0), "W", (120.0, 9.0, 0.0)
    path = tmp_path / "a.jpg"
    path.write_bytes(picture((80, 40), exif))
    found = media.read_metadata(path, AssetType.IMAGE)
    assert (found.make, found.model, found.iso, found.exposure_time) == (
        "Apple",
        None,
        200,
        "1/125",
    )
    assert found.taken_at == datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
    assert (found.latitude, found.longitude) == (30.25, -120.15)


def test_of_a_video_the_first_frame_is_shown() -> None:
    made = media.make_thumbnails(SAMPLES / "fountain.avi", AssetType.VIDEO)
    assert Image.open(io.BytesIO(made.preview)).size == (320, 240)


@pytest.mark.parametrize("content", [b"", b"no picture", picture((80, 40))[:200]])
@pytest.mark.parametrize("kind", [AssetType.IMAGE, AssetType.VIDEO])
def test_broken_files_are_named(tmp_path: Path, content: bytes, kind: AssetType) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(BadImageError, match=r"holiday\.jpg cannot be read"):
        media.make_thumbnails(path, kind)


def test_a_thumbhash_is_that_of_its_inventors_program() -> None:
    """Of this very picture, computed by the npm package thumbhash."""
    pixels = [
        [
            [(x * x * 3 + y * 7) % 251, (x * 5 + y * y) % 241, (x * y + 17 * x) % 239]
            for x in range(100)
        ]
        for y in range(75)
    ]
    found = media.thumbhash(np.array(pixels, np.float64) / 255)
    assert base64.b64encode(found).decode() == "HggCBYAyAkVXV6FWVoNzMP1q99pF"


def test_files_are_what_their_names_say() -> None:
    assert asset_type("a.JPG") is AssetType.IMAGE
    assert asset_type("a.b.mov") is AssetType.VIDEO
    assert asset_type("jpg") is None
    assert (mime_type("A.HEIC"), mime_type("a.mov"), mime_type("a.xyz")) == (
        "image/heic",
        "video/quicktime",
        "application/octet-stream",
    )


@pytest.mark.parametrize(
    ("milliseconds", "spelled"),
    [(None, None), (0, "0:00:00.00000"), (65_250, "0:01:05.25000"), (3_600_000, "1:00:00.00000")],
)
def test_2_2_spells_durations(milliseconds: int | None, spelled: str | None) -> None:
    assert _spelled(milliseconds) == spelled
