"""A reply that is sent at once, to a caller who has gone meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import uvloop

from immich_aio.services.http.protocol import _Corked
from immich_aio.services.sandbox.embedded.free_port import free_port


def test_what_is_written_is_sent_together_and_to_a_closed_connection_not_at_all() -> None:
    complaints: list[dict[str, Any]] = []
    got: list[bytes] = []

    async def exchange() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: complaints.append(context))
        corked: asyncio.Queue[_Corked] = asyncio.Queue()
        gone = asyncio.Event()

        class Side(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                corked.put_nowait(_Corked(transport, loop))  # type: ignore[arg-type]

            def connection_lost(self, _error: Exception | None) -> None:
                gone.set()

        port = free_port()
        server = await loop.create_server(Side, "127.0.0.1", port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        side = await corked.get()
        side.write(b"head ")
        side.write(b"body")
        got.append(await reader.readexactly(9))
        side.abort()
        await gone.wait()
        side.write(b"lost")
        got.append(await reader.read())
        writer.close()
        server.close()

    uvloop.run(exchange())
    assert got == [b"head body", b""]
    assert complaints == []
