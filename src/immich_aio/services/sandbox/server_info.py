"""``/server``: what the miniature says of itself, which is what Immich says."""

from __future__ import annotations

from immich_aio.domain.immich import Shape
from immich_aio.services.sandbox.api import Call, Endpoint

VERSIONS = {Shape.V3_1: (3, 1, 0), Shape.V2_2: (2, 2, 3)}
ON = ("smartSearch", "facialRecognition", "duplicateDetection", "map", "reverseGeocoding")


def version_reply(shape: Shape) -> dict[str, object]:
    """The version as Immich writes it."""
    version: dict[str, object] = dict(
        zip(("major", "minor", "patch"), VERSIONS[shape], strict=True)
    )
    return version if shape is Shape.V2_2 else {**version, "prerelease": None}


def features_reply(shape: Shape) -> dict[str, object]:
    """What is switched on. As in Immich it says nothing of whether it works at the moment."""
    reply: dict[str, object] = dict.fromkeys(ON, True)
    reply |= {"importFaces": False, "sidecar": True, "search": True, "trash": True}
    reply |= {"oauth": False, "oauthAutoLaunch": False, "ocr": True, "passwordLogin": True}
    reply |= {"configFile": False, "email": False}
    return reply if shape is Shape.V2_2 else reply | {"realtimeTranscoding": False}


async def _ping(_call: Call) -> object:
    return {"res": "pong"}


async def _version(call: Call) -> object:
    return version_reply(call.shape)


async def _features(call: Call) -> object:
    return features_reply(call.shape)


ENDPOINTS = [
    Endpoint("GET", "/server/ping", "pingServer", _ping),
    Endpoint("GET", "/server/version", "getServerVersion", _version),
    Endpoint("GET", "/server/features", "getServerFeatures", _features),
]
