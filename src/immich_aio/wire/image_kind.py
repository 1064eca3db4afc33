"""What an image file's own bytes tell, before any decoder sees them.

Its kind first: the names and types that a caller claims are not asked, as they are often wrong.
Then the little that Pillow could read only by decoding or allocating.
"""

from __future__ import annotations

from typing import Literal

from immich_aio.errors import BadImageError

ImageKind = Literal["JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF", "HEIC", "AVIF"]
"""The formats that are read."""

ACCEPTED = "JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF"
"""The same in words for a caller."""

_SIGNATURES: dict[ImageKind, tuple[bytes, ...]] = {
    "JPEG": (b"\xff\xd8\xff",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
_HEIF_BRANDS = frozenset(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
)
_STRANGERS = {  # compared with lower-case beginnings
    b"%pdf-": "a PDF",
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
    b"<svg": "an SVG drawing",
    b"<?xml": "XML",
    b"pk\x03\x04": "a ZIP archive",
    b"\x1ae\xdf\xa3": "a video (Matroska or WebM)",
    b"\xff\x0a": "a JPEG XL image",
    b"\0\0\0\x0cjxl ": "a JPEG XL image",
}


def kind_of(data: bytes) -> ImageKind:
    """Name the format. Raises ``BadImageError`` saying what came instead of an image."""
    for kind, signatures in _SIGNATURES.items():
        if data.startswith(signatures):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    # "BM" also begins words; the length of a bitmap's header, at 14, is a small number.
    if data[:2] == b"BM" and data[15:18] == b"\0\0\0":
        return "BMP"
    if data[4:8] == b"ftyp":
        end = min(int.from_bytes(data[:4], "big"), 256)
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}
        if not brands.isdisjoint((b"avif", b"avis")):
            return "AVIF"
        if not brands.isdisjoint(_HEIF_BRANDS):
            return "HEIC"
    raise BadImageError(f"{_stranger(data)}; send an image: {ACCEPTED}.")


def _stranger(data: bytes) -> str:
    """Say what came instead of an image, as the beginning of a message."""
    if not data:
        return "The body is empty"
    head = data[:512]
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for signature, name in _STRANGERS.items():
        if start.startswith(signature):
            return f"This is {name}, not an image that can be read"
    if data[4:8] == b"ftyp" or (data[:4] == b"RIFF" and data[8:12] == b"AVI "):
        return "This is a video, not an image"
    if not data.strip(b"\0"):
        return "This is nothing but zero bytes"
    text = head.decode("utf-8", errors="ignore")
    # The cut at 512 may have split a character.
    whole = len(text.encode()) >= len(head) - (3 if len(data) > len(head) else 0)
    if whole and all(char.isprintable() or char.isspace() for char in text):
        return "This looks like text, not an image"
    return "This is no kind of file that can be read as an image"


def webp_size(data: bytes) -> tuple[int, int]:
    """Read the width and height that a WebP claims. Raises ``BadImageError``."""

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], "little")

    chunk = data[12:16] if len(data) >= 30 else b""
    if chunk == b"VP8X":
        return number(24, 3) + 1, number(27, 3) + 1
    if chunk == b"VP8L":
        return (number(21, 4) & 0x3FFF) + 1, (number(21, 4) >> 14 & 0x3FFF) + 1
    width, height = number(26, 2) & 0x3FFF, number(28, 2) & 0x3FFF
    if chunk != b"VP8 " or not width or not height:
        raise BadImageError("This WebP does not begin with a picture; send a sound image.")
    return width, height


def webp_chunk(data: bytes, name: bytes) -> bytes:
    """Find a chunk of a WebP; empty where there is none."""
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == name:
            return data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return b""


def png_chunk(data: bytes, name: bytes) -> bytes:
    """Find a chunk of a PNG; empty where there is none."""
    at = 8
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == name:
            return data[at + 8 : at + 8 + size]
        at += 12 + size
    return b""
