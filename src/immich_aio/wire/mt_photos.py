"""The MT-Photos AI protocol, as a server and as a client of one.

As a server: ``…_reply`` and ``failure`` give the bodies. As a client: ``parse_…`` read them.

Failures have status 200 and the body ``{"result": [], "msg": …}``; a parser never takes one for an
empty result. Servers in the wild send numbers as strings or as numbers: both are read, and where
the protocol asks for strings they are sent with full precision. A box is an upright rectangle in
pixels, and a line has one score, which stands for both of ours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from immich_aio.domain.geometry import Rect
from immich_aio.domain.results import Embedding, Face, FacesResult, OcrResult, TextLine
from immich_aio.errors import BadInputError, InternalError, UpstreamError
from immich_aio.wire.json_reader import is_utf8, read_json, shown

FAILURE_HEADER = "X-Immich-AIO-Failure"
"""Says the kind of a failure in our own replies, which otherwise all look alike."""

_TITLE = "immich-aio"
_LINK = "https://github.com/MT-Photos/mt-photos-ai"
_FAR = 1e9  # no pixel lies further out
_SLACK = 0.01  # rounding may carry a score this far past 0…1

# ---- As a server: the bodies of requests and replies


def parse_text(body: bytes) -> str:
    """Read the request to ``/clip/txt``, such as ``{"text": "飞机"}``. Raises BadInputError."""
    return read_json(body, "body", BadInputError).get("text").text()


def ocr_reply(result: OcrResult) -> dict[str, object]:
    """Give the lines as parallel lists, numbers as strings, boxes as upright rectangles.

    ``scores`` are the text scores (0…1); box scores have no place in this protocol.
    """
    boxes = [line.corners.bounds for line in result.lines]
    return {
        "result": {
            "texts": [line.text for line in result.lines],
            "scores": [str(float(line.text_score)) for line in result.lines],
            "boxes": [
                {
                    "x": str(float(box.x)),
                    "y": str(float(box.y)),
                    "width": str(float(box.width)),
                    "height": str(float(box.height)),
                }
                for box in boxes
            ],
        }
    }


def clip_reply(embedding: Embedding) -> dict[str, object]:
    """Give the vector as strings of 16 decimals. Raises InternalError if empty or non-finite."""
    return {"result": [f"{number:.16f}" for number in _numbers_of(embedding)]}


def faces_reply(result: FacesResult, model: str) -> dict[str, object]:
    """Give the faces that ``model`` found, areas rounded to whole pixels.

    Raises InternalError for an empty or non-finite vector.
    """
    faces = [
        {
            "embedding": _numbers_of(face.embedding),
            "facial_area": _area_reply(face.box),
            "face_confidence": face.score,
        }
        for face in result.faces
    ]
    return {**_face_models(model), "result": faces}


def check_reply(device: str, *, title: str = _TITLE, help_url: str = _LINK) -> dict[str, object]:
    """Answer ``/check``: the key is right, and inference runs on ``device`` (such as cpu)."""
    return {"result": "pass", "title": title, "help": help_url, "device": device}


def face_check_reply(model: str, *, title: str = _TITLE, link: str = _LINK) -> dict[str, object]:
    """Answer ``/face/check``: which ``model`` recognises faces."""
    return {"title": title, "link": link, **_face_models(model)}


def failure(message: str) -> dict[str, object]:
    """Give the body of a failed request, to be sent with status 200."""
    return {"result": [], "msg": message}


# ---- As a client: reading another server's replies


def failure_message(body: bytes) -> str:
    """Read why a request failed, in the server's own words."""
    told = _reply(body).get("msg")
    return shown(told, 500) if told else "The MT-Photos server does not say why it failed."


@dataclass(frozen=True, slots=True)
class ServerCheck:
    """What a server says of itself; empty where it says nothing."""

    title: str = ""
    device: str = ""


def parse_check(body: bytes) -> ServerCheck:
    """Read the reply to ``/check``. Raises UpstreamError unless its result is ``pass``."""
    reply = _reply(body)
    if reply.get("result") != "pass":
        _refuse(reply, "its check did not pass")
    title, device = reply.get("title"), reply.get("device")
    return ServerCheck(
        title if isinstance(title, str) else "", device if isinstance(device, str) else ""
    )


def parse_ocr(body: bytes, width: int, height: int) -> OcrResult:
    """Read the reply to ``/ocr`` for an image of ``width`` × ``height`` pixels.

    Corners are those of the rectangle, moved into the image; the one score becomes both. Raises
    UpstreamError for a failure and for anything that is not the protocol.
    """
    reply = _reply(body)
    result = reply.get("result")
    if not isinstance(result, dict):
        _refuse(reply, "its result is not an object")
    lists = [_list(result.get(name), name) for name in ("texts", "scores", "boxes")]
    if len({len(each) for each in lists}) != 1:
        _refuse(reply, "its lists disagree on the number of lines")
    lines = []
    for text, number, box in zip(*lists, strict=True):
        score = _score(number)
        corners = _rect(box, "width", "height").quad.clipped(width, height)
        lines.append(TextLine(_text(text), corners, score, score))
    return OcrResult(tuple(lines), width, height)


