"""Faces at the gateway: Immich's own server's unless they are ours, and never another model's."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator

import numpy as np
import pytest

from immich_aio.domain.geometry import Rect
from immich_aio.domain.results import Embedding, Face, FacesResult
from immich_aio.errors import (
    AioError,
    BadImageError,
    LicenseError,
    ModelMissingError,
    OverloadedError,
    TimeoutExceededError,
)
from immich_aio.services.gateway.app import create_app
from immich_aio.services.gateway.predict import Backends
from immich_aio.upstream.immich_ml import ImmichMlClient
from tests.integration.services.live import (
    VECTOR,
    ClipDouble,
    EngineDouble,
    FacesDouble,
    Reply,
    ask,
    live,
    send_form,
)
from tests.integration.upstream.servers import Server, answer, immich_ml

TASK = "facial-recognition"
THEIR_REPLY = {TASK: [], "imageHeight": 100, "imageWidth": 200}


def faces(name: str = "buffalo_l", score: float = 0.7) -> dict[str, object]:
    return {
        TASK: {
            "detection": {"modelName": name, "options": {"minScore": score}},
            "recognition": {"modelName": name},
        }
    }


OCR = {
    "ocr": {
        "detection": {"modelName": "m", "options": {"minScore": 0.5}},
        "recognition": {"modelName": "m", "options": {"minScore": 0.8}},
    }
}
CLIP = {"clip": {"visual": {"modelName": "own"}}}


@contextlib.asynccontextmanager
async def gateway(
    backend: FacesDouble | None, immich: Server | None = None, *, clip: ClipDouble | None = None
) -> AsyncIterator[str]:
    """The gateway over these backends; yields its address."""
    client = None if immich is None else ImmichMlClient(immich.url, 30)
    backends = Backends(EngineDouble(), client, clip, ("own",), backend)
    try:
        async with live(create_app(backends, 10**6)) as url:
            yield url
    finally:
        if client is not None:
            await client.close()


async def predict(url: str, entries: object, **fields: bytes | str) -> Reply:
    return await send_form(f"{url}/predict", entries=json.dumps(entries), **fields)


async def test_immich_gets_boxes_in_whole_pixels_scores_and_vectors_as_strings() -> None:
    backend = FacesDouble()
    async with gateway(backend) as url:
        reply = await predict(url, faces(score=0.6), image=b"the image")
    assert reply.status == 200
    assert (reply.json["imageHeight"], reply.json["imageWidth"]) == (100, 200)
    first, second = reply.json[TASK]
    assert first["boundingBox"] == {"x1": 10, "y1": -4, "x2": 41, "y2": 37}
    assert (first["score"], second["score"]) == (0.875, 0.75)
    np.testing.assert_array_equal(np.array(json.loads(first["embedding"]), np.float32), VECTOR)
    assert reply.headers["Server-Timing"] == (
        "queue;dur=1.0, decode;dur=2.0, detect;dur=3.0, recognise;dur=4.0"
    )
    assert (backend.images, backend.scores) == ([b"the image"], [0.6])


async def test_an_image_without_faces_has_an_empty_list() -> None:
    async with gateway(FacesDouble(FacesResult((), 200, 100))) as url:
        assert (await predict(url, faces(), image=b"image")).json == THEIR_REPLY


async def test_what_takes_how_long_is_counted() -> None:
    async with gateway(FacesDouble()) as url:
        await predict(url, faces(), image=b"image")
        page = (await ask(f"{url}/metrics")).body.decode()
    assert 'immich_aio_faces_stage_seconds_count{stage="recognise"} 1.0' in page
    assert "immich_aio_faces_total 2.0" in page


async def test_unless_they_are_ours_faces_go_to_immichs_server_as_they_came() -> None:
    async with immich_ml(answer(THEIR_REPLY)) as server, gateway(None, server) as url:
        reply = await predict(url, faces(), image=b"image")
    assert reply.json == THEIR_REPLY
    assert server.got[0].parts["image"] == b"image"


async def test_where_nobody_finds_faces_the_remedies_are_named() -> None:
    async with gateway(None) as url:
        reply = await predict(url, faces(), image=b"image")
    assert reply.status == 503
    assert "IMMICH_API" in reply.json["detail"]
    assert "FACES_FROM=here" in reply.json["detail"]


async def test_faces_that_are_ours_never_go_to_immichs_server() -> None:
    async with immich_ml(answer(THEIR_REPLY)) as server, gateway(FacesDouble(), server) as url:
        assert len((await predict(url, faces(), image=b"image")).json[TASK]) == 2
    assert server.got == []


async def test_another_packs_name_is_refused_before_any_work() -> None:
    backend = FacesDouble(name="buffalo_s")
    async with immich_ml(answer(THEIR_REPLY)) as server, gateway(backend, server) as url:
        reply = await predict(url, faces("buffalo_l"), image=b"image")
    assert reply.status == 422
    for words in ("RECOGNITION_MODEL=buffalo_l", "choose buffalo_s in Immich"):
        assert words in reply.json["detail"]
    assert backend.images == []
    assert server.got == []


async def test_text_clip_and_faces_of_one_image_come_in_one_reply() -> None:
    backend, clip = FacesDouble(), ClipDouble()
    async with gateway(backend, clip=clip) as url:
        reply = await predict(url, {**OCR, **CLIP, **faces()}, image=b"image")
    assert set(reply.json) == {"ocr", "clip", TASK, "imageHeight", "imageWidth"}
    assert backend.images == clip.images == [b"image"]


async def test_a_missing_image_is_named() -> None:
    async with gateway(FacesDouble()) as url:
        reply = await predict(url, faces(), text="x")
    assert (reply.status, "'image'" in reply.json["detail"]) == (400, True)


FAILURES = [
    (BadImageError("No."), 400),
    (OverloadedError("No.", retry_after=9), 429),
    (LicenseError("No."), 503),
    (ModelMissingError("No."), 503),
    (TimeoutExceededError("No."), 504),
]


@pytest.mark.parametrize(("error", "status"), FAILURES)
async def test_a_failure_is_never_an_image_without_faces(error: AioError, status: int) -> None:
    async with gateway(FacesDouble(error)) as url:
        reply = await predict(url, faces(), image=b"image")
    assert (reply.status, reply.json["detail"]) == (status, "No.")


@pytest.mark.parametrize("number", [np.nan, np.inf])
async def test_a_vector_that_is_not_finite_is_an_error(number: float) -> None:
    broken = Embedding(np.full(512, number, np.float32))
    result = FacesResult((Face(Rect(0, 0, 1, 1), 0.9, broken),), 200, 100)
    async with gateway(FacesDouble(result)) as url:
        reply = await predict(url, faces(), image=b"image")
    assert reply.status == 500
