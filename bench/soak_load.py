"""What Immich asks the gateway all the while: photos, texts, broken files, and callers who go.

Every question has one right answer. What is read in a photo of the sandbox must be what was written
there; beyond that the first answer counts, and every later one must be the same, whoever gave it.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np
from PIL import Image

from bench.clip_samples import QUERIES
from bench.face_samples import DrawnFace, picture, picture_file
from bench.soak_parts import GATEWAY, PHOTOS
from bench.soak_record import Record
from bench.soak_stand import Stand
from immich_aio.services.sandbox.sample_library import SAMPLES

PATIENCE = 900.0
"""Seconds after which a job counts as lost. Immich itself would wait for ever."""
SAME = 0.999
"""The least cosine of two vectors of one thing: engines batch, and compute in 16 bits."""
MOST_AWAY = 3
"""Pixels by which a face's box may differ."""

KIND, PACK = {"modelName": "PP-OCRv5_mobile"}, {"modelName": "buffalo_l"}
OCR = {"ocr": {"detection": KIND, "recognition": KIND}}
CLIP = {"clip": {"visual": {"modelName": "ViT-B-32__openai"}}}
TEXT = {"clip": {"textual": {"modelName": "ViT-B-32__openai"}}}
FACES = {"facial-recognition": {"detection": PACK, "recognition": PACK}}
PEOPLE = (
    DrawnFace(207.5, 207.5, 80, red=250, identity=1),
    DrawnFace(423.5, 199.5, 60, turn=25, red=250, identity=2),
)
PAUSES = {
    "ocr": 4.0,
    "clip": 2.0,
    "faces": 3.0,
    "all": 8.0,
    "text": 1.0,
    "broken": 4.0,
    "hang-up": 4.0,
}
"""Mean seconds between an answer and the next question of a kind."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and ``words`` that must be among the lines that are read."""

    kind: str
    entries: dict[str, Any]
    image: bytes | None = None
    text: str | None = None
    words: tuple[str, ...] = ()

    @property
    def form(self) -> aiohttp.FormData:
        """The request, as Immich sends it."""
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("entries", json.dumps(self.entries))
        if self.text is not None:
            form.add_field("text", self.text)
        if self.image is not None:
            form.add_field("image", io.BytesIO(self.image), filename="blob")
        return form


@dataclass
class Pace:
    """When to ask; everybody rests while ``going`` is not set, and ends when ``over``."""

    factor: float
    going: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False
    busy: int = 0
    """How many are in the middle of something."""

    async def repeat(
        self, chance: random.Random, pause: float, one: Callable[[], Awaitable[None]]
    ) -> None:
        """Do one thing after the other until it is over."""
        while True:
            await self.going.wait()  # before the pause as well, so that not all begin at once
            await asyncio.sleep(pause * self.factor * chance.uniform(0.5, 1.5))
            await self.going.wait()
            if self.over:
                return
            self.busy += 1
            try:
                await one()
            finally:
                self.busy -= 1


class Load:
    """Asks, and compares; ``learn`` comes first."""

    def __init__(self, stand: Stand, record: Record, seed: int) -> None:
        self._stand = stand
        self._record = record
        self._seed = seed
        self._questions = questions(stand.scale.photos)
        self._first: dict[int, tuple[int, Any]] = {}

    async def learn(self) -> None:
        """Ask everything once; what comes must be what is known. Raises AssertionError."""
        for asked in self._questions:
            status, reply = await self._ask(asked)
            fault = _senseless(asked, status, reply)
            assert not fault, f"{asked.kind}: {fault}"  # nothing can be compared then
            self._first[id(asked)] = (status, reply)

    def callers(self, pace: Pace) -> list[asyncio.Task[None]]:
        """Those who ask, one for each kind."""
        made = []
        for number, (kind, pause) in enumerate(PAUSES.items()):
            chance = random.Random(self._seed * 100 + number)
            one = self._hang_up if kind == "hang-up" else self._once
            made.append(asyncio.create_task(pace.repeat(chance, pause, _with(one, kind, chance))))
        return made

    async def _once(self, kind: str, chance: random.Random) -> None:
        asked = chance.choice([one for one in self._questions if one.kind == kind])
        self._record.jobs[kind] += 1
        began = time.monotonic()
        try:
            status, reply = await self._ask(asked)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self._record.lose(kind, repr(error))
            return
        wanted, first = self._first[id(asked)]
        if status != wanted:
            self._record.lose(kind, f"{status} {str(reply)[:300]}")
        elif fault := different(reply, first):
            self._record.err(kind, fault)
        else:
            self._record.right(kind, time.monotonic() - began)

    async def _hang_up(self, _kind: str, chance: random.Random) -> None:
        asked = chance.choice([one for one in self._questions if one.kind != "broken"])
        with contextlib.suppress(TimeoutError, aiohttp.ClientError):
            await asyncio.wait_for(self._ask(asked), chance.uniform(0.01, 0.5))
        self._record.hung_up += 1

    async def _ask(self, asked: Question) -> tuple[int, Any]:
        session, limit = self._stand.session, aiohttp.ClientTimeout(PATIENCE)
        url = f"{self._stand[GATEWAY].url}/predict"
        async with session.post(url, data=asked.form, timeout=limit) as response:
            return response.status, json.loads(await response.read())


