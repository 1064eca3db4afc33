"""``immich-aio serve``."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import logging
from collections.abc import Callable
from typing import Annotated

import typer

from immich_aio import __version__
from immich_aio.cli.compose import Product, product
from immich_aio.cli.logs import begin_logging
from immich_aio.domain.routes import RoutingTable
from immich_aio.domain.tasks import ClipTextTask, FacesTask
from immich_aio.engines.memory import keep_freed_memory
from immich_aio.errors import BadInputError
from immich_aio.services.http import serving
from immich_aio.settings import Settings

log = logging.getLogger("immich_aio")

ROLES = ("gateway", "ai", "companion")
DEFAULT = ("gateway", "ai")

CONNECTIONS = 8192
"""Those of callers, those to backends, and files."""


def serve(
    roles: Annotated[
        str,
        typer.Option(
            help="What to run in this process, separated by commas: 'gateway', 'ai', 'companion'."
        ),
    ] = ",".join(DEFAULT),
) -> None:
    """Start the gateway (port 8080) and the AI service (port 8060) in one process."""
    chosen = _chosen(roles)
    settings = Settings.load()
    begin_logging(settings.log_level, settings.log_format)
    made = product(settings, chosen)
    _announce(settings, chosen)
    if made.gateway is not None:
        _announce_routes(made.gateway.config.table)
    _allow_many_connections()
    _settle_in(chosen)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run(made, settings.log_level))


async def _run(made: Product, log_level: str) -> None:
    try:
        await serving.serve(made.listeners, log_level=log_level, when_stopping=made.stop_waiting)
    finally:
        await made.close()


def _chosen(roles: str) -> frozenset[str]:
    chosen = frozenset(role.strip() for role in roles.split(",") if role.strip())
    if not chosen or chosen - set(ROLES):
        raise BadInputError(f"--roles takes {', '.join(ROLES)}, or several of them; not '{roles}'.")
    return chosen


def _announce(settings: Settings, roles: frozenset[str]) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    log.info("Immich All-in-One %s", __version__)
    if "gateway" in roles:
        log.info("gateway     http://%s:%d/ (Immich's machine-learning URL)", host, settings.port)
    if "companion" in roles:
        address = f"http://{host}:{settings.companion_port}/"
        log.info("companion   %s (open this in place of %s)", address, settings.immich_url)
    if "ai" in roles:
        log.info("AI service  http://%s:%d/ (a page to try it)", host, settings.http_port)
        if settings.has_well_known_key and settings.listens_beyond_loopback:
            log.warning(
                "The AI service listens on %s with the key that everyone knows: "
                "anyone on the network can use it. Set API_AUTH_KEY.",
                settings.host,
            )


def _announce_routes(table: RoutingTable) -> None:
    """Who does what, and what nobody does."""
    for rule in table.rules:
        log.info("            %s", rule)
    if not all(table.order_of(task) for task in (ClipTextTask(""), FacesTask(""))):
        log.info("            everything else is answered 503: IMMICH_API is not set")


def _settle_in(roles: frozenset[str]) -> None:
    """Spare every request what the start has left behind: it need never be looked at again."""
    gc.collect()
    gc.freeze()
    if "ai" not in roles:  # engines free what they take in larger pieces, and give it all back
        keep_freed_memory()


def _allow_many_connections() -> None:
    """As many as the system lets us have: many of them start processes with few."""
    if importlib.util.find_spec("resource") is not None:
        import resource  # noqa: PLC0415  # there is none for Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = CONNECTIONS if hard == resource.RLIM_INFINITY else min(CONNECTIONS, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if importlib.util.find_spec("uvloop") is None:  # there is none for Windows
        return None
    import uvloop  # noqa: PLC0415  # as above

    return uvloop.new_event_loop