def parse_clip(body: bytes) -> Embedding:
    """Read the reply to ``/clip/img`` or ``/clip/txt``; its length is the server's, unscaled.

    Raises UpstreamError for a failure, an empty vector and anything that is not the protocol.
    """
    reply = _reply(body)
    values = reply.get("result") or reply.get("results")
    if not isinstance(values, list):
        _refuse(reply, "it holds no vector")
    return Embedding(_vector(values))


def parse_represent(body: bytes, width: int, height: int, pack: str = "") -> FacesResult:
    """Read the reply to ``/represent`` for an image of ``width`` × ``height`` pixels.

    An empty list is a picture without faces, unless there is a ``msg``. Raises UpstreamError for a
    failure, for anything that is not the protocol, and where the reply tells that another ``pack``
    than is wanted found the faces.
    """
    reply = _reply(body)
    result = reply.get("result")
    if not isinstance(result, list) or (not result and "msg" in reply):
        _refuse(reply, "it has no list of faces")
    if pack:
        _require_pack(reply.get("recognition_model"), pack)
    return FacesResult(tuple(_face(item) for item in result), width, height)


# ---- Reading values


def _reply(body: bytes) -> dict[str, object]:
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError) as cause:
        raise UpstreamError("The MT-Photos server answered something that is not JSON.") from cause
    if not isinstance(reply, dict):
        raise UpstreamError("The MT-Photos server answered something that is not an object.")
    return reply


def _refuse(reply: Mapping[str, object], why: str) -> NoReturn:
    """Raise the server's own words where it has any."""
    told = reply.get("msg")
    if told and isinstance(told, str):
        raise UpstreamError(f"The MT-Photos server failed: {shown(told, 500)}")
    raise UpstreamError(f"The MT-Photos server's reply is of no use: {why}.")


def _require_pack(told: object, pack: str) -> None:
    """Vectors of two packs cannot be compared, and nothing else betrays that they are mixed."""
    if isinstance(told, str) and told.casefold() != pack.casefold():
        raise UpstreamError(
            f"The MT-Photos server recognises faces by {shown(told, 100)}, and RECOGNITION_MODEL "
            f"is {pack}: vectors of two models cannot be compared. Set the same in both places "
            "and in Immich."
        )


def _list(value: object, name: str) -> list[object]:
    if not isinstance(value, list):
        raise UpstreamError(f"The MT-Photos server's reply has no list '{name}'.")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not is_utf8(value):
        raise UpstreamError("The MT-Photos server's reply has a text that is none.")
    return value


def _number(value: object, low: float, high: float) -> float:
    """Read a number or a string of one, which must lie within ``low`` … ``high``."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            number = float(value)
            if low <= number <= high:
                return number
    sent = f"'{shown(value)}'" if isinstance(value, int | float | str) else "something else"
    raise UpstreamError(
        f"The MT-Photos server's reply has {sent} where a number within {low:g}…{high:g} belongs."
    )


def _score(value: object) -> float:
    return min(max(_number(value, -_SLACK, 1 + _SLACK), 0.0), 1.0)


def _rect(value: object, width: str, height: str) -> Rect:
    """Read a rectangle in pixels whose sides have these names."""
    if not isinstance(value, dict):
        raise UpstreamError("The MT-Photos server's reply has a box that is no object.")
    x, y = (_number(value.get(name), -_FAR, _FAR) for name in ("x", "y"))
    return Rect(x, y, *(_number(value.get(name), 0, _FAR) for name in (width, height)))


def _face(value: object) -> Face:
    if not isinstance(value, dict):
        raise UpstreamError("The MT-Photos server's reply has a face that is no object.")
    return Face(
        _rect(value.get("facial_area"), "w", "h"),
        _score(value.get("face_confidence")),
        Embedding(_vector(_list(value.get("embedding"), "embedding"))),
    )


def _vector(values: list[object]) -> NDArray[np.float32]:
    """Make float32 of numbers or strings of them; refuses what no float32 can hold."""
    if not values:
        raise UpstreamError("The MT-Photos server's reply has an empty vector.")
    largest = float(np.finfo(np.float32).max)
    return np.array([_number(value, -largest, largest) for value in values], dtype=np.float32)


# ---- Writing values


def _numbers_of(embedding: Embedding) -> list[float]:
    numbers: list[float] = embedding.vector.astype(np.float32).tolist()
    if not numbers or not all(map(math.isfinite, numbers)):
        raise InternalError("The model gave an empty or a non-finite vector.")
    return numbers


def _area_reply(box: Rect) -> dict[str, int]:
    x1, y1, x2, y2 = (round(number) for number in box.corner_pair)
    return {"x": x1, "y": y1, "w": x2 - x1, "h": y2 - y1}


def _face_models(model: str) -> dict[str, object]:
    return {"detector_backend": "insightface", "recognition_model": model}
