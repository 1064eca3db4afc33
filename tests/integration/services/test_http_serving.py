"""Several apps in one process: each on its port, ended by one signal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from immich_aio.errors import BadInputError
from immich_aio.services.http.serving import Listener, serve
from immich_aio.services.sandbox.embedded.free_port import free_port
from tests.integration.services.live import ask


class App:
    """Says its name, when it is let go; ``up`` is set when it serves."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()
        self.port = free_port()

    async def _answer(self, _request: Request) -> Response:
        self.asked.set()
        await self.let_go.wait()
        return PlainTextResponse(self._name)

    def listener(self, host: str = "127.0.0.1", port: int | None = None) -> Listener:
        app = Starlette(routes=[Route("/", self._answer)])
        setting = f"{self._name.upper()}_PORT"
        return Listener(self._name, app, host, self.port if port is None else port, setting)


def tell_ourselves(number: signal.Signals) -> None:
    """A signal to this process, which must be heard: else it would end the tests themselves."""
    assert callable(signal.getsignal(number))
    signal.raise_signal(number)


async def nobody_listens(port: int) -> None:
    """Knock until nobody opens."""
    with contextlib.suppress(ConnectionRefusedError, ConnectionResetError):
        while True:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


async def test_one_signal_ends_all_after_the_requests_that_run() -> None:
    apps = [App("one"), App("two")]
    serving = asyncio.create_task(serve([app.listener() for app in apps], log_level="info"))
    await asyncio.sleep(0)  # its first step binds the ports; callers then wait to be accepted
    replies = [asyncio.create_task(ask(f"http://127.0.0.1:{app.port}/")) for app in apps]
    for app in apps:
        await app.asked.wait()
    tell_ourselves(signal.SIGTERM)
    for app in apps:
        await nobody_listens(app.port)
        app.let_go.set()
    assert [(await reply).body for reply in replies] == [b"one", b"two"]
    await serving


async def test_the_signals_are_given_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    serving = asyncio.create_task(serve([App("one").listener()], log_level="info"))
    await asyncio.sleep(0)
    assert signal.getsignal(signal.SIGTERM) != before[0]
    tell_ourselves(signal.SIGINT)
    await serving
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


async def test_a_port_that_is_taken_is_named_with_its_setting(taken: int) -> None:
    with pytest.raises(BadInputError, match=f"two cannot listen .*:{taken}.*set TWO_PORT"):
        await serve([App("one").listener(), App("two").listener(port=taken)], log_level="info")


async def test_a_port_given_to_two_apps_is_a_port_that_is_taken() -> None:
    one, two = App("one"), App("two")
    with pytest.raises(BadInputError, match=r"two cannot listen .*set TWO_PORT"):
        await serve([one.listener(), two.listener(port=one.port)], log_level="info")


async def test_a_port_is_free_again_when_serving_was_refused(taken: int) -> None:
    one = App("one")
    with pytest.raises(BadInputError):
        await serve([one.listener(), App("two").listener(port=taken)], log_level="info")
    with socket.create_server(("127.0.0.1", one.port)):
        pass


@pytest.mark.parametrize("host", ["192.0.2.1", "no..name"])
async def test_an_address_that_is_not_ours_is_named_with_its_setting(host: str) -> None:
    with pytest.raises(BadInputError, match=r"one cannot listen .* Check HOST"):
        await serve([App("one").listener(host=host)], log_level="info")
