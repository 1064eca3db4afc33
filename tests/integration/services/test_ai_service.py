"""The AI service over HTTP: who may ask what, and how each failure is said."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import Mount, Route

from immich_aio.domain.results import FacesResult
from immich_aio.errors import (
    AioError,
    BadImageError,
    InternalError,
    LicenseError,
    ModelMissingError,
    OverloadedError,
    TimeoutExceededError,
    TooLargeError,
    UnavailableError,
)
from immich_aio.services.ai.app import create_app
from immich_aio.services.ai.service import MT_PHOTOS_OPTIONS, AiServiceConfig, Engines
from tests.integration.services.live import (
    RESULT,
    VECTOR,
    ClipDouble,
    EngineDouble,
    FacesDouble,
    Reply,
    ask,
    live,
    send_form,
)

KEY = "a key of our own"
MIB = 1024 * 1024
KEYED = (
    "/check",
    "/ocr",
    "/ocr/lines",
    "/clip/img",
    "/clip/txt",
    "/represent",
    "/restart",
    "/restart_v2",
)


@contextlib.asynccontextmanager
async def service(
    engine: EngineDouble | None = None,
    *,
    clip: ClipDouble | None = None,
    faces: FacesDouble | None = None,
    key: str = KEY,
    is_secret: bool = True,
) -> AsyncIterator[str]:
    ocr = engine or EngineDouble()
    engines = Engines(ocr, clip or ClipDouble(), faces or FacesDouble(), (ocr.warm_up,))
    app = create_app(AiServiceConfig(key, is_secret, MIB, 0.6), engines)
    async with live(app) as url:
        yield url


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with service() as address:
        yield address


async def check(url: str, key: bytes | str | None) -> Reply:
    """Ask ``/check`` with a key as it stands, whatever its bytes."""
    sent = key.decode("utf-8", "surrogateescape") if isinstance(key, bytes) else key
    return await ask(f"{url}/check", "POST", headers={} if sent is None else {"api-key": sent})


# ---- What is open to all


async def test_the_page_may_load_nothing_from_elsewhere(url: str) -> None:
    page = await ask(f"{url}/")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'")
    assert "http" not in policy
    assert "unsafe" not in policy


async def test_everything_that_the_page_names_is_there(url: str) -> None:
    page = (await ask(f"{url}/")).body.decode()
    named = re.findall(r'(?:href|src)="(static/[^"]+)"', page)
    assert len(named) >= 2
    for path in named:
        assert (await ask(f"{url}/{path}")).status == 200, path


async def test_nothing_beside_the_static_files_can_be_fetched(url: str) -> None:
    assert (await ask(f"{url}/static/%2e%2e/app.py")).status == 404


async def test_ping_is_answered_pong(url: str) -> None:
    reply = await ask(f"{url}/ping")
    assert (reply.status, reply.body) == (200, b"pong")


async def test_the_status_tells_what_the_page_shows_and_no_key(url: str) -> None:
    reply = await ask(f"{url}/aio/status")
    assert reply.json["engine"] == "a double"
    assert reply.json["key_required"] is True
    assert KEY.encode() not in reply.body


async def test_the_status_names_the_clip_model_and_the_names_in_immich_that_fit(url: str) -> None:
    assert (await ask(f"{url}/aio/status")).json["clip"] == {
        "model": "ViT-B-16",
        "dimension": 512,
        "state": "a double",
        "engine": "a CLIP double",
        "immich_names": ["ViT-B-32__openai", "ViT-B-16__openai"],
    }


async def test_the_status_is_told_while_nothing_is_known_of_the_model() -> None:
    async with service(clip=ClipDouble(dimension=None)) as url:
        clip = (await ask(f"{url}/aio/status")).json["clip"]
    assert (clip["dimension"], clip["immich_names"]) == (None, [])


async def test_the_status_says_when_the_key_is_the_one_everyone_knows() -> None:
    async with service(key="mt_photos_ai_extra", is_secret=False) as url:
        assert (await ask(f"{url}/aio/status")).json["key_required"] is False


async def test_metrics_count_the_requests_and_the_lines() -> None:
    async with service() as url:
        await send_form(f"{url}/ocr", key=KEY, file=b"image")
        await ask(f"{url}/no/such/page")
        page = (await ask(f"{url}/metrics")).body.decode()
    found = {
        (sample.name, sample.labels.get("route")): sample.value
        for metric in text_string_to_metric_families(page)
        for sample in metric.samples
    }
    assert found["immich_aio_request_seconds_count", "/ocr"] == 1
    assert found["immich_aio_request_seconds_count", "unknown"] == 1
    assert found["immich_aio_ocr_lines_total", None] == len(RESULT.lines)


# ---- The key


@pytest.mark.parametrize("path", KEYED)
async def test_without_the_right_key_nothing_is_done(path: str) -> None:
    engine = EngineDouble()
    async with service(engine) as url:
        for key in ({}, {"api-key": ""}, {"api-key": KEY + "x"}, {"api-key": KEY[:-1]}):
            reply = await ask(f"{url}{path}", "POST", headers=key)
            assert reply.status == 401, key
            assert reply.json["detail"].endswith("API_AUTH_KEY.")
    assert (engine.images, engine.released) == ([], 0)


async def test_the_right_key_passes_the_check(url: str) -> None:
    reply = await check(url, KEY)
    assert reply.status == 200
    assert reply.json["result"] == "pass"
    assert reply.json["device"] == "a double"


async def test_a_key_that_is_no_ascii_is_only_a_wrong_key(url: str) -> None:
    assert (await check(url, "钥匙")).status == 401


@pytest.mark.parametrize("key", ["schlüssel", "钥匙"])
async def test_a_key_that_is_no_ascii_is_right_where_it_is_the_servers(key: str) -> None:
    async with service(key=key) as url:
        assert (await check(url, key)).status == 200
        assert (await check(url, key + "x")).status == 401


# ---- Reading


async def test_ocr_answers_in_the_shape_of_mt_photos_numbers_as_strings() -> None:
    engine = EngineDouble()
    async with service(engine) as url:
        reply = await send_form(f"{url}/ocr", key=KEY, file=b"the image")
    assert reply.status == 200
    assert reply.json == {
        "result": {
            "texts": ["发票 Invoice", "合计"],
            "scores": ["0.9", "0.625"],
            "boxes": [
                {"x": "10.0", "y": "20.0", "width": "100.0", "height": "20.0"},
                {"x": "9.0", "y": "50.0", "width": "51.0", "height": "22.0"},
            ],
        }
    }
    assert reply.headers["Server-Timing"].startswith("queue;dur=1.0")
    assert (engine.images, engine.options) == ([b"the image"], [MT_PHOTOS_OPTIONS])


async def test_lines_are_answered_with_everything_that_is_known_of_them(url: str) -> None:
    reply = await send_form(f"{url}/ocr/lines", key=KEY, file=b"the image")
    assert reply.json["lines"][0] == {
        "text": "发票 Invoice",
        "corners": [[10, 20], [110, 20], [110, 40], [10, 40]],
        "boxScore": 0.75,
        "textScore": 0.9,
    }
    assert (reply.json["width"], reply.json["height"]) == (200, 100)
    assert reply.json["timings"] == {"queue": 1, "decode": 2, "detect": 3, "recognise": 4}


FAILURES = [BadImageError(), TooLargeError(), UnavailableError(), InternalError("No.")]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: error.kind)
async def test_what_fails_while_reading_is_a_200_with_a_message_as_mt_photos_wants(
    error: AioError,
) -> None:
    async with service(EngineDouble(error)) as url:
        reply = await send_form(f"{url}/ocr", key=KEY, file=b"image")
    assert reply.status == 200
    assert reply.json == {"result": [], "msg": error.message}


STATUSES = {BadImageError: 400, TooLargeError: 413, UnavailableError: 503, InternalError: 500}


@pytest.mark.parametrize(("error", "status"), STATUSES.items())
async def test_lines_are_refused_with_the_errors_own_status(
    error: type[AioError], status: int
) -> None:
    async with service(EngineDouble(error())) as url:
        reply = await send_form(f"{url}/ocr/lines", key=KEY, file=b"image")
    assert reply.status == status
    assert reply.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/ocr", "/ocr/lines"])
async def test_a_full_queue_is_a_429_that_says_when_to_come_back(path: str) -> None:
    async with service(EngineDouble(OverloadedError(retry_after=7))) as url:
        reply = await send_form(f"{url}{path}", key=KEY, file=b"image")
    assert reply.status == 429
    assert reply.headers["Retry-After"] == "7"


async def test_a_form_without_the_file_is_told_which_field_is_missing(url: str) -> None:
    reply = await send_form(f"{url}/ocr", key=KEY, image=b"image")
    assert reply.json["result"] == []
    assert "'file'" in reply.json["msg"]
    assert (await send_form(f"{url}/ocr/lines", key=KEY, image=b"image")).status == 400


async def test_an_upload_over_the_limit_is_never_a_success(url: str) -> None:
    too_much = bytes(2 * MIB)
    assert (await send_form(f"{url}/ocr/lines", key=KEY, file=too_much)).status == 413
    reply = await send_form(f"{url}/ocr", key=KEY, file=too_much)
    assert reply.json["result"] == []
    assert "limit of 1 MiB" in reply.json["msg"]


async def test_a_failure_nobody_foresaw_is_no_success_either() -> None:
    async with service(EngineDouble(RuntimeError("CUDA out of memory"))) as url:
        reply = await send_form(f"{url}/ocr", key=KEY, file=b"image")
    assert reply.status == 500
    assert b"CUDA" not in reply.body


async def test_a_caller_who_hangs_up_costs_no_more_inference() -> None:
    engine = EngineDouble(held=True)
    async with service(engine) as url:
        asked = asyncio.create_task(send_form(f"{url}/ocr", key=KEY, file=b"image"))
        await engine.began.wait()
        asked.cancel()
        await engine.cancelled.wait()


# ---- Memory


@pytest.mark.parametrize("path", ["/restart", "/restart_v2"])
async def test_a_restart_gives_memory_back_and_loses_no_request(path: str) -> None:
    engine = EngineDouble(held=True)
    async with service(engine) as url:
        asked = asyncio.create_task(send_form(f"{url}/ocr/lines", key=KEY, file=b"image"))
        await engine.began.wait()
        reply = await ask(f"{url}{path}", "POST", headers={"api-key": KEY})
        assert reply.json == {"result": "pass"}
        assert engine.released == 1
        assert not asked.done()
        engine.let_go.set()
        assert (await asked).status == 200


async def test_models_that_cannot_be_loaded_are_said_in_the_log_and_the_service_answers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = EngineDouble()
    engine.failure_to_load = UnavailableError("The disk is on fire.")
    async with service(engine) as url:
        assert (await ask(f"{url}/ping")).status == 200
    assert "could not be made ready: The disk is on fire." in caplog.text


# ---- Documentation


async def test_every_route_is_documented(url: str) -> None:
    assert (await ask(f"{url}/docs")).status == 200
    paths: dict[str, Any] = (await ask(f"{url}/openapi.json")).json["paths"]
    assert set(paths) == {"/", "/ping", "/face/check", "/aio/status", "/metrics", *KEYED}
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path} says nothing of itself"


def test_no_route_is_added_past_the_documentation() -> None:
    config = AiServiceConfig(KEY, key_is_secret=True, max_upload_bytes=MIB)
    app = create_app(config, Engines(EngineDouble(), ClipDouble(), FacesDouble()))
    bare = {route.path for route in app.routes if isinstance(route, Route | Mount)}
    documentation = {"/docs", "/docs/oauth2-redirect", "/openapi.json", "/redoc"}
    assert bare == {*documentation, "/static"}


async def test_the_documentation_says_which_routes_take_the_key_and_which_a_body(
    url: str,
) -> None:
    paths: dict[str, Any] = (await ask(f"{url}/openapi.json")).json["paths"]
    for path, methods in paths.items():
        operation = methods.get("post") or methods["get"]
        assert bool(operation.get("security")) == (path in KEYED), path
        assert ("requestBody" in operation) == path.startswith(("/ocr", "/clip", "/represent")), (
            path
        )


async def test_a_wrong_method_and_an_unknown_route_are_problems_too(url: str) -> None:
    for path, method, status in (("/ocr", "GET", 405), ("/ocr/pages", "POST", 404)):
        reply = await ask(f"{url}{path}", method)
        assert reply.status == status
        assert reply.headers["Content-Type"] == "application/problem+json"


# ---- CLIP


async def send_text(url: str, body: bytes, key: str = KEY) -> Reply:
    headers = {"api-key": key, "Content-Type": "application/json"}
    return await ask(f"{url}/clip/txt", "POST", headers=headers, data=body)


async def test_an_images_vector_is_a_list_of_strings_of_sixteen_decimals() -> None:
    clip = ClipDouble()
    async with service(clip=clip) as url:
        reply = await send_form(f"{url}/clip/img", key=KEY, file=b"image")
    assert reply.status == 200
    assert reply.json == {"result": [f"{number:.16f}" for number in VECTOR.tolist()]}
    assert reply.headers["Server-Timing"] == "queue;dur=1.0, decode;dur=2.0, encode;dur=3.0"
    assert clip.images == [b"image"]


async def test_a_texts_vector_has_the_same_shape() -> None:
    clip = ClipDouble()
    async with service(clip=clip) as url:
        reply = await send_text(url, '{"text": "飞机", "model": "ignored"}'.encode())
    assert len(reply.json["result"]) == 512
    assert clip.texts == ["飞机"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "body: is not JSON"),
        (b"[]", "body: must be an object"),
        (b"{}", "body.text: is missing"),
        (b'{"text": 5}', "body.text: must be text"),
        (b'{"text": "\\ud83d"}', "body.text: must be text"),
    ],
)
async def test_a_request_that_is_none_is_said_as_mt_photos_wants(body: bytes, told: str) -> None:
    async with service() as url:
        reply = await send_text(url, body)
    assert reply.status == 200
    assert reply.json["result"] == []
    assert told in reply.json["msg"]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_text_without_end_is_refused(chunked: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65536

    async with service() as url:
        headers = {"api-key": KEY}
        data = pieces() if chunked else io.BytesIO(b" " * 2_500_000)
        reply = await ask(f"{url}/clip/txt", "POST", headers=headers, data=data)
    assert "over the limit of 1024 KiB" in reply.json["msg"]


@pytest.mark.parametrize(
    "error", [BadImageError("No."), ModelMissingError("No."), TimeoutExceededError("No.")]
)
async def test_a_vector_that_cannot_be_made_is_a_200_with_a_message(error: AioError) -> None:
    async with service(clip=ClipDouble(error)) as url:
        image = await send_form(f"{url}/clip/img", key=KEY, file=b"image")
        text = await send_text(url, b'{"text": "x"}')
    for reply in (image, text):
        assert (reply.status, reply.json) == (200, {"result": [], "msg": "No."})


async def test_a_full_clip_queue_is_a_429() -> None:
    async with service(clip=ClipDouble(OverloadedError(retry_after=7))) as url:
        reply = await send_form(f"{url}/clip/img", key=KEY, file=b"image")
    assert (reply.status, reply.headers["Retry-After"]) == (429, "7")


async def test_a_restart_gives_the_memory_of_faces_back_too() -> None:
    faces = FacesDouble()
    async with service(faces=faces) as url:
        assert (await ask(f"{url}/restart", "POST", headers={"api-key": KEY})).status == 200
    assert faces.released == 1


async def test_a_restart_gives_clips_memory_back_too() -> None:
    clip = ClipDouble()
    async with service(clip=clip) as url:
        assert (await ask(f"{url}/restart", "POST", headers={"api-key": KEY})).status == 200
    assert clip.released == 1


# ---- Faces


async def test_faces_come_in_the_face_servers_shape() -> None:
    faces = FacesDouble()
    async with service(faces=faces) as url:
        reply = await send_form(f"{url}/represent", key=KEY, file=b"image")
    assert reply.status == 200
    body = reply.json
    assert (body["detector_backend"], body["recognition_model"]) == ("insightface", "buffalo_l")
    first = body["result"][0]
    assert first["facial_area"] == {"x": 10, "y": -4, "w": 31, "h": 41}
    assert first["face_confidence"] == 0.875
    assert first["embedding"] == VECTOR.tolist()
    assert reply.headers["Server-Timing"].startswith("queue;dur=1.0")
    assert (faces.images, faces.scores) == ([b"image"], [0.6])


async def test_an_image_without_faces_is_an_empty_list_without_a_message() -> None:
    async with service(faces=FacesDouble(FacesResult((), 9, 8))) as url:
        body = (await send_form(f"{url}/represent", key=KEY, file=b"image")).json
    assert body["result"] == []
    assert "msg" not in body


async def test_who_asks_which_model_recognises_faces_is_told_without_a_key(url: str) -> None:
    body = (await ask(f"{url}/face/check")).json
    assert set(body) == {"title", "link", "detector_backend", "recognition_model"}
    assert body["recognition_model"] == "buffalo_l"


@pytest.mark.parametrize(
    "error", [LicenseError("No."), ModelMissingError("No."), BadImageError("No.")]
)
async def test_faces_that_could_not_be_found_are_a_message_and_no_empty_list_alone(
    error: AioError,
) -> None:
    async with service(faces=FacesDouble(error)) as url:
        reply = await send_form(f"{url}/represent", key=KEY, file=b"image")
    assert (reply.status, reply.json) == (200, {"result": [], "msg": "No."})


async def test_a_full_face_queue_says_when_to_come_back() -> None:
    async with service(faces=FacesDouble(OverloadedError(retry_after=7))) as url:
        reply = await send_form(f"{url}/represent", key=KEY, file=b"image")
    assert (reply.status, reply.headers["Retry-After"]) == (429, "7")


async def test_the_status_names_the_face_pack(url: str) -> None:
    assert (await ask(f"{url}/aio/status")).json["faces"] == {
        "pack": "buffalo_l",
        "state": "loaded",
        "engine": "a faces double",
    }
