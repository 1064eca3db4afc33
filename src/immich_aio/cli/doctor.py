"""``immich-aio doctor``."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable

import typer
from rich.console import Console
from rich.markup import escape

from immich_aio import __version__
from immich_aio.cli.compose import faces_license, model_folder, pack_folder
from immich_aio.cli.gateway import backends_of, routing_table
from immich_aio.cli.models.checkpoints import dimension_of
from immich_aio.domain.clip_models import immich_dimension
from immich_aio.domain.routes import BackendSpec
from immich_aio.domain.tasks import FacesTask
from immich_aio.engines.clip.converted import conversions
from immich_aio.engines.cores import cpu_flags, cpu_name, usable_cores
from immich_aio.errors import AioError
from immich_aio.services.gateway.backends import Backend
from immich_aio.settings import Settings
from immich_aio.upstream.http import without_password

BF16_UNITS = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512 BF16", "avx512_vnni": "AVX-512 VNNI"}
PROBE_SECONDS = 5.0

Finding = tuple[str, str, str]
"""A mark (ok, warn, bad), what was looked at, and what was found."""


def doctor() -> None:
    """Show what is configured, which engine runs and why, and what is missing."""
    settings = Settings.load()
    findings = [
        *_machine(),
        *_ocr(settings),
        *_clip(settings),
        *_faces(settings),
        *_doors(settings),
        *asyncio.run(_backends(settings)),
    ]
    _show(findings)
    if any(mark == "bad" for mark, _, _ in findings):
        raise typer.Exit(1)


def _machine() -> list[Finding]:
    units = [name for flag, name in BF16_UNITS.items() if flag in cpu_flags()]
    found = ", ".join(units) or "none of AMX, AVX-512 BF16, AVX-512 VNNI"
    return [
        ("ok", "version", f"immich-aio {__version__}, Python {platform.python_version()}"),
        ("ok", "CPU", f"{cpu_name()}, {usable_cores()} usable cores, {found}"),
    ]


def _ocr(settings: Settings) -> list[Finding]:
    def choice() -> str:
        from immich_aio.engines.runtimes import choose  # noqa: PLC0415  # absent in a gateway

        workers = settings.ocr_workers or usable_cores()
        found = choose(settings.ocr_runtime, settings.device, workers)
        return f"{found.description}, {found.workers} workers: {found.reason}"

    def models() -> str:
        from immich_aio.engines.ocr.models import model_folder  # noqa: PLC0415  # as above

        return f"PP-OCRv6 small in {model_folder()}"

    mark = _mark_of_engines(settings)
    return [_checked("OCR engine", choice, mark), _checked("OCR models", models, mark)]


def _mark_of_engines(settings: Settings) -> str:
    """A gateway that has everything done elsewhere lacks nothing where there is no engine."""
    try:
        backends = routing_table(settings, with_engines=True).backends
    except AioError:  # which is found on its own
        return "bad"
    return "bad" if any(backend.kind == "engine" for backend in backends) else "warn"


def _clip(settings: Settings) -> list[Finding]:
    if settings.clip_model is None:
        told = "not set: Immich's CLIP goes to IMMICH_API, MT-Photos' gets ViT-B-16"
        return [("ok", "CLIP_MODEL", told)]

    def choice() -> str:
        from immich_aio.engines.clip.choice import clip_choice  # noqa: PLC0415  # as above

        found = clip_choice(
            settings.clip_runtime, settings.device, settings.clip_precision, usable_cores()
        )
        return f"{found.description}, {found.threads} threads: {found.reason}"

    mark = _mark_of_engines(settings)
    return [_checked("CLIP engine", choice, mark), *_clip_model(settings, mark)]


def _clip_model(settings: Settings, otherwise: str) -> list[Finding]:
    """Which model it is, whether it is here, and under which of Immich's names it answers."""
    state = model_folder(settings).state(settings.clip_model or "")
    dimension = dimension_of(state)
    found = f"{state.name}, vectors of {dimension or 'unknown'} numbers, {state.path}"
    mark = "ok"
    if state.size is None and not conversions(state.path):
        mark, remedy = otherwise, f"run 'immich-aio models pull {state.name}'"
        if state.official is None:
            remedy = f"run 'immich-aio models import FILE --as {state.name}'"
        elif settings.model_download:
            mark, remedy = "warn", f"fetched when the service starts, or {remedy}"
        found = f"{found}: {state.status}; {remedy}"
    return [(mark, "CLIP_MODEL", found), _immich_names(settings, dimension)]


def _immich_names(settings: Settings, dimension: int | None) -> Finding:
    fitting = [
        name
        for name in settings.clip_names
        if dimension is None or immich_dimension(name) in (None, dimension)
    ]
    told = ", ".join(fitting) or "none of CLIP_IMMICH_MODELS has vectors of that length"
    mark = "ok" if fitting else "bad"
    return (mark, "in Immich", f"choose as CLIP model: {told}")


