"""The answers in Immich's machine-learning protocol (``POST /predict``): written, joined and read.

As a server ``…_reply`` answers each task, and ``merge_replies`` joins the answers; as a client
``parse_reply`` reads one. An upstream's mistake raises UpstreamError with the path of the value at
fault, such as ``reply.ocr.box``; our own raises InternalError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from immich_aio.domain.geometry import Quad, Rect
from immich_aio.domain.results import Embedding, Face, FacesResult, OcrResult, TextLine
from immich_aio.domain.tasks import ClipImageTask, ClipTextTask, FacesTask, OcrTask
from immich_aio.errors import InternalError, UpstreamError
from immich_aio.wire.json_reader import JsonNode, read_json

_FACES = "facial-recognition"
_CORNERS = ("x1", "y1", "x2", "y2")
_SLACK = 0.1  # detectors overshoot the edge a little; more than this is another convention


def ocr_reply(result: OcrResult) -> dict[str, object]:
    """Give the lines as parallel lists, and the image's size in pixels.

    ``box`` is flat: for each line eight fractions of the width and height, within 0…1.
    """
    quads = (line.corners.normalised(result.width, result.height) for line in result.lines)
    lists = {
        "text": [line.text for line in result.lines],
        "box": [number for quad in quads for number in quad.flat],
        "boxScore": [line.box_score for line in result.lines],
        "textScore": [line.text_score for line in result.lines],
    }
    return {"ocr": lists, **_size_reply(result.width, result.height)}


def legacy_ocr_reply(result: OcrResult) -> dict[str, object]:
    """Give what the old fork expects: one string of all texts, and upright boxes in pixels."""
    boxes = (line.corners.bounds.corner_pair for line in result.lines)
    lists = {
        "texts": [line.text for line in result.lines],
        "scores": [line.text_score for line in result.lines],
        "boxes": [dict(zip(_CORNERS, box, strict=True)) for box in boxes],
    }
    text = " ".join(line.text for line in result.lines)
    return {"ocr": text, "result": lists, **_size_reply(result.width, result.height)}


def clip_reply(embedding: Embedding) -> dict[str, object]:
    """Give the vector as a JSON array in a string, and the image's size where it is of an image.

    Raises InternalError for an empty or non-finite vector.
    """
    size = _size_reply(embedding.width, embedding.height)
    return {"clip": _vector_text(embedding.vector), **size}


def faces_reply(result: FacesResult) -> dict[str, object]:
    """Give every face, its box in whole pixels: Immich's columns for them are of integers.

    Raises InternalError for an empty or non-finite vector.
    """
    faces = [
        {
            "boundingBox": dict(zip(_CORNERS, map(round, face.box.corner_pair), strict=True)),
            "embedding": _vector_text(face.embedding.vector),
            "score": face.score,
        }
        for face in result.faces
    ]
    return {_FACES: faces, **_size_reply(result.width, result.height)}


def merge_replies(replies: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """Make one reply of several tasks' replies.

    Raises UpstreamError where two of them answer one task or disagree on the image's size.
    """
    merged: dict[str, object] = {}
    for reply in replies:
        for key, value in reply.items():
            if key in merged and not (key.startswith("image") and merged[key] == value):
                raise UpstreamError(f"Two answers to one request claim '{key}', and disagree.")
            merged[key] = value
    return merged


def parse_reply(
    body: bytes, task: OcrTask | ClipImageTask | ClipTextTask | FacesTask
) -> OcrResult | Embedding | FacesResult:
    """Read the answer to ``task`` in another server's reply; other answers may stand beside it.

    OCR gives an OcrResult, faces a FacesResult, both with boxes in pixels; CLIP gives an Embedding.
    Raises UpstreamError for anything that is not the protocol.
    """
    reply = read_json(body, "reply", UpstreamError)
    match task:
        case OcrTask():
            return _ocr_result(reply)
        case FacesTask():
            faces = tuple(_face(item) for item in reply.get(_FACES).items())
            return FacesResult(faces, *_size(reply))
        case ClipTextTask():
            return Embedding(_vector(reply.get("clip")))
        case ClipImageTask():
            # Nobody needs this size; a server that leaves it out has still done the work.
            size = _size(reply) if reply.find("imageWidth") else (None, None)
            return Embedding(_vector(reply.get("clip")), *size)


def _ocr_result(reply: JsonNode) -> OcrResult:
    width, height = _size(reply)
    ocr = reply.get("ocr")
    texts = [item.text() for item in ocr.get("text").items()]
    numbers = [_fraction(item) for item in ocr.get("box").items()]
    box_scores = [_fraction(item) for item in ocr.get("boxScore").items()]
    text_scores = [_fraction(item) for item in ocr.get("textScore").items()]
    if not len(texts) == len(box_scores) == len(text_scores) == len(numbers) / 8:
        ocr.refuse("its lists disagree on the number of lines")
    quads = [
        Quad.from_flat(numbers[start : start + 8]).in_pixels(width, height)
        for start in range(0, len(numbers), 8)
    ]
    rows = zip(texts, quads, box_scores, text_scores, strict=True)
    return OcrResult(tuple(TextLine(*row) for row in rows), width, height)


def _face(node: JsonNode) -> Face:
    box = node.get("boundingBox")
    x1, y1, x2, y2 = (box.get(name).number(-1e9, 1e9) for name in _CORNERS)
    if x2 < x1 or y2 < y1:
        box.refuse("its corners are swapped")
    embedding = Embedding(_vector(node.get("embedding")))
    return Face(Rect.from_corner_pair(x1, y1, x2, y2), _fraction(node.get("score")), embedding)


def _fraction(node: JsonNode) -> float:
    return min(max(node.number(-_SLACK, 1 + _SLACK), 0.0), 1.0)


def _size(reply: JsonNode) -> tuple[int, int]:
    return reply.get("imageWidth").positive_int(), reply.get("imageHeight").positive_int()


def _size_reply(width: int | None, height: int | None) -> dict[str, object]:
    sizes = {"imageHeight": height, "imageWidth": width}
    return {name: size for name, size in sizes.items() if size is not None}


def _vector(node: JsonNode) -> NDArray[np.float32]:
    """Read the vector in a JSON array in a string."""
    values = read_json(node.text(), node.path, node.error).value
    if not isinstance(values, list) or not values:
        node.refuse("must be a JSON array of numbers in a string")
    if not all(type(value) in {float, int} for value in values):
        node.refuse("must hold numbers only")
    try:
        with np.errstate(over="ignore"):
            vector = np.array(values, dtype=np.float64).astype(np.float32)
    except OverflowError:  # an integer of hundreds of digits
        node.refuse("holds a number that is no float32")
    return vector if np.isfinite(vector).all() else node.refuse("must be finite")


def _vector_text(vector: NDArray[np.float32]) -> str:
    """Write the vector as a JSON array, each number in the fewest digits that give this float32.

    That is about half as long as the same numbers as Python floats. A reader that goes through
    float64 gets the same float32 too: tried for all of them, it is off (by one bit) for the pair
    ±7.038531e-26 alone.
    """
    if not vector.size or not np.isfinite(vector).all():
        raise InternalError("The model gave an empty or a non-finite vector.")
    return f"[{','.join(vector.astype(np.float32).astype('U').tolist())}]"
