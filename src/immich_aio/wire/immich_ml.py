"""What is asked in Immich's machine-learning protocol (``POST /predict``): the field ``entries``.

As a server ``parse_entries`` reads it, as a client ``entries_for`` writes it; the answers are in
``immich_answers.py``. A caller's mistake raises UnprocessableError with the path of the value at
fault, such as ``entries.ocr.detection.modelName``; our own raises InternalError.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from immich_aio.domain.tasks import (
    ClipImageTask,
    ClipTextTask,
    FacesTask,
    OcrOptions,
    OcrTask,
    OtherTask,
    Task,
)
from immich_aio.errors import InternalError, UnprocessableError
from immich_aio.wire.json_reader import JsonNode, is_utf8, read_json

_FACES = "facial-recognition"

# ---- As a server: what Immich asks


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


# ---- As a client: what another server is asked


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
