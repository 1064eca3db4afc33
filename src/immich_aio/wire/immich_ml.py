"""Immich's machine-learning protocol (``POST /predict``), as a server and as a client of one.

As a server: ``parse_entries`` reads what Immich asks; ``…_reply`` answers each task, and
``merge_replies`` joins the answers. As a client: ``entries_for`` asks, ``parse_reply`` reads the
answer.

A caller's mistake raises UnprocessableError and an upstream's UpstreamError, each with the path of
the value at fault, such as ``entries.ocr.detection.modelName``; our own raises InternalError.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from immich_aio.domain.geometry import Quad, Rect
from immich_aio.domain.results import Embedding, Face, FacesResult, OcrResult, TextLine
from immich_aio.domain.tasks import (
    ClipImageTask,
    ClipTextTask,
    FacesTask,
    OcrOptions,
    OcrTask,
    OtherTask,
    Task,
)
from immich_aio.errors import InternalError, UnprocessableError, UpstreamError
from immich_aio.wire.json_reader import JsonNode, is_utf8, read_json

_FACES = "facial-recognition"
_CORNERS = ("x1", "y1", "x2", "y2")
_SLACK = 0.1  # detectors overshoot the edge a little; more than this is another convention

# ---- As a server: what Immich asks, and the answers


def parse_entries(raw: str | bytes) -> tuple[Task, ...]:
    """Read the tasks in the form field ``entries``, in its order; at least one.

    Missing options take the defaults of the tasks, and unknown keys are ignored. OCR without
    ``detection`` is the old fork's request: a legacy task. What is none of our tasks is an
    OtherTask. Raises UnprocessableError naming the path of whatever is malformed, or has no place
    in a reply.
    """
    entries = read_json(raw, "entries", UnprocessableError)
    tasks = tuple(_task(name, types) for name, types in entries.members().items())
    return tasks or entries.refuse("names no task")


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


# ---- As a client: what another server is asked, and its answer


def entries_for(tasks: Sequence[Task]) -> str:
    """Write the form field ``entries`` that asks for all ``tasks``, every option spelled out.

    ``OcrTask.legacy`` says how our own caller wants its answer; another server is always asked in
    Immich's form. Raises InternalError for two tasks that would share one place in the reply.
    """
    entries: dict[str, object] = {}
    for task in tasks:
        name, types = _entry(task)
        if name in entries:
            raise InternalError(f"One request cannot carry two '{name}' tasks.")
        entries[name] = types
    return json.dumps(entries, separators=(",", ":"), ensure_ascii=False)


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


# ---- Tasks


def _task(name: str, types: JsonNode) -> Task:
    reader = _READERS.get(name)
    return reader(types) if reader else _other_task(name, types)


def _types(node: JsonNode, first: str, second: str) -> tuple[JsonNode | None, JsonNode | None, str]:
    """Both types of a task and the model they name; refuses when there is neither."""
    types = node.members()
    for name, unknown in types.items():
        if name not in {first, second}:
            unknown.refuse(f"no such type; there are {first} and {second}")
    models = {each.get("modelName").name() for each in types.values()}
    if len(models) != 1:
        node.refuse(f"{first} and {second} must name one model" if models else "names no type")
    return types.get(first), types.get(second), models.pop()


def _option(of_type: JsonNode | None, key: str) -> JsonNode | None:
    options = of_type and of_type.find("options")
    return options and options.find(key)


def _ocr_task(node: JsonNode) -> OcrTask:
    detection, recognition, model = _types(node, "detection", "recognition")
    if not recognition:
        node.get("recognition")
    defaults = OcrOptions()
    box_score = _option(detection, "minScore")
    text_score = _option(recognition, "minScore")
    resolution = _option(detection, "maxResolution")
    options = OcrOptions(
        box_score.number(0, 1) if box_score else defaults.min_box_score,
        text_score.number(0, 1) if text_score else defaults.min_text_score,
        resolution.positive_int() if resolution else defaults.max_resolution,
    )
    return OcrTask(model, options, legacy=detection is None)


def _clip_task(node: JsonNode) -> ClipImageTask | ClipTextTask:
    visual, textual, model = _types(node, "visual", "textual")
    if visual and textual:
        node.refuse("a reply has one place for a vector; ask for visual and textual one by one")
    language = _option(textual, "language")
    text_task = ClipTextTask(model, language.text() if language else None)
    return ClipImageTask(model) if visual else text_task


def _faces_task(node: JsonNode) -> FacesTask:
    detection, _, model = _types(node, "detection", "recognition")
    score = _option(detection, "minScore")
    return FacesTask(model, score.number(0, 1)) if score else FacesTask(model)


def _other_task(name: str, node: JsonNode) -> OtherTask:
    """Take what is not known as it is; like every task it names a type, and that its model."""
    models = [each.get("modelName").name() for each in node.members().values()]
    if not models or not is_utf8(name):
        node.refuse("names no type" if is_utf8(name) else "is no text")
    try:
        return OtherTask(name, json.dumps(node.value, allow_nan=False), models[0])
    except ValueError:
        node.refuse("holds a number that is too large")


_READERS: dict[str, Callable[[JsonNode], Task]] = {
    "ocr": _ocr_task,
    "clip": _clip_task,
    _FACES: _faces_task,
}


def _entry(task: Task) -> tuple[str, object]:
    """Give the task's name and types, as they stand in ``entries``."""
    model = {"modelName": task.model}
    match task:
        case OtherTask(name=name, types=types):
            return name, json.loads(types)
        case OcrTask(options=wanted):
            detect = {"minScore": wanted.min_box_score, "maxResolution": wanted.max_resolution}
            return "ocr", {
                "detection": {**model, "options": detect},
                "recognition": {**model, "options": {"minScore": wanted.min_text_score}},
            }
        case FacesTask(min_score=score):
            return _FACES, {
                "detection": {**model, "options": {"minScore": score}},
                "recognition": model,
            }
        case ClipTextTask(language=language):
            options = {} if language is None else {"language": language}
            return "clip", {"textual": {**model, "options": options}}
        case ClipImageTask():
            return "clip", {"visual": model}


# ---- Values


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
