"""What Ray Serve imports: from the configuration's ``args`` to the application.

Ray calls ``build`` on a node of the cluster, and each engine's maker on the node of its replica.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from ray.serve import Application

from immich_aio.cli.compose import (
    DEFAULT_CLIP_MODEL,
    ai_service_config,
    clip_engine,
    face_engine,
    model_fetcher,
    ocr_engine,
    pack_fetcher,
)
from immich_aio.cli.logs import begin_logging
from immich_aio.engines.protocol import ClipEncoder, FaceFinder, OcrReader
from immich_aio.errors import BadInputError
from immich_aio.services.cluster.application import Makers, application
from immich_aio.services.cluster.ingress import IngressConfig
from immich_aio.services.cluster.replicas import Room
from immich_aio.settings import Settings

Given = Mapping[str, str | int | float | bool]
"""Settings by their variables' names."""


class Arguments(BaseModel):
    """The configuration's ``args``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engines: tuple[Literal["ocr", "clip", "faces"], ...] = ("ocr",)
    own_key: bool = False
    settings: Given = {}


def build(args: dict[str, Any]) -> Application:
    """The application that these arguments describe. Raises BadInputError naming what is wrong."""
    try:
        asked = Arguments.model_validate(args)
    except ValidationError as error:
        raise BadInputError(f"Wrong args in the cluster's configuration: {error}") from None
    given = dict(asked.settings)
    settings = settings_of(given)
    if asked.own_key and settings.has_well_known_key:
        raise BadInputError(
            "API_AUTH_KEY is not in the environment in which Ray's head was started; start it with "
            "the key, or write the cluster's configuration anew without one."
        )
    config = IngressConfig(
        ai_service_config(settings),
        settings.clip_model or DEFAULT_CLIP_MODEL,
        settings.recognition_model,
    )
    makers = Makers(
        partial(make_ocr, given) if "ocr" in asked.engines else None,
        partial(make_clip, given) if "clip" in asked.engines else None,
        partial(make_faces, given) if "faces" in asked.engines else None,
    )
    return application(config, makers)


def make_ocr(given: Given, room: Room) -> OcrReader:
    """The OCR engine, a worker a core."""
    return ocr_engine(_settings_in(given, room))


def make_clip(given: Given, room: Room) -> ClipEncoder:
    """The CLIP engine, of which a replica uses one lane, on all of its cores."""
    settings = _settings_in(given, room)
    return clip_engine(settings, model_fetcher(settings), room.cores)


def make_faces(given: Given, room: Room) -> FaceFinder:
    """The face engine, a worker a core."""
    settings = _settings_in(given, room)
    return face_engine(settings, pack_fetcher(settings))


def settings_of(given: Given) -> Settings:
    """Those that were given, and the environment's of this node for all others.

    Raises BadInputError where one is wrong, or is none.
    """
    fields = {name.lower(): value for name, value in given.items()}
    if unknown := fields.keys() - Settings.model_fields:
        names = ", ".join(sorted(unknown)).upper()
        raise BadInputError(f"There is no setting {names}; docs/settings.md has them all.")
    return Settings.load(None, fields)


def _settings_in(given: Given, room: Room) -> Settings:
    """For an engine in a replica: it fills its room, and does not look for a GPU beyond it."""
    settings = settings_of(given)
    begin_logging(settings.log_level, settings.log_format)
    device = "cuda" if room.has_gpu else "cpu"
    workers = {"ocr_workers": room.cores, "faces_workers": room.cores}
    return settings.model_copy(update={"device": device, **workers})
