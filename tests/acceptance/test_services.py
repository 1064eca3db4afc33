"""Both services as they are started, with real OCR: what Immich and MT-Photos get from them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import psutil
import pytest

from tests.acceptance.product import RECEIPT, SAMPLES, Service, running
from tests.integration.services.live import (
    Reply,
    ask,
    calling,
    multipart,
    send_form,
    unfinished_file,
)
from tests.integration.upstream.servers import SIZE, answer, immich_ml

TOTAL = "合计"
OCR = {
    "ocr": {
        "detection": {
            "modelName": "PP-OCRv5_mobile",
            "options": {"minScore": 0.5, "maxResolution": 736},
        },
        "recognition": {"modelName": "PP-OCRv5_mobile", "options": {"minScore": 0.8}},
    }
}
CLIP = {"clip": {"visual": {"modelName": "ViT-B-32__openai"}}}
MIB = 1024 * 1024
Requests = list[asyncio.Task[Reply]]


async def predict(service: Service, entries: object = OCR, image: bytes | None = None) -> Reply:
    """What Immich is answered."""
    image = RECEIPT.read_bytes() if image is None else image
    return await send_form(
        f"{service.gateway_url}predict", entries=json.dumps(entries), image=image
    )


async def read(service: Service, path: str = "ocr", image: bytes | None = None) -> Reply:
    """What the AI service reads in an image."""
    image = RECEIPT.read_bytes() if image is None else image
    return await send_form(service.url + path, key=service.key, file=image)


async def work_waits(service: Service, requests: Requests, images: int = 1) -> None:
    """Ask until so many images wait while others are being read."""
    while (await ask(f"{service.url}aio/status")).json["waiting"] < images:
        assert not all(request.done() for request in requests), "all was read before any waited"


# ---- Reading


async def test_immich_gets_the_text_of_the_receipt_with_boxes_in_fractions(
    ai_service: Service,
) -> None:
    reply = await predict(ai_service)
    assert reply.status == 200
    ocr = reply.json["ocr"]
    assert any(TOTAL in text for text in ocr["text"])
    assert len(ocr["box"]) == 8 * len(ocr["text"])
    assert all(0 <= number <= 1 for number in ocr["box"])
    assert all(score >= 0.5 for score in ocr["boxScore"])
    assert all(score >= 0.8 for score in ocr["textScore"])
    assert (reply.json["imageWidth"], reply.json["imageHeight"]) == SIZE


async def test_mt_photos_gets_the_same_text_with_numbers_as_strings(ai_service: Service) -> None:
    reply = await read(ai_service)
    assert reply.status == 200
    result = reply.json["result"]
    assert set((await predict(ai_service)).json["ocr"]["text"]) <= set(result["texts"])
    assert len(result["texts"]) == len(result["scores"]) == len(result["boxes"])
    for score, box in zip(result["scores"], result["boxes"], strict=True):
        assert 0.5 <= float(score) <= 1
        assert all(isinstance(value, str) for value in (score, *box.values()))
        assert 0 <= float(box["x"]) <= float(box["x"]) + float(box["width"]) <= SIZE[0]
        assert 0 <= float(box["y"]) <= float(box["y"]) + float(box["height"]) <= SIZE[1]


async def test_a_text_file_is_an_error_everywhere(ai_service: Service) -> None:
    letter = b"Dear all, this is no photo."
    assert (await predict(ai_service, image=letter)).status == 400
    assert (await read(ai_service, "ocr/lines", letter)).status == 400
    reply = await read(ai_service, "ocr", letter)
    assert (reply.status, reply.json["result"]) == (200, [])
    assert reply.json["msg"] == (await predict(ai_service, image=letter)).json["detail"]


async def test_an_endless_upload_costs_no_memory_to_speak_of(ai_service: Service) -> None:
    """The limit is 64 MiB; four times as much is offered without saying so."""
    await read(ai_service)
    product = psutil.Process(ai_service.process.pid)
    before = product.memory_info().rss
    highest = before

    async def offer() -> None:
        nonlocal highest
        await caller.say_chunk(unfinished_file())
        for _ in range(256):
            await caller.say_chunk(bytes(MIB))
            highest = max(highest, product.memory_info().rss)

    async with calling(ai_service.url) as caller:
        await caller.begin("/ocr/lines", None, api_key=ai_service.key)
        offering = asyncio.create_task(offer())
        reply = await caller.reply()
        await offering
    assert reply.status == 413
    assert highest - before < 128 * MIB


# ---- Under load


async def test_ping_is_answered_while_eight_images_are_being_read(ai_service: Service) -> None:
    reading = [asyncio.create_task(read(ai_service)) for _ in range(8)]
    await work_waits(ai_service, reading)
    assert (await ask(f"{ai_service.url}ping")).body == b"pong"
    assert (await ask(f"{ai_service.gateway_url}ping")).body == b"pong"
    assert not all(task.done() for task in reading)
    assert {(await task).status for task in reading} == {200}


@pytest.mark.parametrize("path", ["restart", "restart_v2"])
async def test_a_restart_in_the_middle_loses_no_request(ai_service: Service, path: str) -> None:
    wanted = (await read(ai_service)).json
    reading = [asyncio.create_task(read(ai_service)) for _ in range(4)]
    await work_waits(ai_service, reading)
    key = {"api-key": ai_service.key}
    reply = await ask(f"{ai_service.url}{path}", "POST", headers=key)
    assert reply.json == {"result": "pass"}
    assert [(await task).json for task in reading] == [wanted] * 4


async def test_a_full_queue_refuses_at_once_and_at_the_gateway_all_wait_and_are_read(
    tmp_path: Path,
) -> None:
    """Immich never asks again, so it is not refused where others are."""
    settings = {"OCR_QUEUE_SIZE": "1", "OCR_WORKERS": "1"}
    with running(tmp_path / "small", settings) as service:
        refused = await asyncio.gather(*(read(service, "ocr/lines") for _ in range(8)))
        waited = await asyncio.gather(*(predict(service) for _ in range(8)))
        service.stop()
    assert {reply.status for reply in refused} == {200, 429}
    assert all(int(r.headers["Retry-After"]) >= 1 for r in refused if r.status == 429)
    assert {reply.status for reply in waited} == {200}


async def test_sigterm_lets_every_request_be_answered_that_had_begun(tmp_path: Path) -> None:
    """Also those that wait at the gateway until the engine can take them."""
    with running(tmp_path / "ending", {"OCR_WORKERS": "1"}) as service:
        await read(service)
        reading = [asyncio.create_task(predict(service)) for _ in range(5)]
        while (await ask(f"{service.gateway_url}status")).json["waiting"]["requests"] != {"ocr": 3}:
            assert not all(request.done() for request in reading), "all was read before any waited"
        await asyncio.to_thread(service.stop)
        replies = [await task for task in reading]
    assert [reply.status for reply in replies] == [200] * 5
    assert all(any(TOTAL in text for text in reply.json["ocr"]["text"]) for reply in replies)


async def test_a_caller_who_hangs_up_in_the_middle_harms_nobody(ai_service: Service) -> None:
    body = multipart(entries=json.dumps(OCR), image=RECEIPT.read_bytes())
    async with calling(ai_service.gateway_url) as caller:
        await caller.begin("/predict", len(body))
        await caller.say(body[: len(body) // 2])
    async with calling(ai_service.gateway_url) as caller:
        await caller.begin("/predict", len(body))
        await caller.say(body)
    assert (await predict(ai_service)).status == 200


# ---- With other servers


async def test_ocr_is_read_here_and_clip_comes_from_immichs_server(tmp_path: Path) -> None:
    vector = json.dumps([0.5] * 512)
    clip = {"clip": vector, "imageWidth": SIZE[0], "imageHeight": SIZE[1]}
    async with immich_ml(answer(clip)) as server:
        with running(tmp_path / "both", {"IMMICH_API": server.url}) as service:
            merged = await predict(service, {**OCR, **CLIP})
            relayed = await predict(service, CLIP)
            service.stop()
    assert any(TOTAL in text for text in merged.json["ocr"]["text"])
    assert merged.json["clip"] == vector
    assert relayed.body == server.reply.body


async def test_without_immichs_server_clip_is_a_503_that_names_the_setting(
    ai_service: Service,
) -> None:
    reply = await predict(ai_service, CLIP)
    assert reply.status == 503
    assert "IMMICH_API" in reply.json["detail"]


BLOCKED = """
import runpy, sys

class Blocked:
    names = {"cv2", "onnx", "onnxruntime", "openvino", "rapidocr", "ray", "yaml"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
sys.argv = ["immich-aio", *sys.argv[3:]]  # after "-m" and its module, which come from our helper
runpy.run_module("immich_aio", run_name="__main__")
"""


async def test_a_gateway_alone_needs_no_inference_library_and_reads_elsewhere(
    ai_service: Service, tmp_path: Path
) -> None:
    settings = {"MT_PHOTOS_API": ai_service.url, "MT_PHOTOS_API_KEY": ai_service.key}
    blocked = ("-c", BLOCKED)
    with running(tmp_path / "alone", settings, before=blocked, roles="gateway") as service:
        replies = [await predict(service, image=path.read_bytes()) for path in samples()]
        refused = await predict(service, image=b"no image")
        service.stop()
    assert any(TOTAL in text for text in replies[0].json["ocr"]["text"])
    assert [reply.status for reply in replies] == [200] * len(replies)
    assert refused.status == 400


def samples() -> list[Path]:
    return [RECEIPT, SAMPLES / "rotated.jpg"]
