"""The gateway's part of the composition: from settings to its table, its backends, and itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from immich_aio.domain.routes import BackendSpec, Order, RoutingTable, Rule
from immich_aio.domain.tasks import TaskKind
from immich_aio.engines.protocol import ClipEncoder, FaceFinder, OcrReader
from immich_aio.errors import BadInputError
from immich_aio.services.gateway.access import Access
from immich_aio.services.gateway.backends import Backend, EngineBackend, ImmichBackend
from immich_aio.services.gateway.dispatch import Patience
from immich_aio.services.gateway.gateway import MIB, Gateway, GatewayConfig
from immich_aio.services.gateway.spool import SpoolLimits
from immich_aio.settings import Settings
from immich_aio.upstream.immich_ml import ImmichMlClient
from immich_aio.upstream.mt_photos import MtPhotosClient
from immich_aio.wire.gateway_config import parse_config

DEFAULT = "http://localhost:8060"
"""The AI service of a gateway that is alone and is told of none."""

TEXTS_AT_ONCE = 256
"""As many as the engine's own lane of texts takes."""

Client = ImmichMlClient | MtPhotosClient

Engines = tuple[OcrReader, ClipEncoder, FaceFinder]
"""Those of this process."""


def routing_table(settings: Settings, *, with_engines: bool) -> RoutingTable:
    """Who does what: as GATEWAY_CONFIG says, or as follows from the other settings.

    Raises BadInputError where the file is missing or wrong.
    """
    if settings.gateway_config is None:
        return _table_of(settings, with_engines=with_engines)
    table = _read_table(settings.gateway_config, settings)
    engines = [backend.name for backend in table.backends if backend.kind == "engine"]
    if engines and not with_engines:
        raise BadInputError(
            f"{settings.gateway_config}: the engines of [backends.{engines[0]}] do not run in this "
            "process: start with the role 'ai' as well, or name a server."
        )
    return table


def backends_of(
    table: RoutingTable, settings: Settings, engines: Engines | None
) -> tuple[dict[str, Backend], list[Client]]:
    """The table's backends by name, and the clients among them, which are to be closed."""
    backends: dict[str, Backend] = {}
    clients: list[Client] = []
    for spec in table.backends:
        if spec.kind == "engine":
            backends[spec.name] = EngineBackend(*(engines or ()))
        else:
            client = _client(spec, settings)
            clients.append(client)
            backends[spec.name] = _over(client)
    return backends, clients


def gateway_of(settings: Settings, engines: Engines | None) -> tuple[Gateway, list[Client]]:
    """The gateway, and the clients of other servers that it uses."""
    table = routing_table(settings, with_engines=engines is not None)
    backends, clients = backends_of(table, settings, engines)
    key = settings.gateway_key.get_secret_value() if settings.gateway_key else ""
    config = GatewayConfig(
        table=table,
        max_upload_bytes=settings.image_limits.max_bytes,
        patience=Patience(settings.job_wait, settings.query_wait, settings.query_timeout),
        places=settings.waiting_room,
        spool=SpoolLimits(
            settings.body_memory_mb * MIB, settings.spill_mb * MIB, settings.spill_folder
        ),
        engine_limits=_limits(settings, engines) if engines else {},
        timeout=settings.upstream_timeout,
        cached_texts=settings.text_cache,
        access=Access(key, settings.networks, settings.proxies),
    )
    return Gateway(config, backends), clients


def _read_table(file: Path, settings: Settings) -> RoutingTable:
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        why = error.strerror or error
        raise BadInputError(f"GATEWAY_CONFIG: {file} cannot be read: {why}.") from None
    except UnicodeDecodeError:
        raise BadInputError(f"GATEWAY_CONFIG: {file} is no text in UTF-8.") from None
    return parse_config(text, file.name, settings.clip_model or "", settings.face_pack)


def _table_of(settings: Settings, *, with_engines: bool) -> RoutingTable:
    """OCR, CLIP under our names, and faces if they are to be found here, are the AI service's;
    everything else is Immich's own.
    """
    ours = _ai_services(settings, with_engines=with_engines)
    immich = [
        BackendSpec(_numbered("IMMICH_API", number), "immich", url)
        for number, url in enumerate(settings.immich_apis)
    ]
    rules = [Rule(_order(ours), "ocr")]
    if settings.clip_model is not None:
        rules.append(Rule(_order(ours), "clip", models=settings.clip_names))
    if settings.face_pack:
        rules.append(Rule(_order(ours), "facial-recognition"))
    if immich:
        rules.append(Rule(_order(immich)))
    return RoutingTable((*ours, *immich), tuple(rules))


def _ai_services(settings: Settings, *, with_engines: bool) -> list[BackendSpec]:
    """MT_PHOTOS_API, in which this process's own address stands for its engines."""
    model, pack = settings.clip_model or "", settings.face_pack
    urls = settings.remote_ais if with_engines else settings.mt_photos_apis or (DEFAULT,)
    here = with_engines and (settings.names_own_ai or not urls)
    servers = [
        BackendSpec(
            _numbered("MT_PHOTOS_API", number), "mt-photos", url, clip_model=model, face_pack=pack
        )
        for number, url in enumerate(urls)
    ]
    engine = BackendSpec("engine", "engine", clip_model=model, face_pack=pack)
    return [*([engine] if here else []), *servers]


def _numbered(name: str, number: int) -> str:
    return f"{name}-{number + 1}" if number else name


def _order(backends: Iterable[BackendSpec]) -> Order:
    return (tuple(backend.name for backend in backends),)


def _client(spec: BackendSpec, settings: Settings) -> Client:
    timeout = spec.timeout or settings.upstream_timeout
    if spec.kind == "immich":
        return ImmichMlClient(spec.url, timeout, name=spec.name)
    key = spec.key or settings.mt_photos_api_key.get_secret_value()
    return MtPhotosClient(spec.url, key, timeout, spec.clip_model, spec.face_pack, name=spec.name)


def _over(client: Client) -> Backend:
    if isinstance(client, ImmichMlClient):
        return ImmichBackend(client)
    return EngineBackend(server=client)


def _limits(settings: Settings, engines: Engines) -> Mapping[TaskKind, int]:
    """What the engines are given at once: enough to be always busy. The rest waits at the gateway,
    where texts come first and large uploads lie on disk.
    """
    ocr, _, faces = engines
    readers, finders = ocr.health().workers, faces.health().workers
    return {
        "ocr": readers + min(readers, settings.ocr_queue_size),
        "clip-image": settings.clip_queue_size,
        "clip-text": TEXTS_AT_ONCE,
        "faces": finders + min(finders, settings.faces_queue_size),
    }
