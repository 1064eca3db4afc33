"""CLIP at the gateway: which names are ours, and that no vector of a wrong length ever leaves."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator

import numpy as np
import pytest

from immich_aio.errors import (
    AioError,
    BadImageError,
    ModelMissingError,
    OverloadedError,
    TimeoutExceededError,
)
from tests.integration.services.gateways import FACES, OCR, PHOTO, VECTOR_TEXT, predict
from tests.integration.services.gateways import gateway as plain_gateway
from tests.integration.services.live import VECTOR, ClipDouble, EngineDouble, Reply, ask
from tests.integration.upstream.servers import Server, answer, immich_ml

NAMES = ("ViT-B-32__openai", "ViT-L-14__openai", "own")
THEIR_REPLY = {"clip": VECTOR_TEXT, "imageHeight": 100, "imageWidth": 200}


def visual(name: str) -> dict[str, object]:
    return {"clip": {"visual": {"modelName": name}}}


def textual(name: str, **options: str) -> dict[str, object]:
    return {"clip": {"textual": {"modelName": name, "options": options}}}


@contextlib.asynccontextmanager
async def gateway(
    clip: ClipDouble | None,
    immich: Server | None = None,
    *,
    ocr: EngineDouble | None = None,
    names: tuple[str, ...] = NAMES,
) -> AsyncIterator[str]:
    """The gateway over these backends; yields its address."""
    async with plain_gateway(ocr, immich, clip, names=names) as url:
        yield url


def vector_of(reply: Reply) -> list[float]:
    """The vector in a reply, in which it is JSON in a string."""
    assert reply.status == 200
    vector: list[float] = json.loads(reply.json["clip"])
    return vector


async def test_an_image_gets_its_vector_and_its_size() -> None:
    clip = ClipDouble()
    async with gateway(clip) as url:
        reply = await predict(url, visual("ViT-B-32__openai"), image=b"the image")
    np.testing.assert_array_equal(np.array(vector_of(reply), np.float32), VECTOR)
    assert (reply.json["imageHeight"], reply.json["imageWidth"]) == (100, 200)
    assert reply.headers["Server-Timing"].startswith(
        "queue;dur=1.0, decode;dur=2.0, encode;dur=3.0, wait;dur="
    )
    assert clip.images == [b"the image"]


@pytest.mark.parametrize("options", [{}, {"language": "zh-CN"}, {"language": "en-US"}])
async def test_a_text_gets_its_vector_whatever_its_language(options: dict[str, str]) -> None:
    clip = ClipDouble()
    async with gateway(clip) as url:
        reply = await predict(url, textual("ViT-B-32__openai", **options), text="发票 Invoice")
    assert len(vector_of(reply)) == 512
    assert set(reply.json) == {"clip"}
    assert clip.texts == ["发票 Invoice"]


async def test_what_takes_how_long_is_counted_for_images_and_texts() -> None:
    async with gateway(ClipDouble()) as url:
        await predict(url, visual("own"), image=b"image")
        await predict(url, textual("own"), text="text")
        page = (await ask(f"{url}/metrics")).body.decode()
    for kind in ("image", "text"):
        assert f'clip_stage_seconds_count{{kind="{kind}",stage="encode"}} 1.0' in page


@pytest.mark.parametrize("entries", [visual("ViT-L-14__openai"), textual("ViT-L-14__openai")])
async def test_a_name_whose_vectors_have_another_length_is_refused_before_any_work(
    entries: object,
) -> None:
    clip = ClipDouble()
    async with gateway(clip) as url:
        reply = await predict(url, entries, image=b"image", text="text")
    assert reply.status == 422
    for part in ("ViT-L-14__openai", "768", "CLIP_MODEL=ViT-B-16", "ViT-B-32__openai"):
        assert part in reply.json["detail"]
    assert "Administration → Settings → Machine Learning" in reply.json["detail"]
    assert clip.images == clip.texts == []


async def test_where_the_length_is_known_only_afterwards_it_is_still_checked() -> None:
    async with gateway(ClipDouble(VECTOR[:500], dimension=None)) as url:
        reply = await predict(url, visual("ViT-B-32__openai"), image=PHOTO)
    assert reply.status == 502
    assert "makes 500" in reply.json["detail"]


async def test_a_name_of_ones_own_is_answered_whatever_the_length() -> None:
    async with gateway(ClipDouble(VECTOR[:77], dimension=77)) as url:
        assert len(vector_of(await predict(url, textual("own"), text="x"))) == 77


async def test_other_names_go_to_immichs_server_as_they_came() -> None:
    clip = ClipDouble()
    theirs = {**THEIR_REPLY, "clip": json.dumps([0.5] * 768)}
    async with immich_ml(answer(theirs)) as server, gateway(clip, server) as url:
        reply = await predict(url, visual("nllb-clip-base-siglip__v1"), image=b"image")
    assert reply.json == theirs
    assert server.got[0].parts["image"] == b"image"
    assert clip.images == []


async def test_without_a_clip_model_every_name_goes_to_immichs_server() -> None:
    async with immich_ml(answer(THEIR_REPLY)) as server, gateway(None, server) as url:
        assert (await predict(url, visual("ViT-B-32__openai"), image=b"i")).json == THEIR_REPLY


async def test_where_nobody_answers_a_name_the_remedies_are_named() -> None:
    async with gateway(None) as url:
        reply = await predict(url, textual("ViT-B-32__openai"), text="x")
    assert reply.status == 503
    assert "IMMICH_API" in reply.json["detail"]
    assert "CLIP_MODEL" in reply.json["detail"]


async def test_ocr_and_clip_of_one_image_come_in_one_reply() -> None:
    clip, ocr = ClipDouble(), EngineDouble()
    async with gateway(clip, ocr=ocr) as url:
        reply = await predict(url, {**OCR, **visual("ViT-B-32__openai")}, image=b"image")
    assert len(vector_of(reply)) == 512
    assert len(reply.json["ocr"]["text"]) == 2
    assert reply.headers["Server-Timing"].count("queue;dur") == 2
    assert clip.images == ocr.images == [b"image"]


async def test_faces_beside_clip_go_to_immichs_server_alone() -> None:
    faces = {"facial-recognition": [], "imageHeight": 100, "imageWidth": 200}
    clip = ClipDouble()
    async with immich_ml(answer(faces)) as server, gateway(clip, server) as url:
        reply = await predict(url, {**FACES, **visual("ViT-B-32__openai")}, image=b"image")
    assert len(vector_of(reply)) == 512
    assert reply.json["facial-recognition"] == []
    assert set(json.loads(server.got[0].parts["entries"])) == {"facial-recognition"}


@pytest.mark.parametrize(
    ("entries", "fields", "missing"),
    [
        (visual("own"), {}, "'image'"),
        (visual("own"), {"text": "x"}, "'image'"),
        (textual("own"), {}, "'text'"),
        (textual("own"), {"image": b"x"}, "'text'"),
    ],
)
async def test_what_is_missing_is_named(
    entries: object, fields: dict[str, bytes | str], missing: str
) -> None:
    async with gateway(ClipDouble()) as url:
        reply = await predict(url, entries, **fields)
    assert reply.status == 400
    assert missing in reply.json["detail"]


FAILURES = [
    (BadImageError("No."), 400),
    (OverloadedError("No.", retry_after=9), 429),
    (ModelMissingError("No."), 503),
    (TimeoutExceededError("No."), 504),
]


@pytest.mark.parametrize(("error", "status"), FAILURES)
async def test_a_failure_is_never_a_vector(error: AioError, status: int) -> None:
    async with gateway(ClipDouble(error)) as url:
        reply = await predict(url, visual("own"), image=PHOTO)
    assert reply.status == status
    assert reply.json["detail"].endswith("No.")


async def test_one_failure_fails_the_whole_request() -> None:
    async with gateway(ClipDouble(BadImageError("No."))) as url:
        reply = await predict(url, {**OCR, **visual("own")}, image=b"image")
    assert (reply.status, reply.json["detail"]) == (400, "No.")


@pytest.mark.parametrize("number", [np.nan, np.inf])
async def test_a_vector_that_is_not_finite_is_an_error(number: float) -> None:
    broken = np.full(512, number, np.float32)
    async with gateway(ClipDouble(broken)) as url:
        reply = await predict(url, textual("ViT-B-32__openai"), text="x")
    assert reply.status == 500