def _faces(settings: Settings) -> list[Finding]:
    """Who finds faces for Immich, and the pack, its licence and its engine."""
    here = settings.faces_from == "here"
    told = "Immich's faces are found here" if here else "Immich's faces go to IMMICH_API"
    told += "; choose the same model in Immich" if here else "; MT-Photos' are found here"

    def choice() -> str:
        from immich_aio.engines.faces.choice import faces_choice  # noqa: PLC0415  # as above

        workers = settings.faces_workers or usable_cores()
        found = faces_choice(
            settings.faces_runtime, settings.device, settings.faces_precision, workers
        )
        return f"{found.description}, {found.workers} workers: {found.reason}"

    mark = _mark_of_engines(settings) if here else "warn"
    return [
        ("ok", "FACES_FROM", f"{settings.faces_from}: {told}"),
        _checked("face engine", choice, mark),
        *_face_pack(settings, mark if here else "ok"),
    ]


def _face_pack(settings: Settings, otherwise: str) -> list[Finding]:
    """Whether the pack is here, and whether it may be used."""
    folder, licence = pack_folder(settings), faces_license(settings)
    pack = folder.published(settings.recognition_model)
    assert pack is not None  # noqa: S101  # the settings take no other
    state, accepted = folder.state(pack), licence.accepted
    mark, found = "ok", f"{pack.name}, {state.path}: {state.status}"
    if state.files is None:
        mark, remedy = otherwise, f"run 'immich-aio models pull {pack.name}'"
        if settings.model_download and accepted:
            mark = "warn" if otherwise != "ok" else "ok"
            remedy = f"fetched when it is needed, or {remedy}"
        found = f"{found}; {remedy}"
    remedy = "" if accepted else "; 'immich-aio models pull NAME --accept-license' accepts it"
    told = f"{licence.accepted_how}, non-commercial research only{remedy}"
    return [
        (mark, "face pack", found),
        ("ok" if accepted else otherwise, "face licence", told),
    ]


def _checked(name: str, look: Callable[[], str], otherwise: str) -> Finding:
    try:
        return ("ok", name, look())
    except AioError as error:
        return (otherwise, name, error.message)
    except ImportError as error:
        return (otherwise, name, f"{error.name} is not installed: pip install 'immich-aio[cpu]'")


def _doors(settings: Settings) -> list[Finding]:
    exposed = settings.listens_beyond_loopback
    reach = "reached from other machines" if exposed else "reached from this machine only"
    ports = (
        f"gateway {settings.host}:{settings.port}, AI service {settings.host}:{settings.http_port}"
    )
    key: Finding = ("ok", "API_AUTH_KEY", "a key of your own")
    if settings.has_well_known_key:
        mark = "warn" if exposed else "ok"
        key = (mark, "API_AUTH_KEY", "the default key, which everyone knows")
    return [("ok", "addresses", f"{ports}; {reach}"), key, _gateways_door(settings)]


def _gateways_door(settings: Settings) -> Finding:
    if settings.gateway_key is not None:
        return ("ok", "GATEWAY_KEY", "whoever uses the gateway must send it")
    if settings.allowed_networks is not None:
        return ("ok", "ALLOWED_NETWORKS", f"the gateway is open to {settings.allowed_networks}")
    return ("ok", "GATEWAY_KEY", "not set: whoever reaches the gateway may use it")


async def _backends(settings: Settings) -> list[Finding]:
    """Which backend does what at the gateway, and whether each of them answers."""
    try:
        table = routing_table(settings, with_engines=True)
    except AioError as error:
        return [("bad", "GATEWAY_CONFIG", error.message)]
    backends, clients = backends_of(table, settings, None)
    routes: list[Finding] = [("ok", "route", str(rule)) for rule in table.rules]
    if not table.order_of(FacesTask("")):
        without = "none for faces, which get 503: set IMMICH_API or FACES_FROM=here, or add a route"
        routes.append(("warn", "route", without))
    try:
        probes = [_probe(spec, backends[spec.name]) for spec in table.backends]
        return [*routes, *await asyncio.gather(*probes)]
    finally:
        for client in clients:
            await client.close()


async def _probe(spec: BackendSpec, backend: Backend) -> Finding:
    if spec.kind == "engine":
        return ("ok", spec.name, "runs in this process")
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await backend.ping()
    except AioError as error:
        return ("bad", spec.name, error.message)
    except TimeoutError:
        return ("bad", spec.name, f"{without_password(spec.url)} does not answer")
    return ("ok", spec.name, f"{without_password(spec.url)} answers")


def _show(findings: list[Finding]) -> None:
    marks = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "bad": "[red]✗[/]"}
    console = Console(highlight=False, soft_wrap=True)
    for mark, name, found in findings:
        console.print(f"{marks[mark]} [bold]{name:<14}[/] {escape(found)}")
