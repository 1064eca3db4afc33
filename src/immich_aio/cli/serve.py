"""``immich-aio serve``."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from typing import Annotated

import typer

from immich_aio import __version__
from immich_aio.cli.compose import Product, product
from immich_aio.errors import BadInputError
from immich_aio.services.http import serving
from immich_aio.settings import Settings

log = logging.getLogger("immich_aio")

ROLES = ("gateway", "ai")


def serve(
    roles: Annotated[
        str, typer.Option(help="What to run in this process: 'gateway', 'ai', or both.")
    ] = ",".join(ROLES),
) -> None:
    """Start the gateway (port 8080) and the AI service (port 8060) in one process."""
    chosen = _chosen(roles)
    settings = Settings.load()
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s"
    )
    made = product(settings, chosen)
    _announce(settings, chosen)
    _use_uvloop()
    asyncio.run(_run(made, settings.log_level))


async def _run(made: Product, log_level: str) -> None:
    try:
        await serving.serve(made.listeners, log_level=log_level, when_stopping=made.stop_waiting)
    finally:
        await made.close()


def _chosen(roles: str) -> frozenset[str]:
    chosen = frozenset(role.strip() for role in roles.split(",") if role.strip())
    if not chosen or chosen - set(ROLES):
        raise BadInputError(f"--roles takes {' or '.join(ROLES)}, or both; not '{roles}'.")
    return chosen


def _announce(settings: Settings, roles: frozenset[str]) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    log.info("Immich All-in-One %s", __version__)
    if "gateway" in roles:
        log.info("gateway     http://%s:%d/ (Immich's machine-learning URL)", host, settings.port)
        theirs = [] if settings.clip_model else ["CLIP"]
        theirs += [] if settings.faces_from == "here" else ["faces"]
        if settings.immich_api is None and theirs:
            log.info("IMMICH_API is not set: 503 is the answer to %s", " and ".join(theirs))
        if settings.clip_model is not None:
            log.info("smart search by Chinese-CLIP %s", settings.clip_model)
        if settings.faces_from == "here":
            log.info("faces by InsightFace's %s", settings.recognition_model)
    if "ai" in roles:
        log.info("AI service  http://%s:%d/ (a page to try it)", host, settings.http_port)
        if settings.has_well_known_key and settings.listens_beyond_loopback:
            log.warning(
                "The AI service listens on %s with the key that everyone knows: "
                "anyone on the network can use it. Set API_AUTH_KEY.",
                settings.host,
            )


def _use_uvloop() -> None:
    if importlib.util.find_spec("uvloop") is not None:
        import uvloop  # noqa: PLC0415  # there is none for Windows

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
