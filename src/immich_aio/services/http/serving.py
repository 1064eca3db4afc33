"""Several apps on several ports in one process and one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from immich_aio.errors import BadInputError
from immich_aio.services.http.protocol import protocol_of

BACKLOG = 2048
"""Connections that may wait to be accepted."""

KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept: longer than its other end does, for whoever closes it first
may do so just as the other begins a request.
"""


@dataclass(frozen=True, slots=True)
class Listener:
    """An app and where it listens; port 0 takes a free one.

    ``socket`` is one that listens there already, for whoever must know a free port beforehand.
    """

    name: str
    app: ASGIApp
    host: str
    port: int
    port_setting: str
    socket: socket.socket | None = None


async def _nothing() -> None:
    pass


async def serve(
    listeners: Sequence[Listener],
    *,
    log_level: str,
    when_stopping: Callable[[], Awaitable[None]] = _nothing,
    meanwhile: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Serve all until SIGINT or SIGTERM; requests in flight are finished first.

    With ``meanwhile`` they are served until that is done, and signals are its affair.
    ``when_stopping`` is for ending what they might wait for without need. Raises BadInputError when
    an address cannot be listened on, and whatever ``meanwhile`` raises.
    """
    servers = [_Server(_config(listener, log_level)) for listener in listeners]
    stopping = asyncio.Event()
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(listener.socket or _bound(listener)) for listener in listeners
        ]
        if meanwhile is None:
            stack.enter_context(_stop_on_signals(servers, stopping))
        watch = asyncio.create_task(_after(stopping, when_stopping))
        pairs = zip(servers, sockets, strict=True)
        serving = asyncio.gather(*(server.serve([one]) for server, one in pairs))
        try:
            if meanwhile is not None:
                await meanwhile()
        finally:
            if meanwhile is not None:
                for server in servers:
                    server.should_exit = True
            await serving
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)


async def _after(stopping: asyncio.Event, do: Callable[[], Awaitable[None]]) -> None:
    await stopping.wait()
    await do()


class _Server(uvicorn.Server):
    """A server whose signals are handled by ``serve``, once for all."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(listener: Listener, log_level: str) -> uvicorn.Config:
    return uvicorn.Config(
        listener.app,
        http=protocol_of(listener.app),
        log_level="warning" if log_level == "info" else log_level,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # uvicorn would believe whoever comes from this machine
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=30,
    )


def _bound(listener: Listener) -> socket.socket:
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((listener.host, listener.port))
        bound.listen(BACKLOG)  # only now is the port ours: two may bind one that nobody listens on
    except (OSError, UnicodeError) as error:  # the latter for a host that is no name at all
        bound.close()
        raise BadInputError(_why_not(listener, error)) from None
    return bound


def _why_not(listener: Listener, error: OSError | UnicodeError) -> str:
    remedy, reason = "Check HOST and", str(error)
    if isinstance(error, OSError):
        reason = error.strerror or reason
        if error.errno == errno.EADDRINUSE:
            remedy = "Stop what uses that port, or set"
    return (
        f"The {listener.name} cannot listen on {listener.host}:{listener.port}: "
        f"{reason}. {remedy} {listener.port_setting}."
    )


@contextlib.contextmanager
def _stop_on_signals(servers: Sequence[uvicorn.Server], stopping: asyncio.Event) -> Iterator[None]:
    """On the first signal finish what runs; on the second stop at once."""
    loop = asyncio.get_running_loop()

    def stop(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(stopping.set)
        for server in servers:
            server.force_exit = server.should_exit
            server.should_exit = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
