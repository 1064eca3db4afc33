"""Faces at the gateway: Immich's own server's unless they are ours, and never another model's."""

from __future__ import annotations

import json

import numpy as np
import pytest

from immich_aio.domain.geometry import Rect
from immich_aio.domain.results import Embedding, Face, FacesResult
from immich_aio.domain.routes import BackendSpec, Rule
from immich_aio.errors import (
    AioError,
    BadImageError,
    LicenseError,
    ModelMissingError,
    OverloadedError,
    TimeoutExceededError,
    UpstreamError,
)
from immich_aio.services.gateway.backends import EngineBackend
from tests.integration.services.gateways import AT_ONCE, OCR, PHOTO, gateway, predict, running
from tests.integration.services.live import VECTOR, ClipDouble, FacesDouble, ask
from tests.integration.upstream.servers import Answer, answer, immich_ml, mt_photos

TASK = "facial-recognition"
THEIR_REPLY = {TASK: [], "imageHeight": 100, "imageWidth": 200}


def asked(name: str = "buffalo_l", score: float = 0.7) -> dict[str, object]:
    return {
        TASK: {
            "detection": {"modelName": name, "options": {"minScore": score}},
            "recognition": {"modelName": name},
        }
    }


CLIP = {"clip": {"visual": {"modelName": "own"}}}


async def test_immich_gets_boxes_in_whole_pixels_scores_and_vectors_as_strings() -> None:
    backend = FacesDouble()
    async with gateway(faces=backend) as url:
        reply = await predict(url, asked(score=0.6), image=PHOTO)
    assert reply.status == 200
    assert (reply.json["imageHeight"], reply.json["imageWidth"]) == (100, 200)
    first, second = reply.json[TASK]
    assert first["boundingBox"] == {"x1": 10, "y1": -4, "x2": 41, "y2": 37}
    assert (first["score"], second["score"]) == (0.875, 0.75)
    np.testing.assert_array_equal(np.array(json.loads(first["embedding"]), np.float32), VECTOR)
    assert reply.headers["Server-Timing"].startswith(
        "queue;dur=1.0, decode;dur=2.0, detect;dur=3.0, recognise;dur=4.0, wait;dur="
    )
    assert (backend.images, backend.scores) == ([PHOTO], [0.6])


async def test_an_image_without_faces_has_an_empty_list() -> None:
    async with gateway(faces=FacesDouble(FacesResult((), 200, 100))) as url:
        assert (await predict(url, asked(), image=PHOTO)).json == THEIR_REPLY


async def test_what_takes_how_long_is_counted() -> None:
    async with gateway(faces=FacesDouble()) as url:
        await predict(url, asked(), image=PHOTO)
        page = (await ask(f"{url}/metrics")).body.decode()
    assert 'immich_aio_faces_stage_seconds_count{stage="recognise"} 1.0' in page
    assert "immich_aio_faces_total 2.0" in page


async def test_unless_they_are_ours_faces_go_to_immichs_server_as_they_came() -> None:
    async with immich_ml(answer(THEIR_REPLY)) as server, gateway(None, server) as url:
        reply = await predict(url, asked(), image=PHOTO)
    assert reply.json == THEIR_REPLY
    assert server.got[0].parts["image"] == PHOTO


async def test_where_nobody_finds_faces_the_remedies_are_named() -> None:
    async with gateway() as url:
        reply = await predict(url, asked(), image=PHOTO)
    assert reply.status == 503
    assert "IMMICH_API" in reply.json["detail"]
    assert "FACES_FROM=here" in reply.json["detail"]


async def test_faces_that_are_ours_never_go_to_immichs_server() -> None:
    backend = FacesDouble()
    async with (
        immich_ml(answer(THEIR_REPLY)) as server,
        gateway(None, server, faces=backend) as url,
    ):
        assert len((await predict(url, asked(), image=PHOTO)).json[TASK]) == 2
    assert server.got == []


async def test_another_packs_name_is_refused_before_any_work() -> None:
    backend = FacesDouble(name="buffalo_s")
    async with (
        immich_ml(answer(THEIR_REPLY)) as server,
        gateway(None, server, faces=backend) as url,
    ):
        reply = await predict(url, asked("buffalo_l"), image=PHOTO)
    assert reply.status == 422
    for words in ("RECOGNITION_MODEL=buffalo_l", "choose buffalo_s in Immich"):
        assert words in reply.json["detail"]
    assert backend.images == []
    assert server.got == []