def questions(photos: int) -> list[Question]:
    """All that is asked."""
    plan = json.loads((SAMPLES / "library.json").read_text("utf-8"))["photos"]
    lines = {photo["file"]: tuple(photo.get("lines", ())) for photo in plan}
    made = []
    for name in PHOTOS[:photos]:
        image = (SAMPLES / name).read_bytes()
        made.append(Question("ocr", OCR, image, words=lines[name]))
        made.append(Question("clip", CLIP, image))
    for number in range(4):
        people = [DrawnFace(f.x, f.y, f.reach, f.turn, f.red, number) for f in PEOPLE]
        image = picture_file(picture(640, 480, people, background=number), "JPEG", quality=85)
        made.append(Question("faces", FACES, image))
        made.append(Question("all", OCR | FACES | CLIP, image))
    texts = [f"{query}{more}" for query in QUERIES for more in ("", " 2024", " 晚上", " in summer")]
    made += [Question("text", TEXT, text=text) for text in texts]
    return made + [Question("broken", OCR | CLIP, image) for image in broken_files()]


def broken_files() -> list[bytes]:
    """Nothing, no image, the head of one, and one too large to be looked at."""
    whole = (SAMPLES / PHOTOS[0]).read_bytes()
    large = io.BytesIO()
    Image.new("1", (16_000, 16_000)).save(large, "PNG")
    return [b"", b"this is no image", whole[:200], large.getvalue()]


def _senseless(asked: Question, status: int, reply: Any) -> str:  # noqa: ANN401  # JSON
    """What is wrong with a first answer, if anything."""
    if asked.kind == "broken":
        return "" if status in (400, 413, 422) else f"{status} {str(reply)[:300]}"
    if status != 200:
        return f"{status} {str(reply)[:300]}"
    if asked.words:
        read = "".join(reply["ocr"]["text"]).replace(" ", "")
        missing = [word for word in asked.words if word.replace(" ", "") not in read]
        if len(missing) > len(asked.words) / 3:
            return f"{missing} are not in {read}"
    if asked.kind in ("faces", "all") and len(reply["facial-recognition"]) != len(PEOPLE):
        return f"{len(reply['facial-recognition'])} faces"
    return ""


def different(reply: Any, first: Any) -> str:  # noqa: ANN401  # JSON
    """In what an answer differs from the first one, if in anything."""
    if reply.keys() != first.keys():
        return f"{str(reply)[:300]} instead of {str(first)[:300]}"
    if "ocr" in first and Counter(reply["ocr"]["text"]) != Counter(first["ocr"]["text"]):
        return f"{reply['ocr']['text']} instead of {first['ocr']['text']}"
    if "clip" in first and not _alike(reply["clip"], first["clip"]):
        return "another vector"
    faces, known = (each.get("facial-recognition", []) for each in (reply, first))
    if len(faces) != len(known) or not all(map(_same_face, faces, known)):
        return f"{len(faces)} faces, others than the {len(known)} before"
    return "" if "detail" not in first or reply["detail"] == first["detail"] else str(reply)[:300]


def _same_face(face: dict[str, Any], first: dict[str, Any]) -> bool:
    corners = [abs(face["boundingBox"][key] - at) for key, at in first["boundingBox"].items()]
    return max(corners) <= MOST_AWAY and _alike(face["embedding"], first["embedding"])


def _alike(vector: str, first: str) -> bool:
    one, other = (np.array(json.loads(text), np.float64) for text in (vector, first))
    if one.shape != other.shape:
        return False
    return bool(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)) > SAME)


def _with(
    one: Callable[[str, random.Random], Awaitable[None]], kind: str, chance: random.Random
) -> Callable[[], Awaitable[None]]:
    return lambda: one(kind, chance)
