"""Gateways on real sockets: over doubles of the engines, over servers, or over both."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from immich_aio.domain.routes import BackendSpec, RoutingTable, Rule
from immich_aio.engines.protocol import ClipBackend, FacesBackend, OcrBackend
from immich_aio.services.gateway.app import create_app
from immich_aio.services.gateway.backends import Backend, EngineBackend, ImmichBackend
from immich_aio.services.gateway.dispatch import Patience
from immich_aio.services.gateway.gateway import Gateway, GatewayConfig
from immich_aio.upstream.immich_ml import ImmichMlClient
from immich_aio.upstream.mt_photos import MtPhotosClient
from tests.integration.services.live import EngineDouble, Reply, live, send_form
from tests.integration.upstream.servers import Server

MIB = 1024 * 1024
MODEL = {"modelName": "ViT-B-32__openai"}
VISUAL = {"clip": {"visual": MODEL}}
TEXTUAL = {"clip": {"textual": {**MODEL, "options": {"language": "zh-CN"}}}}
FACES = {
    "facial-recognition": {
        "detection": {"modelName": "buffalo_l", "options": {"minScore": 0.7}},
        "recognition": {"modelName": "buffalo_l"},
    }
}
OCR = {
    "ocr": {
        "detection": {"modelName": "PP-OCRv5_mobile", "options": {"minScore": 0.5}},
        "recognition": {"modelName": "PP-OCRv5_mobile", "options": {"minScore": 0.8}},
    }
}
LEGACY_OCR = {"ocr": {"recognition": {"modelName": "ocr"}}}
VECTOR_TEXT = json.dumps([0.5] * 512)
"""A vector as Immich gets it, of the length that it expects from ViT-B-32__openai."""
SIZE = {"imageHeight": 100, "imageWidth": 200}
CLIP_REPLY = {"clip": VECTOR_TEXT, **SIZE}
FACES_REPLY: dict[str, object] = {"facial-recognition": [], **SIZE}


def photo(color: str = "teal") -> bytes:
    """A small JPEG: what is no image is refused before it is tried a second time."""
    file = io.BytesIO()
    Image.new("RGB", (200, 100), color).save(file, "JPEG")
    return file.getvalue()


PHOTO = photo()

AT_ONCE = Patience(image=0, text=0, text_attempt=30)
"""Nothing waits: a failure is the answer."""

PATIENT = Patience(image=60, text=60, text_attempt=30)


@dataclass(frozen=True)
class Running:
    """A gateway that answers at ``url``, and its insides."""

    url: str
    gateway: Gateway

    async def predict(self, entries: object, **fields: bytes | str) -> Reply:
        """What it answers to a request as Immich sends it."""
        return await predict(self.url, entries, **fields)


async def predict(url: str, entries: object, **fields: bytes | str) -> Reply:
    """What a gateway answers to a request as Immich sends it."""
    sent = entries if isinstance(entries, str) else json.dumps(entries)
    return await send_form(f"{url}/predict", entries=sent, **fields)


@contextlib.asynccontextmanager
async def running(
    specs: Sequence[BackendSpec],
    rules: Sequence[Rule],
    *,
    engines: Mapping[str, Backend] | None = None,
    **config: Any,  # noqa: ANN401  # fields of GatewayConfig
) -> AsyncIterator[Running]:
    """A gateway of this table; ``engines`` are the backends that are no servers."""
    made = GatewayConfig(RoutingTable(tuple(specs), tuple(rules)), patience=PATIENT)
    chosen = replace(made, **config)
    backends: dict[str, Backend] = dict(engines or {})
    async with contextlib.AsyncExitStack() as stack:
        for spec in specs:
            if spec.kind == "immich":
                client = ImmichMlClient(spec.url, spec.timeout or chosen.timeout, name=spec.name)
                backends[spec.name] = ImmichBackend(client)
                stack.push_async_callback(client.close)
            elif spec.kind == "mt-photos":
                other = MtPhotosClient(
                    spec.url,
                    spec.key,
                    spec.timeout or chosen.timeout,
                    spec.clip_model,
                    spec.face_pack,
                    name=spec.name,
                )
                backends[spec.name] = EngineBackend(server=other)
                stack.push_async_callback(other.close)
        gateway = Gateway(chosen, backends)
        url = await stack.enter_async_context(live(create_app(gateway)))
        yield Running(url, gateway)


@contextlib.asynccontextmanager
async def gateway(
    ocr: OcrBackend | None = None,
    immich: Server | str | None = None,
    clip: ClipBackend | None = None,
    *,
    faces: FacesBackend | None = None,
    names: tuple[str, ...] = ("*",),
    **config: Any,  # noqa: ANN401  # fields of GatewayConfig
) -> AsyncIterator[str]:
    """The gateway as it is without any configuration; yields its address.

    OCR is the engine's, and so are CLIP under ``names`` and faces where there are doubles of them;
    all else is the server's.
    """
    model, pack = "" if clip is None else "ViT-B-16", "" if faces is None else faces.pack
    specs = [BackendSpec("engine", "engine", clip_model=model, face_pack=pack)]
    rules = [Rule((("engine",),), "ocr")]
    if clip is not None:
        rules.append(Rule((("engine",),), "clip", models=names))
    if faces is not None:
        rules.append(Rule((("engine",),), "facial-recognition"))
    if immich is not None:
        url = immich.url if isinstance(immich, Server) else immich
        specs.append(BackendSpec("IMMICH_API", "immich", url))
        rules.append(Rule((("IMMICH_API",),)))
    engines = {"engine": EngineBackend(ocr or EngineDouble(), clip, faces)}
    config = {"patience": AT_ONCE, "timeout": 30, "max_upload_bytes": MIB, **config}
    async with running(specs, rules, engines=engines, **config) as made:
        yield made.url


@contextlib.asynccontextmanager
async def gateway_to(url: str, key: str, *, patience: Patience = AT_ONCE) -> AsyncIterator[str]:
    """The gateway as ``--roles gateway`` starts it, over one MT-Photos server."""
    models = {"clip_model": "ViT-B-16", "face_pack": "buffalo_l"}
    spec = BackendSpec("MT_PHOTOS_API", "mt-photos", url, key=key, **models)
    rules = [Rule(((spec.name,),), task) for task in ("ocr", "clip", "facial-recognition")]
    async with running([spec], rules, patience=patience) as it:
        yield it.url
