"""Smart search as it is started: a model from a file or a hub, vectors, and every way to fail."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.clip_samples import TEXTS
from tests.acceptance.product import Service, run, running
from tests.acceptance.test_models import AT_HUGGINGFACE, DATA, HALF, PRELUDE
from tests.clip_golden import IMAGES, TINY, golden, least_cosine
from tests.integration.engines.hub import Offer, a_hub
from tests.integration.services.live import Reply, ask, send_form

SERVED = 0.999
PATIENCE = 60


@pytest.fixture(scope="module")
def clip_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Both services with a model of one's own, imported on the command line."""
    folder = tmp_path_factory.mktemp("clip")
    root = {"CLIP_DOWNLOAD_ROOT": str(folder / "models")}
    done = run(folder, "models", "import", str(TINY), **root)
    assert done.returncode == 0, done.stderr
    settings = {**root, "CLIP_MODEL": "tiny", "MODEL_PRELOAD": "none"}
    with running(folder / "empty", settings) as service:
        yield service
        service.stop()


async def predict(service: Service, entries: object, **fields: bytes | str) -> Reply:
    return await send_form(f"{service.gateway_url}predict", entries=json.dumps(entries), **fields)


def visual(name: str = "ViT-B-32__openai") -> dict[str, object]:
    return {"clip": {"visual": {"modelName": name}}}


def textual(name: str = "ViT-B-32__openai") -> dict[str, object]:
    return {"clip": {"textual": {"modelName": name, "options": {"language": "zh-CN"}}}}


def vectors(replies: list[Reply]) -> NDArray[np.float32]:
    """What the gateway answered, JSON in strings."""
    return np.array([json.loads(reply.json["clip"]) for reply in replies], np.float32)


async def test_immich_gets_the_references_vectors_of_images_and_texts(
    clip_service: Service,
) -> None:
    images = await asyncio.gather(*(predict(clip_service, visual(), image=file) for file in IMAGES))
    texts = await asyncio.gather(*(predict(clip_service, textual(), text=text) for text in TEXTS))
    assert [reply.status for reply in (*images, *texts)] == [200] * (len(IMAGES) + len(TEXTS))
    assert least_cosine(vectors(images), golden("tiny")[0]) >= SERVED
    assert least_cosine(vectors(texts), golden("tiny")[1]) >= SERVED
    assert [(reply.json["imageWidth"], reply.json["imageHeight"]) for reply in images] == [
        (320, 200),
        (300, 230),
        (280, 260),
        (260, 290),
    ]


async def test_mt_photos_gets_the_same_vectors_as_strings(clip_service: Service) -> None:
    image = await send_form(f"{clip_service.url}clip/img", key=clip_service.key, file=IMAGES[0])
    text = await ask(
        f"{clip_service.url}clip/txt",
        "POST",
        headers={"api-key": clip_service.key},
        data=json.dumps({"text": TEXTS[0]}).encode(),
    )
    for reply, expected in zip((image, text), golden("tiny"), strict=True):
        assert all(isinstance(number, str) for number in reply.json["result"])
        vector = np.array([reply.json["result"]], np.float64).astype(np.float32)
        assert least_cosine(vector, expected[:1]) >= SERVED


@pytest.mark.parametrize("entries", [visual("ViT-L-14__openai"), textual("ViT-L-14__openai")])
async def test_a_name_that_does_not_fit_is_refused_with_those_that_do(
    clip_service: Service, entries: object
) -> None:
    reply = await predict(clip_service, entries, image=IMAGES[0], text="发票")
    assert reply.status == 422
    detail = reply.json["detail"]
    assert "ViT-L-14__openai, whose vectors have 768 numbers" in detail
    assert "choose ViT-B-32__openai or ViT-B-16__openai in Immich" in detail


async def test_a_name_that_is_not_ours_needs_immichs_own_server(clip_service: Service) -> None:
    reply = await predict(clip_service, textual("nllb-clip-base-siglip__v1"), text="发票")
    assert reply.status == 503
    assert "IMMICH_API" in reply.json["detail"]


async def test_a_text_file_in_place_of_an_image_is_refused(clip_service: Service) -> None:
    assert (await predict(clip_service, visual(), image=b"no image")).status == 400


async def test_a_text_does_not_wait_behind_a_back_fill(clip_service: Service) -> None:
    images = [
        asyncio.create_task(predict(clip_service, visual(), image=IMAGES[number % 4]))
        for number in range(60)
    ]
    while (await clip_waiting(clip_service)) < 10:
        assert not all(image.done() for image in images), "all was encoded before any waited"
    assert (await predict(clip_service, textual(), text="发票")).status == 200
    assert not all(image.done() for image in images)
    assert [reply.status for reply in await asyncio.gather(*images)] == [200] * 60


async def clip_waiting(service: Service) -> float:
    page = (await ask(f"{service.url}metrics")).body.decode()
    return float(page.split("\nimmich_aio_clip_waiting ")[1].split("\n")[0])