async def test_text_clip_and_faces_of_one_image_come_in_one_reply() -> None:
    backend, clip = FacesDouble(), ClipDouble()
    async with gateway(None, None, clip, faces=backend, names=("own",)) as url:
        reply = await predict(url, {**OCR, **CLIP, **asked()}, image=PHOTO)
    assert set(reply.json) == {"ocr", "clip", TASK, "imageHeight", "imageWidth"}
    assert backend.images == clip.images == [PHOTO]


async def test_a_missing_image_is_named() -> None:
    async with gateway(faces=FacesDouble()) as url:
        reply = await predict(url, asked(), text="x")
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
    async with gateway(faces=FacesDouble(error)) as url:
        reply = await predict(url, asked(), image=PHOTO)
    assert reply.status == status
    assert reply.json["detail"].endswith("No.")


@pytest.mark.parametrize("number", [np.nan, np.inf])
async def test_a_vector_that_is_not_finite_is_an_error(number: float) -> None:
    broken = Embedding(np.full(512, number, np.float32))
    result = FacesResult((Face(Rect(0, 0, 1, 1), 0.9, broken),), 200, 100)
    async with gateway(faces=FacesDouble(result)) as url:
        reply = await predict(url, asked(), image=PHOTO)
    assert reply.status == 500


# ---- Elsewhere, where one cannot


FOUND = answer(
    {
        "recognition_model": "buffalo_l",
        "result": [
            {
                "embedding": [1.0] + [0.0] * 511,
                "facial_area": {"x": 1, "y": 2, "w": 3, "h": 4},
                "face_confidence": 0.9,
            }
        ],
    }
)
OUT_OF_MEMORY = answer({"result": [], "msg": "CUDA out of memory"})
ANOTHERS = answer({"recognition_model": "Facenet512", "result": []})
NOWHERE = "http://127.0.0.1:1"


def server(name: str, url: str) -> BackendSpec:
    return BackendSpec(name, "mt-photos", url, face_pack="buffalo_l")


@pytest.mark.parametrize("failure", [OUT_OF_MEMORY, ANOTHERS, Answer(500, b"oh"), None])
async def test_faces_move_to_another_server_when_one_fails_or_is_away(
    failure: Answer | None,
) -> None:
    async with (
        mt_photos(failure or FOUND, path="/represent") as failing,
        mt_photos(FOUND, path="/represent") as well,
        running(
            [server("npu", NOWHERE if failure is None else failing.url), server("nas", well.url)],
            [Rule((("npu",), ("nas",)), TASK)],
        ) as it,
    ):
        reply = await it.predict(asked(), image=PHOTO)
        assert reply.status == 200
        assert reply.json[TASK][0]["boundingBox"] == {"x1": 1, "y1": 2, "x2": 4, "y2": 6}
        assert 'desc="nas"' in reply.headers["Server-Timing"]


async def test_immichs_own_server_stands_in_for_an_engine_that_fails() -> None:
    backend = FacesDouble(UpstreamError("No."))
    specs = [BackendSpec("engine", "engine", face_pack="buffalo_l")]
    engines = {"engine": EngineBackend(faces=backend)}
    rules = [Rule((("engine",), ("immich",)), TASK)]
    async with immich_ml(answer(THEIR_REPLY)) as immich:
        specs.append(BackendSpec("immich", "immich", immich.url))
        async with running(specs, rules, engines=engines) as it:
            assert (await it.predict(asked(), image=PHOTO)).json == THEIR_REPLY
    assert backend.images[0] == PHOTO


async def test_another_servers_pack_is_an_error_where_no_other_is_left() -> None:
    async with (
        mt_photos(ANOTHERS, path="/represent") as other,
        running([server("nas", other.url)], [Rule((("nas",),), TASK)], patience=AT_ONCE) as it,
    ):
        reply = await it.predict(asked(), image=PHOTO)
    assert reply.status == 502
    assert "Facenet512" in reply.json["detail"]
