"""The composition root: from settings to engines, clients and apps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from immich_aio.engines.cores import usable_cores
from immich_aio.engines.model_files.fetcher import ModelFetcher
from immich_aio.engines.model_files.folder import ModelFolder
from immich_aio.engines.protocol import OcrReader
from immich_aio.errors import UnavailableError
from immich_aio.services.gateway.app import create_app as gateway_app
from immich_aio.services.gateway.predict import Backends
from immich_aio.services.http.serving import Listener
from immich_aio.settings import WELL_KNOWN_KEY, Settings
from immich_aio.upstream.immich_ml import ImmichMlClient
from immich_aio.upstream.mt_photos import MtPhotosClient

DEFAULT_MT_PHOTOS_API = "http://localhost:8060"


def ocr_engine(settings: Settings) -> OcrReader:
    """The OCR engine of this process. Raises UnavailableError where nothing can run it."""
    # Imported here, for a gateway alone must start where no inference library is installed.
    try:
        from immich_aio.engines.ocr.engine import OcrEngine, OcrEngineConfig  # noqa: PLC0415
        from immich_aio.engines.ocr.models import model_folder  # noqa: PLC0415
        from immich_aio.engines.runtimes import choose  # noqa: PLC0415
    except ImportError as error:
        raise UnavailableError(
            f"OCR cannot run here ({error}): pip install 'immich-aio[cpu]', or start a gateway "
            "alone with --roles gateway."
        ) from None

    model_folder()
    workers = settings.ocr_workers or usable_cores()
    return OcrEngine(
        OcrEngineConfig(
            choice=choose(settings.ocr_runtime, settings.device, workers),
            queue_size=settings.ocr_queue_size,
            detection_side=settings.ocr_side,
            limits=settings.image_limits,
        )
    )


def model_folder(settings: Settings) -> ModelFolder:
    """The folder of CLIP checkpoints."""
    return ModelFolder(settings.clip_download_root)


def model_fetcher(settings: Settings) -> ModelFetcher:
    """What gives services their CLIP checkpoint, fetching it where MODEL_DOWNLOAD allows."""
    return ModelFetcher(model_folder(settings), settings.sources, allowed=settings.model_download)


class Part(Protocol):
    """An engine or a client of another server."""

    async def close(self) -> None:
        """Give back what it holds."""
        ...


@dataclass(frozen=True, slots=True)
class Product:
    """The apps to serve, and the parts they share, to be closed when the last app has stopped."""

    listeners: tuple[Listener, ...]
    parts: tuple[Part, ...]

    async def close(self) -> None:
        """Close every part."""
        for part in self.parts:
            await part.close()


def product(settings: Settings, roles: frozenset[str]) -> Product:
    """The apps of the chosen roles over shared backends."""
    listeners: list[Listener] = []
    parts: list[Part] = []
    engine = None
    if "ai" in roles:
        engine = ocr_engine(settings)
        parts.append(engine)
        listeners.append(_ai_listener(settings, engine))
    if "gateway" in roles:
        ocr, immich = _ocr_backend(settings, engine), _immich(settings)
        parts += [part for part in (ocr, immich) if part is not None and part is not engine]
        listeners.append(_gateway_listener(settings, Backends(ocr, immich)))
    return Product(tuple(listeners), tuple(parts))


def _ai_listener(settings: Settings, engine: OcrReader) -> Listener:
    from immich_aio.services.ai.app import AiServiceConfig, create_app  # noqa: PLC0415

    key = settings.api_auth_key.get_secret_value()
    config = AiServiceConfig(key, key != WELL_KNOWN_KEY, settings.image_limits.max_bytes)
    app = create_app(config, engine)
    return Listener("AI service", app, settings.host, settings.http_port, "HTTP_PORT")


def _gateway_listener(settings: Settings, backends: Backends) -> Listener:
    app = gateway_app(backends, settings.image_limits.max_bytes)
    return Listener("gateway", app, settings.host, settings.port, "PORT")


def _immich(settings: Settings) -> ImmichMlClient | None:
    if settings.immich_api is None:
        return None
    return ImmichMlClient(settings.immich_api, settings.upstream_timeout)


def _ocr_backend(settings: Settings, engine: OcrReader | None) -> OcrReader | MtPhotosClient:
    remote = settings.remote_ocr
    if engine is not None and remote is None:
        return engine
    url = remote or settings.mt_photos_api or DEFAULT_MT_PHOTOS_API
    key = settings.mt_photos_api_key.get_secret_value()
    return MtPhotosClient(url, key, settings.upstream_timeout)
