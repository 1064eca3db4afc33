"""Another server that speaks MT-Photos: its failures are failures, however they look."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import numpy as np
import pytest

from immich_aio.domain.tasks import OcrOptions
from immich_aio.errors import (
    AioError,
    BadImageError,
    OverloadedError,
    TimeoutExceededError,
    UpstreamError,
)
from immich_aio.services.ai.app import create_app as ai_app
from immich_aio.services.ai.service import AiServiceConfig, Engines
from immich_aio.upstream.mt_photos import MtPhotosClient
from tests.integration.services import gateways
from tests.integration.services.live import (
    VECTOR,
    ClipDouble,
    EngineDouble,
    FacesDouble,
    Reply,
    live,
    send_form,
)
from tests.integration.upstream.servers import RECEIPT, SIZE, Answer, answer, mt_photos

KEY = "their key"
OPTIONS = OcrOptions(min_text_score=0.5)
GOOD = answer(
    {
        "result": {
            "texts": ["合计", "faint"],
            "scores": ["0.98", "0.4"],
            "boxes": [
                {"x": "4.0", "y": "7.0", "width": "283.0", "height": "21.0"},
                {"x": 1, "y": 2, "width": 3, "height": 4},
            ],
        }
    }
)
ENTRIES = json.dumps(
    {
        "ocr": {
            "detection": {"modelName": "m", "options": {"minScore": 0.5}},
            "recognition": {"modelName": "m", "options": {"minScore": 0.8}},
        }
    }
)


def engines(
    ocr: EngineDouble, clip: ClipDouble | None = None, faces: FacesDouble | None = None
) -> Engines:
    return Engines(ocr, clip or ClipDouble(), faces or FacesDouble())


@contextlib.asynccontextmanager
async def client_of(url: str, timeout: float = 30) -> AsyncIterator[MtPhotosClient]:  # noqa: ASYNC109  # the product's
    client = MtPhotosClient(url, KEY, timeout)
    try:
        yield client
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def gateway_to(url: str, key: str = KEY) -> AsyncIterator[str]:
    """The gateway as ``--roles gateway`` starts it."""
    async with gateways.gateway_to(url, key) as address:
        yield address


async def predict(url: str, image: bytes = RECEIPT) -> Reply:
    return await send_form(f"{url}/predict", entries=ENTRIES, image=image)


# ---- The client


async def test_the_image_goes_as_the_field_file_with_the_key() -> None:
    async with mt_photos(GOOD) as server, client_of(server.url) as client:
        await client.read(RECEIPT, OPTIONS)
    (got,) = server.got
    assert got.parts == {"file": RECEIPT}
    assert got.filenames["file"]
    assert got.headers["api-key"] == KEY


async def test_lines_come_back_with_corners_in_pixels_and_the_size_of_the_image() -> None:
    async with mt_photos(GOOD) as server, client_of(server.url) as client:
        result = await client.read(RECEIPT, OPTIONS)
    assert (result.width, result.height) == SIZE
    (line,) = result.lines
    assert line.text == "合计"
    assert line.corners.points == ((4, 7), (287, 7), (287, 28), (4, 28))
    assert line.text_score == line.box_score == 0.98


async def test_the_threshold_is_applied_here_as_the_protocol_has_none() -> None:
    async with mt_photos(GOOD) as server, client_of(server.url) as client:
        everything = await client.read(RECEIPT, OcrOptions(min_text_score=0))
        nothing = await client.read(RECEIPT, OcrOptions(min_text_score=1))
    assert [line.text for line in everything.lines] == ["合计", "faint"]
    assert nothing.lines == ()


FAILURES = [
    pytest.param(
        answer({"result": [], "msg": "CUDA out of memory"}), "CUDA out of memory", id="msg"
    ),
    pytest.param(answer({"result": []}), "of no use", id="an empty list"),
    pytest.param(Answer(200, b"<html>"), "not JSON", id="a page"),
    pytest.param(Answer(500, b"oops"), "answered 500", id="500"),
    pytest.param(Answer(404, b"{}"), "answered 404", id="404"),
    pytest.param(Answer(401, b"{}"), "set MT_PHOTOS_API_KEY", id="401"),
    pytest.param(Answer(200, b'{"result"', cut_off=True), "failed", id="cut off"),
]


@pytest.mark.parametrize(("reply", "words"), FAILURES)
async def test_a_failure_is_an_error_in_the_servers_words_and_never_an_empty_success(
    reply: Answer, words: str
) -> None:
    async with mt_photos(reply) as server, client_of(server.url) as client:
        with pytest.raises(UpstreamError, match=words):
            await client.read(RECEIPT, OPTIONS)


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("soon", 1), (None, 1)])
async def test_a_busy_server_is_an_overload_with_its_own_waiting_time(
    header: str | None, seconds: int
) -> None:
    headers = {} if header is None else {"Retry-After": header}
    async with (
        mt_photos(Answer(429, b"", headers)) as server,
        client_of(server.url) as client,
    ):
        with pytest.raises(OverloadedError) as raised:
            await client.read(RECEIPT, OPTIONS)
    assert raised.value.retry_after == seconds


async def test_a_server_that_does_not_answer_in_time_is_a_time_out() -> None:
    async with mt_photos(held=True) as server, client_of(server.url, 0.1) as client:
        with pytest.raises(TimeoutExceededError, match=r"MT_PHOTOS_API .* UPSTREAM_TIMEOUT"):
            await client.read(RECEIPT, OPTIONS)


async def test_a_server_that_cannot_be_reached_is_named() -> None:
    async with client_of("http://127.0.0.1:1") as client:
        with pytest.raises(UpstreamError, match="MT_PHOTOS_API at"):
            await client.read(RECEIPT, OPTIONS)


async def test_what_is_no_image_is_refused_before_it_is_sent() -> None:
    async with mt_photos(GOOD) as server, client_of(server.url) as client:
        with pytest.raises(BadImageError):
            await client.read(b"just text", OPTIONS)
    assert server.got == []


async def test_a_caller_who_goes_ends_the_request() -> None:
    async with mt_photos(held=True) as server, client_of(server.url) as client:
        reading = asyncio.create_task(client.read(RECEIPT, OPTIONS))
        await server.waiting.wait()
        reading.cancel()
        await server.left.wait()


# ---- CLIP


@pytest.mark.parametrize(
    "reply",
    [{"result": ["3.0", "-4.0000000000000000"]}, {"results": [3, -4]}, {"result": [0.3, -0.4]}],
)
async def test_a_vector_is_read_in_every_spelling_and_has_length_1(reply: object) -> None:
    async with (
        mt_photos(answer(reply), path="/clip/img") as server,
        client_of(server.url) as client,
    ):
        embedding = await client.encode_image(RECEIPT)
    np.testing.assert_allclose(embedding.vector, [0.6, -0.8], rtol=1e-6)
    assert (embedding.width, embedding.height) == SIZE
    (got,) = server.got
    assert got.parts == {"file": RECEIPT}
    assert got.headers["api-key"] == KEY


async def test_a_text_is_sent_as_json() -> None:
    async with (
        mt_photos(answer({"result": ["1", "0"]}), path="/clip/txt") as server,
        client_of(server.url) as client,
    ):
        embedding = await client.encode_text("飞机 ✈")
    assert embedding.vector.tolist() == [1, 0]
    assert (embedding.width, embedding.height) == (None, None)
    assert json.loads(server.got[0].body) == {"text": "飞机 ✈"}


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (answer({"result": [], "msg": "CUDA out of memory"}), "CUDA out of memory"),
        (answer({"result": []}), "no vector"),
        (answer({"result": ["0.0", "0.0"]}), "zeros"),
        (answer({"result": ["nan", "1"]}), "nan"),
        (answer({"result": "pass"}), "no vector"),
        (Answer(500, b"oh"), "answered 500 to /clip/txt"),
        (Answer(200, b"<html>"), "not JSON"),
    ],
)
async def test_what_is_no_vector_is_a_failure(reply: Answer, told: str) -> None:
    async with mt_photos(reply, path="/clip/txt") as server, client_of(server.url) as client:
        with pytest.raises(UpstreamError, match=told):
            await client.encode_text("飞机")


async def test_a_gateway_has_its_vectors_made_by_our_own_ai_service_elsewhere() -> None:
    clip = ClipDouble()
    config = AiServiceConfig(KEY, key_is_secret=True, max_upload_bytes=10**8)
    service = ai_app(config, engines(EngineDouble(), clip))
    entries = json.dumps({"clip": {"visual": {"modelName": "ViT-B-32__openai"}}})
    async with live(service) as server, gateway_to(server) as url:
        reply = await send_form(f"{url}/predict", entries=entries, image=RECEIPT)
    assert reply.status == 200
    np.testing.assert_allclose(json.loads(reply.json["clip"]), VECTOR, rtol=1e-5)
    assert clip.images == [RECEIPT]


async def test_a_vector_of_another_length_than_immich_expects_is_never_passed_on() -> None:
    entries = json.dumps({"clip": {"textual": {"modelName": "ViT-B-32__openai"}}})
    short = answer({"result": ["0.5"] * 511})
    async with mt_photos(short, path="/clip/txt") as server, gateway_to(server.url) as url:
        reply = await send_form(f"{url}/predict", entries=entries, text="飞机")
    assert reply.status == 502
    assert "ViT-B-32__openai, whose vectors have 512 numbers" in reply.json["detail"]
    assert "makes 511" in reply.json["detail"]


# ---- Faces


def faces_reply(*scores: float, numbers: int = 512, model: str = "buffalo_l") -> dict[str, object]:
    area = {"x": 10, "y": -4, "w": 30, "h": 40}
    vector = [2.0] + [0.0] * (numbers - 1)
    return {
        "detector_backend": "insightface",
        "recognition_model": model,
        "result": [
            {"embedding": vector, "facial_area": area, "face_confidence": score} for score in scores
        ],
    }


FACES_ENTRIES = json.dumps(
    {
        "facial-recognition": {
            "detection": {"modelName": "buffalo_l", "options": {"minScore": 0.7}},
            "recognition": {"modelName": "buffalo_l"},
        }
    }
)


async def test_faces_that_are_sure_enough_come_with_vectors_of_length_1() -> None:
    async with (
        mt_photos(answer(faces_reply(0.9, 0.7, 0.69)), path="/represent") as server,
        client_of(server.url) as client,
    ):
        result = await client.find_faces(RECEIPT, 0.7)
    assert [face.score for face in result.faces] == [0.9, 0.7]
    assert result.faces[0].box.corner_pair == (10, -4, 40, 36)
    assert np.linalg.norm(result.faces[0].embedding.vector) == 1
    assert (result.width, result.height) == SIZE
    assert server.got[0].headers["api-key"] == KEY


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (answer({"result": [], "msg": "CUDA out of memory"}), "CUDA out of memory"),
        (answer(faces_reply(0.9, numbers=128)), "have 128 numbers"),
        (answer({"result": "pass"}), "no list of faces"),
        (Answer(500, b"oh"), "answered 500 to /represent"),
    ],
)
async def test_what_is_no_list_of_faces_is_a_failure(reply: Answer, told: str) -> None:
    async with mt_photos(reply, path="/represent") as server, client_of(server.url) as client:
        with pytest.raises(UpstreamError, match=told):
            await client.find_faces(RECEIPT, 0.5)


async def test_faces_of_another_pack_than_is_set_are_never_passed_on() -> None:
    async with (
        mt_photos(answer(faces_reply(0.9, model="Facenet512")), path="/represent") as server,
        gateway_to(server.url) as url,
    ):
        reply = await send_form(f"{url}/predict", entries=FACES_ENTRIES, image=RECEIPT)
    assert reply.status == 502
    assert "by Facenet512, and RECOGNITION_MODEL is buffalo_l" in reply.json["detail"]


async def test_a_server_that_does_not_tell_its_pack_is_believed() -> None:
    silent = {**faces_reply(0.9), "recognition_model": None}
    async with (
        mt_photos(answer(silent), path="/represent") as server,
        gateway_to(server.url) as url,
    ):
        reply = await send_form(f"{url}/predict", entries=FACES_ENTRIES, image=RECEIPT)
    assert len(reply.json["facial-recognition"]) == 1


async def test_a_gateway_has_faces_found_by_our_own_ai_service_elsewhere() -> None:
    faces = FacesDouble()
    config = AiServiceConfig(KEY, True, 10**8)
    service = ai_app(config, engines(EngineDouble(), faces=faces))
    async with live(service) as server, gateway_to(server) as url:
        reply = await send_form(f"{url}/predict", entries=FACES_ENTRIES, image=RECEIPT)
    assert reply.status == 200
    first, second = reply.json["facial-recognition"]
    assert first["boundingBox"] == {"x1": 10, "y1": -4, "x2": 41, "y2": 37}
    assert (first["score"], second["score"]) == (0.875, 0.75)
    np.testing.assert_allclose(json.loads(first["embedding"]), VECTOR, rtol=1e-5)
    assert faces.images == [RECEIPT]


# ---- The gateway with such a server


async def test_our_own_ai_service_serves_a_gateway_elsewhere() -> None:
    engine = EngineDouble()
    service = ai_app(
        AiServiceConfig(KEY, key_is_secret=True, max_upload_bytes=10**8), engines(engine)
    )
    async with live(service) as server, gateway_to(server) as url:
        reply = await predict(url)
    assert reply.status == 200
    assert reply.json["ocr"]["text"] == ["发票 Invoice"]  # the other is below the threshold
    assert (reply.json["imageWidth"], reply.json["imageHeight"]) == SIZE
    assert engine.images == [RECEIPT]


async def test_our_own_ai_service_refuses_a_gateway_with_another_key() -> None:
    service = ai_app(
        AiServiceConfig(KEY, key_is_secret=True, max_upload_bytes=10**8), engines(EngineDouble())
    )
    async with live(service) as server, gateway_to(server, "another key") as url:
        reply = await predict(url)
    assert reply.status == 502
    assert "MT_PHOTOS_API_KEY" in reply.json["detail"]


@pytest.mark.parametrize(
    ("error", "status"), [(OverloadedError(retry_after=5), 429), (BadImageError("No."), 400)]
)
async def test_a_failure_of_our_own_ai_service_is_a_failure_of_the_gateway(
    error: AioError, status: int
) -> None:
    service = ai_app(
        AiServiceConfig(KEY, key_is_secret=True, max_upload_bytes=10**8),
        engines(EngineDouble(error)),
    )
    async with live(service) as server, gateway_to(server) as url:
        reply = await predict(url)
    assert reply.status == status
    assert reply.headers.get("Retry-After") == ("5" if status == 429 else None)


async def test_out_of_memory_elsewhere_is_a_502_here() -> None:
    failure = answer({"result": [], "msg": "CUDA out of memory"})
    async with mt_photos(failure) as server, gateway_to(server.url) as url:
        reply = await predict(url)
    assert reply.status == 502
    assert "CUDA out of memory" in reply.json["detail"]


async def test_a_text_file_in_place_of_an_image_is_the_callers_mistake() -> None:
    async with mt_photos(GOOD) as server, gateway_to(server.url) as url:
        assert (await predict(url, b"just text")).status == 400


async def test_a_caller_who_hangs_up_on_the_gateway_ends_the_request_elsewhere() -> None:
    async with mt_photos(held=True) as server, gateway_to(server.url) as url:
        asked = asyncio.create_task(predict(url))
        await server.waiting.wait()
        asked.cancel()
        await server.left.wait()
