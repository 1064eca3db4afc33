"""The description of the gateway's API: Immich's protocol, and what is beside it."""

from __future__ import annotations

from typing import Any

from immich_aio import __version__

JSON = "application/json"
PROBLEM = "application/problem+json"

Schema = dict[str, Any]

PROBLEM_SCHEMA: Schema = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
    },
}
PREDICT_FORM: Schema = {
    "type": "object",
    "required": ["entries"],
    "properties": {
        "entries": {
            "type": "string",
            "description": "JSON: task → type → {modelName, options?}.",
            "examples": ['{"clip":{"textual":{"modelName":"ViT-B-32__openai"}}}'],
        },
        "image": {"type": "string", "format": "binary"},
        "text": {"type": "string"},
    },
}
PREDICT_REPLY: Schema = {
    "type": "object",
    "properties": {
        "clip": {"type": "string", "description": "A vector as a JSON array in a string."},
        "facial-recognition": {"type": "array"},
        "imageHeight": {"type": "integer"},
        "imageWidth": {"type": "integer"},
    },
}
PROBLEMS = {
    "400": "The request cannot be understood.",
    "401": "GATEWAY_KEY is wrong or missing.",
    "403": "The caller's address is not in ALLOWED_NETWORKS.",
    "413": "Over MAX_UPLOAD_MB.",
    "422": "What is asked does not exist, or cannot be.",
    "429": "Too much waits already.",
    "499": "The caller hung up.",
    "500": "The gateway's own fault.",
    "502": "The backends failed.",
    "503": "Nobody here does that, or the gateway is shutting down.",
    "504": "The backends did not answer in time.",
}


def description() -> Schema:
    """The document, in OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Immich All-in-One gateway", "version": __version__},
        "paths": {
            "/": {"get": _answers("What Immich's own server says, or a page.", JSON, "text/html")},
            "/ping": {"get": _answers("Whether the gateway is there.", "text/plain")},
            "/predict": {"post": _predict()},
            "/status": {"get": _answers("How the gateway and its backends stand.", JSON)},
            "/metrics": {"get": _answers("Metrics for Prometheus.", "text/plain")},
        },
    }


def _predict() -> Schema:
    good = {"description": "Every task's answer.", "content": {JSON: {"schema": PREDICT_REPLY}}}
    return {
        "summary": "Do the tasks of one image or text.",
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": PREDICT_FORM}},
        },
        "responses": {"200": good, **_problems(PROBLEMS)},
    }


def _answers(summary: str, *kinds: str) -> Schema:
    good = {"description": summary, "content": {kind: {} for kind in kinds}}
    refused = {status: PROBLEMS[status] for status in ("401", "403")}
    return {"summary": summary, "responses": {"200": good, **_problems(refused)}}


def _problems(statuses: dict[str, str]) -> Schema:
    content = {PROBLEM: {"schema": PROBLEM_SCHEMA}}
    return {status: {"description": why, "content": content} for status, why in statuses.items()}
