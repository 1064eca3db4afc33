"""Face packs by name: each is a detector and a recogniser that belong together.

Every pack's vectors have 512 numbers, and those of two packs cannot be compared: a library in which
they are mixed loses its people, and no length betrays it. So a pack only ever answers to its own
name.
"""

from __future__ import annotations

from immich_aio.domain.clip_models import listed_name

PACKS = ("buffalo_l", "buffalo_m", "buffalo_s", "antelopev2")
"""InsightFace's packs that Immich lists (3.1.0)."""

FACE_DIMENSION = 512
"""The length of every pack's vectors."""


def pack_named(name: str) -> str | None:
    """The pack that is meant, in whatever case it is written; None if there is none."""
    wanted = listed_name(name).casefold()
    return next((pack for pack in PACKS if pack == wanted), None)


def wrong_pack(asked: str, pack: str) -> str | None:
    """What to tell whoever asks for another pack's vectors; None if it is the same pack."""
    if listed_name(asked).casefold() == pack:
        return None
    return (
        f"Immich asks for the faces of {asked}, and RECOGNITION_MODEL is {pack}: vectors of two "
        f"models cannot be compared. Set RECOGNITION_MODEL={asked} (or face_pack, where "
        f"GATEWAY_CONFIG has one); or choose {pack} in Immich under Administration → Settings → "
        "Machine Learning → Facial Recognition, and reset Face Detection under Jobs, which finds "
        "all people anew."
    )
