"""A request of our own, which every backend that is well can answer.

When a request fails, the fault may be its own (a file on which a server breaks) or the backend's.
Immich loses what fails, and a file that can never be read must not be tried for ever; so a known
good request of the same kind tells the two apart. It is as large as Immich's previews, so that a
backend whose memory is too small for those fails at it as well.
"""

from __future__ import annotations

import asyncio
import functools
import io

from immich_aio.domain.tasks import OcrTask
from immich_aio.services.gateway.given import Fields, Given
from immich_aio.services.gateway.routing import Unit

SIZE = (1440, 1080)
WORDS = "IMMICH 2026"


async def canary_of(unit: Unit) -> tuple[Unit, Given] | None:
    """A known good request in the place of another; None where none is known."""
    (task, *_) = unit.tasks
    match unit.kind:
        case "other":
            return None
        case "clip-text":
            given = Given(fields=Fields(text=WORDS))
        case _:
            given = Given(fields=Fields(image=await asyncio.to_thread(picture)))
    plain = OcrTask(task.model) if isinstance(task, OcrTask) else task
    return Unit((plain,), unit.order), given


@functools.cache
def picture() -> bytes:
    """A JPEG with some words in it."""
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415  # heavy, and seldom needed

    image = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(image)
    for place in range(8):
        font = ImageFont.load_default(24 + 8 * place)
        draw.text((80, 40 + 125 * place), WORDS, fill="black", font=font)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()
