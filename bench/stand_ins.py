"""Servers in the place of MT-Photos' and of Immich's, in processes of their own, failing on demand.

``python -m bench.stand_ins PORT`` answers both protocols. What it answers follows from the number
at the end of the image or text, so that whoever asked can tell whether the answer is his. ``POST
/fault/NAME`` has it fail from then on in one of the ways of ``FAULTS``; ``/fault/none`` ends that.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

from aiohttp import web

SECONDS = 0.01
"""How long an answer takes."""

DIMENSION = 512
SIZE = (64, 48)
"""Width and height of every image that is sent to it."""

MAX_BYTES = 64 * 1024 * 1024
FAULTS = ("none", "garbage", "half", "short", "msg", "drip", "500", "503", "429")


class StandIn:
    """One server; ``fault`` is how it fails."""

    def __init__(self) -> None:
        self.fault = "none"

    def app(self) -> web.Application:
        """Its routes: both protocols, and the switch."""
        app = web.Application(client_max_size=MAX_BYTES)
        app.router.add_get("/ping", self._ping)
        app.router.add_post("/check", self._check)
        app.router.add_post("/ocr", self._ocr)
        app.router.add_post("/clip/img", self._clip_image)
        app.router.add_post("/clip/txt", self._clip_text)
        app.router.add_post("/represent", self._represent)
        app.router.add_post("/predict", self._predict)
        app.router.add_post("/fault/{name}", self._switch)
        return app

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.Response(text="pong")

    async def _check(self, _request: web.Request) -> web.Response:
        return web.json_response({"result": "pass"})

    async def _switch(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in FAULTS:
            raise web.HTTPNotFound
        self.fault = name
        return web.Response(text=name)

    async def _ocr(self, request: web.Request) -> web.StreamResponse:
        number = number_of(await _file(request, "file"))
        short = self.fault == "short"
        result = {"texts": [text_of(number)] * (2 if short else 1), "scores": ["0.95"]}
        box = {"x": "4.0", "y": "7.0", "width": "100.0", "height": "20.0"}
        return await self._reply(request, {"result": {**result, "boxes": [box]}})

    async def _clip_image(self, request: web.Request) -> web.StreamResponse:
        number = number_of(await _file(request, "file"))
        return await self._reply(request, {"result": self._vector(number)})

    async def _clip_text(self, request: web.Request) -> web.StreamResponse:
        number = number_of((await request.json())["text"].encode())
        return await self._reply(request, {"result": self._vector(number)})

    async def _represent(self, request: web.Request) -> web.StreamResponse:
        number = number_of(await _file(request, "file"))
        face = {
            "facial_area": {"x": 1, "y": 2, "w": 2, "h": 2},
            "embedding": self._vector(number),
            "face_confidence": 0.9,
        }
        return await self._reply(request, {"recognition_model": "buffalo_l", "result": [face]})

    async def _predict(self, request: web.Request) -> web.StreamResponse:
        number = number_of(await _file(request, "image"))
        face = {
            "boundingBox": {"x1": 1, "y1": 2, "x2": 3, "y2": 4},
            "embedding": json.dumps(self._vector(number)),
            "score": 0.9,
        }
        size = {"imageHeight": SIZE[1], "imageWidth": SIZE[0]}
        return await self._reply(request, {"facial-recognition": [face], **size})

    def _vector(self, number: int) -> list[float]:
        return vector_of(number)[: -1 if self.fault == "short" else None]

    async def _reply(self, request: web.Request, good: object) -> web.StreamResponse:
        await asyncio.sleep(SECONDS)
        match self.fault:
            case "garbage":
                return web.Response(body=b"\x00\xff<html>{" * 10_000, content_type="text/html")
            case "msg":
                return web.json_response({"result": [], "msg": "CUDA out of memory"})
            case "500" | "503" | "429" as status:
                return web.Response(status=int(status), text="no")
            case "half" | "drip" as way:
                return await _in_pieces(request, json.dumps(good).encode(), way)
            case _:
                return web.json_response(good)


async def _in_pieces(request: web.Request, body: bytes, way: str) -> web.StreamResponse:
    """A reply of which half comes, or a byte now and then."""
    response = web.StreamResponse(headers={"Content-Length": str(len(body))})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):  # the gateway has gone meanwhile
        if way == "half":
            await response.write(body[: len(body) // 2])
            assert request.transport is not None  # it is being answered
            request.transport.abort()
            return response
        for place in range(len(body)):
            await response.write(body[place : place + 1])
            await asyncio.sleep(0.3)
    return response


async def _file(request: web.Request, name: str) -> bytes:
    data = (await request.post())[name]
    if isinstance(data, web.FileField):
        return data.file.read()
    return data if isinstance(data, bytes) else data.encode()


def number_of(data: bytes) -> int:
    """The number at the end of an image file or a text; that of the gateway's own is 0."""
    digits = data[-8:]
    return int(digits) if digits.isdigit() else 0


def text_of(number: int) -> str:
    """What is read in the image of a number."""
    return f"receipt no. {number}"


def vector_of(number: int) -> list[float]:
    """The vector of the image or text of a number, of length 1."""
    vector, half = [0.0] * DIMENSION, DIMENSION // 2
    vector[number % half], vector[half + number // half % half] = 0.6, 0.8
    return vector


if __name__ == "__main__":
    web.run_app(StandIn().app(), host="127.0.0.1", port=int(sys.argv[1]), print=None)
