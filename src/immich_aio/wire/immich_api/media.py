"""Which files are assets to Immich, by their extension, and their MIME type."""

from __future__ import annotations

from immich_aio.domain.immich import AssetType

_IMAGES = {
    "avif": "image/avif",
    "bmp": "image/bmp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "hif": "image/hif",
    "jp2": "image/jp2",
    "jpe": "image/jpeg",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "jxl": "image/jxl",
    "mpo": "image/jpeg",
    "png": "image/png",
    "svg": "image/svg",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "webp": "image/webp",
}
_VIDEOS = {
    "3gp": "video/3gpp",
    "avi": "video/avi",
    "m4v": "video/x-m4v",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "mts": "video/mp2t",
    "webm": "video/webm",
    "wmv": "video/x-ms-wmv",
}


def asset_type(name: str) -> AssetType | None:
    """Tell what a file of that name is; None for what Immich would not take (or we: raw files)."""
    extension = _extension(name)
    if extension in _IMAGES:
        return AssetType.IMAGE
    return AssetType.VIDEO if extension in _VIDEOS else None


def mime_type(name: str) -> str:
    """Name the MIME type of a file, as Immich does: by its name."""
    extension = _extension(name)
    return _IMAGES.get(extension) or _VIDEOS.get(extension) or "application/octet-stream"


def _extension(name: str) -> str:
    stem, dot, extension = name.rpartition("/")[2].rpartition(".")
    return extension.lower() if dot and stem else ""
