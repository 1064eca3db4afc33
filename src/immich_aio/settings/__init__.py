"""All settings, typed; the only place that reads the environment.

Names are those that users of mt-photos-ai and of its gateway already have in their files, where
there is one. The composition root builds one ``Settings`` from the environment and ``.env``.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from immich_aio.domain.clip_models import STAND_INS
from immich_aio.domain.images import ImageLimits
from immich_aio.engines.model_files.sources import (
    GITHUB,
    HUBS,
    HUGGINGFACE,
    MODELSCOPE,
    Source,
    parse_sources,
)
from immich_aio.errors import BadInputError
from immich_aio.settings.address import http_url
from immich_aio.settings.companion import CompanionSettings
from immich_aio.settings.faces import FaceSettings
from immich_aio.settings.folder import Folder
from immich_aio.settings.gateway import WELL_KNOWN_KEY, GatewaySettings, listed
from immich_aio.settings.search import SearchSettings
from immich_aio.settings.value_files import ValueFiles

__all__ = ["WELL_KNOWN_KEY", "Settings"]


class Settings(GatewaySettings, FaceSettings, SearchSettings, CompanionSettings):
    """Every setting with its default; each help text says what is gained and what is paid."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    host: str = Field(
        "127.0.0.1",
        description="Address both services listen on. 127.0.0.1 is reached from this machine only; "
        "0.0.0.0 lets Immich in Docker or on another machine in, and everyone else on the network.",
    )
    http_port: int = Field(8060, ge=0, le=65535, description="Port of the AI service.")
    port: int = Field(8080, ge=0, le=65535, description="Port of the gateway.")
    api_auth_key: SecretStr = Field(
        SecretStr(WELL_KNOWN_KEY),
        description="Key that callers of the AI service send as `api-key`. The default is known to "
        "everyone: change it when HOST is not 127.0.0.1.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where models run. `cuda` needs the `cuda` extra and an NVIDIA GPU."
    )
    ocr_runtime: Literal["auto", "openvino", "onnxruntime"] = Field(
        "auto",
        description="`auto` takes OpenVINO where the CPU multiplies bf16 (AMX, AVX-512 BF16) or is "
        "Intel's, ONNX Runtime elsewhere. OpenVINO is faster there and takes more memory.",
    )
    ocr_workers: int = Field(
        0,
        ge=0,
        le=256,
        description="Images read at once, one core each; 0 means as many as there are cores. More "
        "than cores only costs memory. On a GPU at most 4.",
    )
    ocr_queue_size: int = Field(
        64,
        ge=1,
        description="Images that may wait in the AI service. When it is full its callers get 429 "
        "at once, and the gateway waits; a longer queue holds more uploads in memory.",
    )
    ocr_side: int = Field(
        960,
        ge=320,
        le=4096,
        description="Longest side in pixels at which text is searched. Larger finds smaller print "
        "and costs time by its square.",
    )
    clip_model: str | None = Field(
        None,
        description="Chinese-CLIP model that answers Immich's smart search: RN50, ViT-B-16, "
        "ViT-L-14, ViT-L-14-336, ViT-H-14, or the name of an imported one. Larger ones find more, "
        "and are slower and take more memory. Unset, Immich's CLIP goes to IMMICH_API, and "
        "MT-Photos' gets ViT-B-16.",
    )
    clip_immich_models: str = Field(
        ",".join(name for names in STAND_INS.values() for name in names),
        description="The names of Immich's CLIP models, separated by commas, to which CLIP_MODEL "
        "answers; `*` stands for all. Others go to IMMICH_API.",
    )
    clip_runtime: Literal["auto", "openvino", "onnxruntime"] = Field(
        "auto",
        description="`auto` takes OpenVINO where the CPU multiplies bf16, ONNX Runtime elsewhere.",
    )
    clip_precision: Literal["auto", "f32", "bf16", "f16", "int8"] = Field(
        "auto",
        description="`auto` takes bf16 where the CPU multiplies it, f16 on a GPU, f32 elsewhere. "
        "`int8` takes a third less memory than bf16 and is faster than f32; vectors are a little "
        "less exact.",
    )
    clip_batch: int = Field(
        8,
        ge=1,
        le=64,
        description="Images or texts that wait and are encoded together. More is a little faster "
        "under load, and takes more memory; a GPU takes 32 whatever this is.",
    )
    clip_queue_size: int = Field(
        64,
        ge=1,
        description="Images that may wait in the AI service for their vector. When it is full its "
        "callers get 429 at once, and the gateway waits; a longer queue holds more uploads in "
        "memory.",
    )
    clip_download_root: Folder = Field(
        Path("models/clip"),
        description="Folder of the CLIP checkpoints, such as clip_cn_vit-b-16.pt; files that are "
        "there are used as they are. A model takes 0.3 to 3.8 GB.",
    )
    model_sources: str = Field(
        ",".join(HUBS),
        description="Where models are fetched from, in this order: `huggingface`, `modelscope` (no "
        "faces), `github` (faces only), or the URL of a folder on a web server that has the files. "
        "Naming fewer fails sooner where one cannot be reached.",
    )
    hf_endpoint: str = Field(
        HUGGINGFACE, description="Hugging Face, or a mirror that can be reached where it cannot."
    )
    modelscope_endpoint: str = Field(MODELSCOPE, description="ModelScope, or a mirror of it.")
    github_endpoint: str = Field(GITHUB, description="GitHub, or a mirror of it.")
    model_download: bool = Field(
        True,
        description="Whether a service fetches a model that is missing, in the background. Off, "
        "nothing is downloaded but by `immich-aio models pull`, and requests for it fail at once.",
    )
    model_wait: float = Field(
        900.0,
        ge=0,
        le=86_400,
        description="Seconds an image waits for a model that is being fetched. Immich loses a job "
        "that fails, so longer loses fewer; its other jobs wait meanwhile.",
    )
    model_preload: str = Field(
        "ocr",
        description="Which models are loaded at the start, of `ocr`, `clip` and `faces`, separated "
        "by commas, or `none`: the first request is faster, and memory is taken before it is "
        "needed.",
    )
    model_ttl: float = Field(
        300.0,
        ge=0,
        validation_alias=AliasChoices("model_ttl", "server_restart_time"),
        description="Seconds without a request after which a model is unloaded and its memory "
        "given back; the next request loads it again, in about a second. 0 keeps it for ever. The "
        "name of mt-photos-ai, SERVER_RESTART_TIME, works too.",
    )
    max_upload_mb: int = Field(
        64, ge=1, le=1024, description="Largest upload in MiB; larger ones are answered 413."
    )
    max_megapixels: int = Field(
        100,
        ge=1,
        le=1000,
        description="Largest image in megapixels; larger ones are answered 413 before they are "
        "decoded. A decoded image takes three bytes a pixel.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="How much is logged."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Lines of text for people, or of JSON for programs."
    )

    @field_validator("hf_endpoint", "modelscope_endpoint", "github_endpoint")
    @classmethod
    def _is_http_url(cls, value: str) -> str:
        return http_url(value)

    @field_validator("model_sources")
    @classmethod
    def _names_sources(cls, value: str) -> str:
        parse_sources(value)
        return value

    @field_validator("model_preload")
    @classmethod
    def _names_engines(cls, value: str) -> str:
        if not listed(value) or set(listed(value)) - {"ocr", "clip", "faces", "none"}:
            raise ValueError("takes ocr, clip and faces, separated by commas, or none")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Where values come from; the first that has one goes before the others."""
        files = ValueFiles(settings_cls, env_settings, dotenv_settings)
        return init_settings, files, env_settings, dotenv_settings, file_secret_settings

    @classmethod
    def load(
        cls, env_file: Path | None = Path(".env"), given: Mapping[str, Any] | None = None
    ) -> Self:
        """From the environment and the files; what is ``given``, by field, goes before all.

        Raises BadInputError naming each bad variable.
        """
        try:
            return cls(_env_file=env_file, **(given or {}))
        except ValidationError as error:
            lines = [
                _fault(str(item["loc"][0]), item["msg"], item["input"]) for item in error.errors()
            ]
            raise BadInputError("Wrong settings:\n  " + "\n  ".join(lines)) from None
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(f"The file {env_file} cannot be read: {error}.") from None

    @property
    def image_limits(self) -> ImageLimits:
        """The upload limits as the decoder takes them."""
        return ImageLimits(self.max_upload_mb * 1024 * 1024, self.max_megapixels * 1_000_000)

    @property
    def sources(self) -> tuple[Source, ...]:
        """MODEL_SOURCES at the endpoints that are set."""
        endpoints = (self.hf_endpoint, self.modelscope_endpoint, self.github_endpoint)
        return parse_sources(self.model_sources, dict(zip(HUBS, endpoints, strict=True)))

    @property
    def has_well_known_key(self) -> bool:
        """Whether the AI service can be used by anyone who reaches it."""
        return self.api_auth_key.get_secret_value() == WELL_KNOWN_KEY

    @property
    def listens_beyond_loopback(self) -> bool:
        """Whether other machines can reach the services."""
        try:
            return not ip_address(self.host).is_loopback
        except ValueError:
            return self.host != "localhost"

    @property
    def clip_names(self) -> tuple[str, ...]:
        """CLIP_IMMICH_MODELS one by one."""
        return listed(self.clip_immich_models)

    @property
    def preloaded(self) -> tuple[str, ...]:
        """MODEL_PRELOAD one by one."""
        return listed(self.model_preload)

    @property
    def remote_ais(self) -> tuple[str, ...]:
        """MT_PHOTOS_API one by one, without this process's own AI service."""
        return tuple(url for url in self.mt_photos_apis if not self._is_own(url))

    @property
    def names_own_ai(self) -> bool:
        """Whether MT_PHOTOS_API has this process's own AI service in it."""
        return any(self._is_own(url) for url in self.mt_photos_apis)

    def _is_own(self, url: str) -> bool:
        parts = urlsplit(url)
        ours = {"localhost", "127.0.0.1", "::1", self.host.lower()}
        return parts.hostname in ours and (parts.port or 80) == self.http_port


def _fault(name: str, message: str, value: object) -> str:
    """What is wrong with a setting; what it is only where that is no secret."""
    field = Settings.model_fields.get(name)
    is_secret = name.endswith("_key") or (field and "SecretStr" in str(field.annotation))
    return f"{name.upper()}: {message}" + ("" if is_secret else f" (it is {value!r})")