async def test_the_status_says_which_model_it_is(clip_service: Service) -> None:
    await predict(clip_service, textual(), text="发票")
    clip = (await ask(f"{clip_service.url}aio/status")).json["clip"]
    assert (clip["model"], clip["dimension"]) == ("tiny", 512)
    assert clip["state"].startswith("loaded for")
    assert clip["immich_names"] == ["ViT-B-32__openai", "ViT-B-16__openai"]


async def test_idle_models_give_their_memory_back_and_come_again(tmp_path: Path) -> None:
    shutil.copy(TINY, tmp_path)
    settings = {
        "CLIP_DOWNLOAD_ROOT": str(tmp_path),
        "CLIP_MODEL": "tiny",
        "MODEL_TTL": "1",
        "MODEL_PRELOAD": "clip",
    }
    with running(tmp_path / "empty", settings) as service:
        first = await predict(service, visual(), image=IMAGES[0])
        await until_state(service, "ready, loaded on first use")
        assert (await predict(service, visual(), image=IMAGES[0])).json == first.json
        service.stop()
    assert "unloaded after 1 s without work" in service.log()


async def until_state(service: Service, state: str) -> None:
    """Ask until the status says so."""
    end = time.monotonic() + PATIENCE
    while (now := (await ask(f"{service.url}aio/status")).json["clip"]["state"]) != state:
        assert time.monotonic() < end, now
        await asyncio.sleep(0.1)


# ---- A model that is not here


async def test_without_downloads_the_answer_says_where_it_was_looked_for_and_how_to_get_it(
    tmp_path: Path,
) -> None:
    settings = {"CLIP_MODEL": "ViT-B-16", "MODEL_DOWNLOAD": "off", "MODEL_PRELOAD": "none"}
    with running(tmp_path / "empty", settings) as service:
        reply = await predict(service, textual(), text="发票")
        service.stop()
    assert reply.status == 503
    for words in (
        "models/clip/clip_cn_vit-b-16.pt does not exist",
        "MODEL_DOWNLOAD is off",
        "immich-aio models pull ViT-B-16",
        "immich-aio models import clip_cn_vit-b-16.pt",
    ):
        assert words in reply.json["detail"]


async def test_requests_wait_for_a_model_that_is_fetched_in_the_background(tmp_path: Path) -> None:
    settings = {"CLIP_MODEL": "ViT-B-16", "MODEL_PRELOAD": "none", "QUERY_WAIT": "0.2"}
    async with a_hub() as hub:
        hub.offer(AT_HUGGINGFACE, Offer(DATA, sends=HALF, stalls=True))
        settings["HF_ENDPOINT"] = hub.url
        with running(tmp_path / "empty", settings, before=PRELUDE) as service:
            await asyncio.wait_for(hub.stalled.wait(), PATIENCE)
            image = asyncio.create_task(predict(service, visual(), image=IMAGES[0]))
            impatient = await predict(service, textual(), text="发票")
            assert impatient.status == 504
            assert "still being fetched: 2 of 4 MB (50 %)" in impatient.json["detail"]
            assert not image.done()
            hub.go_on.set()
            reply = await asyncio.wait_for(image, PATIENCE)
            service.stop()
    assert least_cosine(vectors([reply]), golden("tiny")[0][:1]) >= SERVED
    assert len(hub.got) == 1


async def test_a_file_that_is_no_checkpoint_is_said_and_may_be_mended(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "own.pt").write_bytes(b"<html>404</html>")
    settings = {
        "CLIP_DOWNLOAD_ROOT": str(models),
        "CLIP_MODEL": "own",
        "MODEL_PRELOAD": "none",
    }
    with running(tmp_path / "empty", settings) as service:
        refused = await predict(service, textual(), text="发票")
        (models / "own.pt").write_bytes(TINY.read_bytes())
        mended = await predict(service, textual(), text="发票")
        service.stop()
    assert refused.status == 503
    assert "own.pt is not a checkpoint as torch.save writes it" in refused.json["detail"]
    assert mended.status == 200


async def test_who_waits_for_a_model_is_told_when_the_product_ends(
    tmp_path: Path,
) -> None:
    settings = {"CLIP_MODEL": "ViT-B-16", "MODEL_PRELOAD": "none"}
    async with a_hub() as hub:
        hub.offer(AT_HUGGINGFACE, Offer(DATA, sends=HALF, stalls=True))
        settings["HF_ENDPOINT"] = hub.url
        with running(tmp_path / "empty", settings, before=PRELUDE) as service:
            await asyncio.wait_for(hub.stalled.wait(), PATIENCE)
            image = asyncio.create_task(predict(service, visual(), image=IMAGES[0]))
            while await clip_waiting(service) < 1:
                assert not image.done()
            service.process.terminate()
            reply = await asyncio.wait_for(image, PATIENCE)
            assert service.process.wait(PATIENCE) == 0
    assert reply.status == 503
    assert "shutting down" in reply.json["detail"]
