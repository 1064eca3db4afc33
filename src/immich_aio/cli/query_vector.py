"""The vector of a query's meaning, by whatever these settings can make it with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from immich_aio.cli.compose import clip_engine, model_fetcher, model_folder
from immich_aio.domain.clip_models import mismatch
from immich_aio.domain.routes import Rule
from immich_aio.domain.tasks import ClipTextTask
from immich_aio.errors import UnavailableError
from immich_aio.settings import Settings
from immich_aio.upstream.immich_ml import ImmichMlClient


@dataclass(frozen=True, slots=True)
class QueryVector:
    """A vector, or why there is none."""

    vector: Sequence[float] | None
    reason: str = ""


async def query_vector(settings: Settings, text: str, task: ClipTextTask) -> QueryVector:
    """The vector of a text, by the model that ``task`` names as Immich does.

    SEARCH_ML_URL goes first, then CLIP_MODEL in this process, then IMMICH_API. Without any there is
    a reason. Raises UpstreamError or TimeoutExceededError where the server that is set fails.
    """
    if settings.search_ml_url is not None:
        return await _asked("SEARCH_ML_URL", settings.search_ml_url, settings, text, task)
    ours = Rule((), task="clip", models=settings.clip_names)
    if settings.clip_model is not None and ours.matches(task):
        return await _made_here(settings, settings.clip_model, text, task)
    if settings.immich_apis:
        return await _asked("IMMICH_API", settings.immich_apis[0], settings, text, task)
    return QueryVector(
        None,
        f"nothing is set that answers for Immich's model {task.model}. Set SEARCH_ML_URL to the "
        "gateway, such as http://localhost:8080, or CLIP_MODEL",
    )


async def _asked(
    name: str, url: str, settings: Settings, text: str, task: ClipTextTask
) -> QueryVector:
    client = ImmichMlClient(url, settings.upstream_timeout, name=name)
    try:
        embedding = await client.encode_text(task, text)
    finally:
        await client.close()
    return QueryVector(embedding.vector.tolist())


async def _made_here(settings: Settings, model: str, text: str, task: ClipTextTask) -> QueryVector:
    """By a model that is here already: a search fetches none."""
    folder = model_folder(settings)
    if folder.state(model).status != "present":
        return QueryVector(
            None, f"CLIP_MODEL={model} is not here: run 'immich-aio models pull {model}'"
        )
    fetcher = model_fetcher(settings.model_copy(update={"model_download": False}))
    try:
        engine = clip_engine(settings, fetcher)
    except UnavailableError as error:
        return QueryVector(None, error.message.removesuffix("."))
    try:
        embedding = await engine.encode_text(text)
    finally:
        await engine.close()
        await fetcher.close()
    if wrong := mismatch(task.model, model, len(embedding.vector)):
        return QueryVector(None, wrong.removesuffix("."))
    return QueryVector(embedding.vector.tolist())
