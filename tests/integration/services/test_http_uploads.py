"""Uploads over a real connection: limits hold, and a caller who stops half-way harms nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from immich_aio.errors import AioError
from immich_aio.services.http import errors
from immich_aio.services.http.uploads import OVERHEAD, Upload
from tests.integration.services.live import (
    Caller,
    ask,
    calling,
    live,
    multipart,
    send_form,
    unfinished_file,
)

MIB = 1024 * 1024


class Sink:
    """An app that reads forms, and tells how each reading ended."""

    def __init__(self) -> None:
        self.first_field: asyncio.Queue[bytes] = asyncio.Queue()
        self.ends: asyncio.Queue[str] = asyncio.Queue()
        self.app = Starlette(routes=[Route("/", self._read, methods=["POST"])])
        errors.install(self.app)

    async def _read(self, request: Request) -> Response:
        try:
            upload = Upload(request, MIB)
            await upload.read_until(lambda: any(one.complete for one in upload.parts.values()))
            self.first_field.put_nowait(bytes(next(iter(upload.parts.values())).data))
            parts = await upload.read_all()
        except AioError as error:
            self.ends.put_nowait(error.kind)
            raise
        self.ends.put_nowait("read")
        return JSONResponse({name: len(part.data) for name, part in parts.items()})


@pytest.fixture
async def sink() -> AsyncIterator[tuple[Sink, str]]:
    made = Sink()
    async with live(made.app) as url:
        yield made, url + "/"


async def test_a_form_is_read_over_a_real_connection(sink: tuple[Sink, str]) -> None:
    reply = await send_form(sink[1], entries="abc", image=bytes(300_000))
    assert (reply.status, reply.json) == (200, {"entries": 3, "image": 300_000})


async def test_an_upload_that_declares_too_much_is_refused_before_its_body(
    sink: tuple[Sink, str],
) -> None:
    async with calling(sink[1]) as caller:
        await caller.begin("/", MIB + OVERHEAD + 1)
        reply = await caller.reply()
    assert reply.status == 413
    assert "MAX_UPLOAD_MB" in reply.json["detail"]


async def test_an_upload_that_declares_nothing_is_refused_while_it_still_arrives(
    sink: tuple[Sink, str],
) -> None:
    """The caller never comes to an end, and is answered all the same."""

    async def send_for_ever(caller: Caller) -> None:
        await caller.say_chunk(unfinished_file())
        while True:
            await caller.say_chunk(bytes(65_536))

    async with calling(sink[1]) as caller:
        await caller.begin("/", None)
        sending = asyncio.create_task(send_for_ever(caller))
        reply = await caller.reply()
        sending.cancel()
        await asyncio.wait({sending})
    assert reply.status == 413


async def test_a_field_is_read_before_the_file_behind_it_has_been_sent(
    sink: tuple[Sink, str],
) -> None:
    body = multipart(entries="the entries", image=b"the image")
    begin = body.index(b"the image")
    async with calling(sink[1]) as caller:
        await caller.begin("/", len(body))
        await caller.say(body[:begin])
        assert await sink[0].first_field.get() == b"the entries"
        await caller.say(body[begin:])
        assert (await caller.reply()).status == 200


async def test_a_caller_who_hangs_up_in_the_middle_ends_the_reading(sink: tuple[Sink, str]) -> None:
    body = multipart(entries="abc", image=bytes(1000))
    async with calling(sink[1]) as caller:
        await caller.begin("/", len(body))
        await caller.say(body[:-500])
        await sink[0].first_field.get()
    assert await sink[0].ends.get() == "cancelled"
    assert (await send_form(sink[1], entries="next")).status == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "multipart/form-data", f"multipart/form-data; boundary={'x' * 300}"]
)
async def test_a_form_without_a_good_boundary_is_answered_400(
    sink: tuple[Sink, str], kind: str
) -> None:
    reply = await ask(sink[1], "POST", headers={"Content-Type": kind}, data=multipart(a="b"))
    assert reply.status == 400


async def test_a_form_of_33_fields_is_answered_400(sink: tuple[Sink, str]) -> None:
    reply = await send_form(sink[1], **{f"field{number}": "x" for number in range(33)})
    assert reply.status == 400
    assert "32 fields" in reply.json["detail"]
