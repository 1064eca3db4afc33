"""Another server's reply in Immich's protocol, which is passed on as it came: is it one?

Immich stores what it is given. A reply without the answer, or with a vector of another length than
its database has, would lose the photo or break the search; so that much is looked at, and no more:
other numbers are the other server's affair.
"""

from __future__ import annotations

from collections.abc import Sequence

from immich_aio.domain.clip_models import immich_dimension
from immich_aio.domain.tasks import (
    ClipImageTask,
    ClipTextTask,
    FacesTask,
    OcrTask,
    OtherTask,
    Task,
)
from immich_aio.errors import UpstreamError
from immich_aio.wire.json_reader import JsonNode, read_json

FACE_DIMENSION = 512
"""What Immich's database has room for."""

_NUMBERS = str.maketrans("", "", "0123456789.,eE+- ")


def check_reply(body: bytes, tasks: Sequence[Task]) -> dict[str, object]:
    """Read a reply that answers all ``tasks``. Raises UpstreamError where Immich could not use it.

    Vectors are counted rather than read: that they hold nothing but numbers is told by their
    letters, in a tenth of the time.
    """
    reply = read_json(body, "reply", UpstreamError)
    if not isinstance(reply.value, dict):
        reply.refuse("must be an object")
    for task in tasks:
        _check(reply, task)
    return reply.value


def _check(reply: JsonNode, task: Task) -> None:
    match task:
        case OcrTask():
            _check_ocr(reply.get("ocr"))
        case FacesTask():
            for face in reply.get("facial-recognition").items():
                face.get("boundingBox").members()
                _check_face(face.get("embedding"))
        case ClipImageTask() | ClipTextTask():
            _check_clip(reply.get("clip"), task.model)
        case OtherTask(name=name):
            reply.get(name)


def _check_ocr(ocr: JsonNode) -> None:
    texts = [item.text() for item in ocr.get("text").items()]
    lengths = {name: len(ocr.get(name).items()) for name in ("box", "boxScore", "textScore")}
    if lengths != {"box": 8 * len(texts), "boxScore": len(texts), "textScore": len(texts)}:
        ocr.refuse("its lists disagree on the number of lines")


def _check_clip(vector: JsonNode, model: str) -> None:
    length, expected = _vector_length(vector), immich_dimension(model)
    if expected is not None and length != expected:
        vector.refuse(f"has {length} numbers, where {model} has {expected}")


def _check_face(vector: JsonNode) -> None:
    length = _vector_length(vector)
    if length != FACE_DIMENSION:
        vector.refuse(f"has {length} numbers, where Immich's faces have {FACE_DIMENSION}")


def _vector_length(node: JsonNode) -> int:
    """Count the numbers of a JSON array in a string."""
    text = node.text()
    inside = text[1:-1]
    if text[:1] != "[" or text[-1:] != "]" or not inside or inside.translate(_NUMBERS):
        node.refuse("must be a JSON array of numbers in a string")
    return inside.count(",") + 1
