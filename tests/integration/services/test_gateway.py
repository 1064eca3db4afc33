"""The gateway over HTTP: who answers which task, and what becomes of every failure."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from immich_aio.domain.results import OcrResult
from immich_aio.domain.tasks import OcrOptions
from immich_aio.errors import AioError, BadImageError, OverloadedError, TooLargeError
from immich_aio.services.gateway.body import LARGE
from immich_aio.services.http.uploads import OVERHEAD
from tests.integration.services.gateways import (
    CLIP_REPLY,
    FACES,
    FACES_REPLY,
    LEGACY_OCR,
    MIB,
    OCR,
    PHOTO,
    TEXTUAL,
    VECTOR_TEXT,
    VISUAL,
    gateway,
    predict,
    running,
)
from tests.integration.services.live import (
    BOUNDARY,
    RESULT,
    EngineDouble,
    ask,
    calling,
    multipart,
    send_form,
    unfinished_file,
)
from tests.integration.upstream.servers import Answer, answer, immich_ml

NO_SUCH_SERVER = "http://127.0.0.1:1"


# ---- What Immich looks for


async def test_the_root_and_the_ping_are_what_immich_knows() -> None:
    async with gateway() as url:
        assert (await ask(f"{url}/")).json == {"message": "Immich ML"}
        reply = await ask(f"{url}/ping")
    assert (reply.status, reply.body) == (200, b"pong")


async def test_requests_are_counted() -> None:
    async with gateway() as url:
        await predict(url, OCR, image=b"image")
        page = (await ask(f"{url}/metrics")).body.decode()
    counted = 'method="POST",route="/predict",service="gateway",status="200"'
    assert f"immich_aio_request_seconds_count{{{counted}}} 1.0" in page
    assert f"immich_aio_ocr_lines_total {len(RESULT.lines)}.0" in page


# ---- OCR


async def test_ocr_is_answered_in_immichs_shape_with_the_size_of_the_image() -> None:
    engine = EngineDouble()
    async with gateway(engine) as url:
        reply = await predict(url, OCR, image=b"the image")
    assert reply.status == 200
    assert reply.json == {
        "ocr": {
            "text": ["发票 Invoice", "合计"],
            "box": pytest.approx(
                [
                    *[0.05, 0.2, 0.55, 0.2, 0.55, 0.4, 0.05, 0.4],
                    *[0.05, 0.5, 0.3, 0.52, 0.295, 0.72, 0.045, 0.7],
                ]
            ),
            "boxScore": [0.75, 0.5],
            "textScore": [0.9, 0.625],
        },
        "imageHeight": 100,
        "imageWidth": 200,
    }
    assert reply.headers["Server-Timing"].startswith("queue;dur=1.0")
    assert engine.images == [b"the image"]
    assert engine.options == [OcrOptions(0.5, 0.8, 736)]


async def test_immichs_options_reach_the_engine() -> None:
    engine = EngineDouble()
    entries = {
        "ocr": {
            "detection": {"modelName": "m", "options": {"minScore": 0.1, "maxResolution": 1200}},
            "recognition": {"modelName": "m", "options": {"minScore": 0.2}},
        }
    }
    async with gateway(engine) as url:
        await predict(url, entries, image=b"image")
    assert engine.options == [OcrOptions(0.1, 0.2, 1200)]


async def test_the_old_forks_request_is_answered_in_its_own_shape() -> None:
    async with gateway() as url:
        reply = await predict(url, LEGACY_OCR, image=b"image")
    assert reply.json["ocr"] == "发票 Invoice 合计"
    assert reply.json["result"]["texts"] == ["发票 Invoice", "合计"]
    assert reply.json["result"]["scores"] == [0.9, 0.625]
    assert reply.json["result"]["boxes"][0] == {"x1": 10, "y1": 20, "x2": 110, "y2": 40}


async def test_the_image_may_come_before_the_entries() -> None:
    engine = EngineDouble()
    async with gateway(engine) as url:
        reply = await send_form(f"{url}/predict", image=b"image", entries=json.dumps(OCR))
    assert reply.status == 200
    assert engine.images == [b"image"]


async def test_an_image_without_text_is_an_empty_success() -> None:
    async with gateway(EngineDouble(OcrResult((), 7, 5))) as url:
        reply = await predict(url, OCR, image=b"image")
    empty: dict[str, list[object]] = {"text": [], "box": [], "boxScore": [], "textScore": []}
    assert reply.json == {"ocr": empty, "imageHeight": 5, "imageWidth": 7}


FAILURES = [(BadImageError(), 400), (TooLargeError(), 413), (OverloadedError(retry_after=9), 429)]


@pytest.mark.parametrize(("error", "status"), FAILURES)
async def test_a_failure_of_ocr_is_never_an_empty_success(error: AioError, status: int) -> None:
    async with gateway(EngineDouble(error)) as url:
        reply = await predict(url, OCR, image=b"image")
    assert reply.status == status
    assert reply.json["detail"] == error.message
    assert reply.headers.get("Retry-After") == ("9" if status == 429 else None)


async def test_without_any_ocr_the_answer_says_what_to_set() -> None:
    async with running([], []) as it:
        reply = await it.predict(OCR, image=b"image")
    assert reply.status == 503
    assert "MT_PHOTOS_API" in reply.json["detail"]


# ---- Requests that cannot be answered


@pytest.mark.parametrize(
    "entries",
    ["", "not JSON", "[]", "{}", '{"ocr":{}}', '{"weather":{"today":{"modelName":"m"}}}', "\x00"],
)
async def test_bad_entries_are_a_422(entries: str) -> None:
    async with gateway() as url:
        reply = await predict(url, entries, image=b"image")
    assert reply.status == 422
    assert reply.json["detail"].startswith("entries")


async def test_missing_entries_are_a_422() -> None:
    async with gateway() as url:
        reply = await send_form(f"{url}/predict", image=b"image")
    assert reply.status == 422
    assert "'entries'" in reply.json["detail"]


async def test_ocr_of_neither_image_nor_text_is_a_400() -> None:
    async with gateway() as url:
        assert (await predict(url, OCR)).status == 400
        assert (await predict(url, OCR, text="no image")).status == 400


async def test_what_is_no_form_is_a_400() -> None:
    async with gateway() as url:
        assert (await ask(f"{url}/predict", "POST", data=b"{}")).status == 400


async def test_an_image_over_the_limit_is_a_413() -> None:
    async with gateway() as url:
        reply = await predict(url, OCR, image=bytes(MIB + OVERHEAD))
    assert reply.status == 413


# ---- CLIP and faces alone


RELAYED = [
    pytest.param(VISUAL, {"image": bytes(range(256))}, id="clip of an image"),
    pytest.param(TEXTUAL, {"text": "飞机"}, id="clip of a text"),
    pytest.param(FACES, {"image": b"\xff\xd8"}, id="faces"),
    pytest.param({**VISUAL, **FACES}, {"image": b"\xff\xd8"}, id="clip and faces"),
    pytest.param(VISUAL, {}, id="nothing to look at"),
]


@pytest.mark.parametrize(("entries", "fields"), RELAYED)
async def test_other_tasks_go_on_as_they_came(
    entries: object, fields: dict[str, bytes | str]
) -> None:
    body = multipart(entries=json.dumps(entries), **fields)
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    good = answer({**CLIP_REPLY, **FACES_REPLY})
    async with immich_ml(good) as server, gateway(immich=server) as url:
        await ask(f"{url}/predict", "POST", data=body, headers={"Content-Type": kind})
    (got,) = server.got
    assert got.body == body
    assert got.headers["content-type"] == kind
    assert got.headers["content-length"] == str(len(body))


@pytest.mark.parametrize("status", [200, 400, 413, 422])
async def test_the_reply_comes_back_byte_for_byte_with_its_status(status: int) -> None:
    """What is the caller's fault too, for he is to be told in the server's own words."""
    numbers = ",".join(["0.10000000000000000001"] * 512)
    reply = Answer(
        status,
        f'{{ "clip" :  "[{numbers}]" }}\n'.encode(),
        {"Content-Type": "application/json; odd=yes"},
    )
    async with immich_ml(reply) as server, gateway(immich=server) as url:
        relayed = await predict(url, VISUAL, image=b"image")
    assert (relayed.status, relayed.body) == (status, reply.body)
    assert relayed.headers["Content-Type"] == "application/json; odd=yes"
    assert relayed.headers["Content-Length"] == str(len(reply.body))
    assert len(server.got) == 1


async def test_of_a_large_body_the_server_sees_the_first_bytes_before_the_last_are_sent() -> None:
    body = multipart(entries=json.dumps(VISUAL), image=b"first half, second half" + bytes(LARGE))
    middle = body.index(b"second")
    async with (
        immich_ml(answer(CLIP_REPLY)) as server,
        gateway(immich=server, max_upload_bytes=2 * MIB) as url,
        calling(url) as caller,
    ):
        await caller.begin("/predict", len(body))
        await caller.say(body[:middle])
        seen = b""
        while not seen.endswith(b"first half, "):
            seen += await server.arrived.get()
        await caller.say(body[middle:])
        reply = await caller.reply()
    assert reply.json == CLIP_REPLY
    assert server.got[0].body == body


async def test_a_body_of_unknown_length_is_relayed_too() -> None:
    body = multipart(entries=json.dumps(VISUAL), image=bytes(100_000))
    async with (
        immich_ml(answer(CLIP_REPLY)) as server,
        gateway(immich=server) as url,
        calling(url) as caller,
    ):
        await caller.begin("/predict", None)
        await caller.say_chunk(body)
        await caller.say_chunk(b"")
        reply = await caller.reply()
    assert reply.json == CLIP_REPLY
    assert server.got[0].body == body


async def test_a_relayed_body_without_end_is_refused_at_the_limit_and_not_called_a_502() -> None:
    async with immich_ml() as server, gateway(immich=server) as url, calling(url) as caller:
        await caller.begin("/predict", None)
        entries = multipart(entries=json.dumps(VISUAL)).removesuffix(f"--{BOUNDARY}--\r\n".encode())
        await caller.say_chunk(entries + unfinished_file())
        for _ in range(0, MIB + OVERHEAD, 65_536):
            await caller.say_chunk(bytes(65_536))
        reply = await caller.reply()
    assert reply.status == 413
    assert server.got == []


@pytest.mark.parametrize("entries", [VISUAL, FACES, {**OCR, **VISUAL}])
async def test_without_immichs_server_the_answer_says_what_to_set(entries: object) -> None:
    async with gateway() as url:
        reply = await predict(url, entries, image=b"image")
    assert reply.status == 503
    assert "IMMICH_API" in reply.json["detail"]


@pytest.mark.parametrize("entries", [VISUAL, {**OCR, **VISUAL}], ids=["alone", "with OCR"])
class TestWhenImmichsServerFails:
    async def test_it_is_down_and_the_answer_says_so(self, entries: object) -> None:
        async with gateway(immich=NO_SUCH_SERVER) as url:
            reply = await predict(url, entries, image=PHOTO)
        assert reply.status in {502, 504}  # as it was found out by this request, or by a ping
        assert f"IMMICH_API at {NO_SUCH_SERVER} cannot be reached" in reply.json["detail"]

    async def test_it_is_slow_and_that_is_a_504(self, entries: object) -> None:
        async with immich_ml(held=True) as server, gateway(immich=server, timeout=1) as url:
            reply = await predict(url, entries, image=PHOTO)
        assert reply.status == 504
        assert "UPSTREAM_TIMEOUT" in reply.json["detail"]

    async def test_the_caller_hangs_up_and_so_do_we(self, entries: object) -> None:
        async with immich_ml(held=True) as server, gateway(immich=server) as url:
            asked = asyncio.create_task(predict(url, entries, image=PHOTO))
            await server.waiting.wait()
            asked.cancel()
            await server.left.wait()

    async def test_it_breaks_off_and_that_is_a_502(self, entries: object) -> None:
        broken = Answer(200, b'{"clip": "[0.1', cut_off=True)
        async with immich_ml(broken) as server, gateway(immich=server) as url:
            reply = await predict(url, entries, image=PHOTO)
        assert reply.status == 502


async def test_a_caller_who_hangs_up_while_sending_ends_the_relaying() -> None:
    body = multipart(entries=json.dumps(VISUAL), image=bytes(LARGE))
    async with immich_ml() as server, gateway(immich=server, max_upload_bytes=2 * MIB) as url:
        async with calling(url) as caller:
            await caller.begin("/predict", len(body))
            await caller.say(body[:-500])
            await server.arrived.get()
        await server.left.wait()
    assert server.got == []


# ---- Several tasks in one request


async def test_ocr_clip_and_faces_are_split_and_their_answers_merged() -> None:
    engine = EngineDouble()
    merged = {**CLIP_REPLY, **FACES_REPLY}
    async with immich_ml(answer(merged)) as server, gateway(engine, server) as url:
        reply = await predict(url, {**VISUAL, **OCR, **FACES}, image=b"the image")
    assert reply.status == 200
    assert reply.json.keys() == {"ocr", "clip", "facial-recognition", "imageHeight", "imageWidth"}
    assert reply.json["ocr"]["text"] == ["发票 Invoice", "合计"]
    assert reply.json["clip"] == CLIP_REPLY["clip"]
    assert engine.images == [b"the image"]
    (got,) = server.got
    assert json.loads(got.parts["entries"]) == {**VISUAL, **FACES}
    assert got.parts["image"] == b"the image"
    assert got.filenames["image"] == "blob"


async def test_a_large_image_goes_to_both_as_it_is() -> None:
    """Immich's previews may be larger than what an HTTP client sends in one piece."""
    image = bytes(range(256)) * (MIB // 256)
    engine = EngineDouble()
    async with immich_ml(answer(CLIP_REPLY)) as server, gateway(engine, server) as url:
        reply = await predict(url, {**OCR, **VISUAL}, image=image)
    assert reply.status == 200
    assert engine.images == [image]
    assert server.got[0].parts["image"] == image


async def test_a_text_beside_the_image_reaches_immichs_server() -> None:
    async with immich_ml(answer({"clip": VECTOR_TEXT})) as server, gateway(immich=server) as url:
        reply = await predict(url, {**OCR, **TEXTUAL}, image=PHOTO, text="飞机")
    assert reply.json["clip"] == VECTOR_TEXT
    assert server.got[0].parts["text"].decode() == "飞机"


WRONG: list[Any] = [
    pytest.param(answer({"detail": "out of memory"}, 500), id="500"),
    pytest.param(Answer(200, b"not JSON"), id="not JSON"),
    pytest.param(answer(["a list"]), id="a list"),
]


@pytest.mark.parametrize("reply", WRONG)
async def test_immichs_failure_fails_the_whole_request_when_merging(reply: Answer) -> None:
    async with immich_ml(reply) as server, gateway(immich=server) as url:
        answered = await predict(url, {**OCR, **VISUAL}, image=PHOTO)
    assert answered.status == 502
    assert "IMMICH_API" in answered.json["detail"]


async def test_a_failure_of_ocr_fails_the_whole_request_and_ends_the_other_half() -> None:
    async with immich_ml(held=True) as server:
        engine = EngineDouble(BadImageError("That is a letter."), held=True)
        async with gateway(engine, server) as url:
            asked = asyncio.create_task(predict(url, {**OCR, **VISUAL}, image=PHOTO))
            await server.waiting.wait()
            engine.let_go.set()
            reply = await asked
            await server.left.wait()
    assert reply.status == 400
    assert reply.json["detail"] == "That is a letter."


async def test_a_failure_of_immichs_server_ends_the_ocr_that_nobody_will_get() -> None:
    engine = EngineDouble(held=True)
    async with immich_ml(answer({}, 500)) as server, gateway(engine, server) as url:
        assert (await predict(url, {**OCR, **VISUAL}, image=PHOTO)).status == 502
        await engine.cancelled.wait()


async def test_a_caller_who_hangs_up_ends_the_work_everywhere() -> None:
    engine = EngineDouble(held=True)
    async with immich_ml(held=True) as server, gateway(engine, server) as url:
        asked = asyncio.create_task(predict(url, {**OCR, **FACES}, image=PHOTO))
        await server.waiting.wait()
        await engine.began.wait()
        asked.cancel()
        await engine.cancelled.wait()
        await server.left.wait()


async def test_sizes_that_disagree_are_an_error_and_no_guess() -> None:
    other = {"clip": VECTOR_TEXT, "imageHeight": 1, "imageWidth": 1}
    async with immich_ml(answer(other)) as server, gateway(immich=server) as url:
        assert (await predict(url, {**OCR, **VISUAL}, image=PHOTO)).status == 502
