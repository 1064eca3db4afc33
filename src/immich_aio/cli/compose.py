"""The composition root: from settings to engines, clients and apps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from immich_aio.cli.companion import companion_of
from immich_aio.cli.companion_neighbours import Neighbours, own_gateway
from immich_aio.cli.gateway import gateway_of
from immich_aio.engines.cores import usable_cores
from immich_aio.engines.model_files.fetcher import ModelFetcher
from immich_aio.engines.model_files.folder import ModelFolder
from immich_aio.engines.model_files.license import License
from immich_aio.engines.model_files.pack_fetcher import PackFetcher
from immich_aio.engines.model_files.pack_folder import PackFolder
from immich_aio.engines.protocol import ClipEncoder, FaceFinder, OcrReader
from immich_aio.errors import UnavailableError
from immich_aio.services.companion.app import create_app as companion_app
from immich_aio.services.gateway.app import create_app as gateway_app
from immich_aio.services.gateway.gateway import Gateway
from immich_aio.services.http.serving import Listener
from immich_aio.settings import WELL_KNOWN_KEY, Settings

if TYPE_CHECKING:  # a gateway alone must start without what it imports
    from immich_aio.services.ai.service import AiServiceConfig, Engines

DEFAULT_CLIP_MODEL = "ViT-B-16"
"""What mt-photos-ai answers with where nothing is set."""


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
            idle_seconds=settings.model_ttl,
        )
    )


def model_folder(settings: Settings) -> ModelFolder:
    """The folder of CLIP checkpoints."""
    return ModelFolder(settings.clip_download_root)


def model_fetcher(settings: Settings) -> ModelFetcher:
    """What gives services their CLIP checkpoint, fetching it where MODEL_DOWNLOAD allows."""
    return ModelFetcher(model_folder(settings), settings.sources, allowed=settings.model_download)


def clip_engine(settings: Settings, fetcher: ModelFetcher, cores: int | None = None) -> ClipEncoder:
    """The CLIP engine of this process, on so many cores, or all; its model need not be here yet.

    Raises UnavailableError where nothing can run it.
    """
    try:
        from immich_aio.engines.clip.choice import clip_choice  # noqa: PLC0415  # as above
        from immich_aio.engines.clip.engine import ClipEngine, ClipEngineConfig  # noqa: PLC0415
        from immich_aio.engines.clip.source import ModelSource  # noqa: PLC0415
    except ImportError as error:
        raise UnavailableError(
            f"CLIP cannot run here ({error}): pip install 'immich-aio[cpu]'."
        ) from None

    choice = clip_choice(
        settings.clip_runtime, settings.device, settings.clip_precision, cores or usable_cores()
    )
    folder = model_folder(settings)
    name = folder.name_of(settings.clip_model or DEFAULT_CLIP_MODEL)
    source = ModelSource(
        name,
        choice.precision,
        folder.places(name).file,
        lambda patience: fetcher.checkpoint(name, patience),
        lambda: fetcher.how_far(name),
    )
    config = ClipEngineConfig(
        choice=choice,
        queue_size=settings.clip_queue_size,
        batch=settings.clip_batch,
        idle_seconds=settings.model_ttl,
        image_patience=settings.model_wait,
        text_patience=settings.query_wait,
        limits=settings.image_limits,
    )
    return ClipEngine(config, source)


def pack_folder(settings: Settings) -> PackFolder:
    """The folder of face packs."""
    return PackFolder(settings.faces_download_root)


def faces_license(settings: Settings) -> License:
    """Whether the licence of the face packs was accepted."""
    return License(settings.faces_download_root, by_setting=settings.accept_faces_license)


def pack_fetcher(settings: Settings) -> PackFetcher:
    """What gives services their face pack, fetching it where MODEL_DOWNLOAD allows."""
    return PackFetcher(
        pack_folder(settings),
        faces_license(settings),
        settings.sources,
        allowed=settings.model_download,
    )


def face_engine(settings: Settings, fetcher: PackFetcher) -> FaceFinder:
    """The face engine of this process; its pack need not be here yet.

    Raises UnavailableError where nothing can run it.
    """
    try:
        from immich_aio.engines.faces.choice import faces_choice  # noqa: PLC0415  # as above
        from immich_aio.engines.faces.engine import FaceEngine, FaceEngineConfig  # noqa: PLC0415
        from immich_aio.engines.faces.source import PackSource  # noqa: PLC0415
    except ImportError as error:
        raise UnavailableError(
            f"Faces cannot be found here ({error}): pip install 'immich-aio[cpu]'."
        ) from None

    choice = faces_choice(
        settings.faces_runtime,
        settings.device,
        settings.faces_precision,
        settings.faces_workers or usable_cores(),
    )
    pack = pack_folder(settings).published(settings.recognition_model)
    assert pack is not None  # noqa: S101  # the settings take no other
    source = PackSource(
        pack.name,
        lambda patience: fetcher.files(pack, patience),
        lambda: fetcher.state(pack),
    )
    config = FaceEngineConfig(
        choice=choice,
        queue_size=settings.faces_queue_size,
        idle_seconds=settings.model_ttl,
        patience=settings.model_wait,
        limits=settings.image_limits,
    )
    return FaceEngine(config, source)


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
    fetchers: tuple[Part, ...] = ()
    gateway: Gateway | None = None

    async def stop_waiting(self) -> None:
        """Have requests answered that wait for a model or a backend, for it will not come now."""
        if self.gateway is not None:
            await self.gateway.stop_waiting()
        for fetcher in self.fetchers:
            await fetcher.close()

    async def close(self) -> None:
        """Close every part."""
        for part in self.parts:
            await part.close()


def product(settings: Settings, roles: frozenset[str]) -> Product:
    """The apps of the chosen roles over shared backends."""
    listeners: list[Listener] = []
    parts: list[Part] = []
    fetchers: list[Part] = []
    engines = gateway = None
    if "ai" in roles:
        models, packs = model_fetcher(settings), pack_fetcher(settings)
        fetchers += [models, packs]
        engines = _engines(settings, models, packs)
        parts += [engines.ocr, engines.clip, engines.faces, *fetchers]
        listeners.append(_ai_listener(settings, engines))
    if "gateway" in roles:
        ours = (engines.ocr, engines.clip, engines.faces) if engines else None
        gateway, clients = gateway_of(settings, ours)
        parts += clients
        app = gateway_app(gateway)
        listeners.append(Listener("gateway", app, settings.host, settings.port, "PORT"))
    if "companion" in roles:
        neighbours = Neighbours(
            engines.clip if engines else None, own_gateway(settings) if gateway else None
        )
        listeners.append(_companion_listener(settings, neighbours))
    return Product(tuple(listeners), tuple(parts), tuple(fetchers), gateway)


def _companion_listener(settings: Settings, neighbours: Neighbours) -> Listener:
    app = companion_app(companion_of(settings, neighbours))
    return Listener("companion", app, settings.host, settings.companion_port, "COMPANION_PORT")


def _engines(settings: Settings, models: ModelFetcher, packs: PackFetcher) -> Engines:
    from immich_aio.services.ai.service import Engines  # noqa: PLC0415

    ocr, clip = ocr_engine(settings), clip_engine(settings, models)
    faces = face_engine(settings, packs)
    at_start = [ocr.warm_up] if "ocr" in settings.preloaded else []
    if "clip" in settings.preloaded:
        at_start.append(clip.warm_up)
    elif settings.clip_model is not None:
        at_start.append(clip.prepare)
    if "faces" in settings.preloaded:
        at_start.append(faces.warm_up)
    elif settings.faces_from == "here":
        at_start.append(faces.prepare)
    return Engines(ocr, clip, faces, tuple(at_start))


def ai_service_config(settings: Settings) -> AiServiceConfig:
    """How the AI service is served."""
    from immich_aio.services.ai.service import AiServiceConfig  # noqa: PLC0415

    key = settings.api_auth_key.get_secret_value()
    return AiServiceConfig(
        key,
        key != WELL_KNOWN_KEY,
        settings.image_limits.max_bytes,
        settings.detection_thresh,
    )


def _ai_listener(settings: Settings, engines: Engines) -> Listener:
    from immich_aio.services.ai.app import create_app  # noqa: PLC0415

    app = create_app(ai_service_config(settings), engines)
    return Listener("AI service", app, settings.host, settings.http_port, "HTTP_PORT")
