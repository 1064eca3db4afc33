"""All settings, typed; the only place that reads the environment.

Names are those that users of mt-photos-ai and of its gateway already have in their files, where
there is one. The composition root builds one ``Settings`` from the environment and ``.env``.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from immich_aio.domain.images import ImageLimits
from immich_aio.errors import BadInputError

WELL_KNOWN_KEY = "mt_photos_ai_extra"
"""The key every MT-Photos server is delivered with: convenient at home, no secret to anyone."""


class Settings(BaseSettings):
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
    immich_api: str | None = Field(
        None,
        description="Immich's own machine-learning server, such as http://localhost:3003. CLIP and "
        "faces go there; without it they are answered 503.",
    )
    mt_photos_api: str | None = Field(
        None,
        description="An AI service speaking the MT-Photos protocol. Unset, OCR runs in process; "
        "with `--roles gateway` it defaults to http://localhost:8060.",
    )
    mt_photos_api_key: SecretStr = Field(
        SecretStr(WELL_KNOWN_KEY), description="Key sent to MT_PHOTOS_API."
    )
    upstream_timeout: float = Field(
        120.0,
        gt=0,
        description="Seconds to wait for an answer of IMMICH_API or MT_PHOTOS_API. Immich itself "
        "waits for ever, so a larger value loses fewer jobs when a server is slow to load a model.",
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
        "than cores only costs memory.",
    )
    ocr_queue_size: int = Field(
        64,
        ge=1,
        description="Images that may wait. When it is full callers get 429 at once; a longer queue "
        "refuses later and holds more uploads in memory.",
    )
    ocr_side: int = Field(
        960,
        ge=320,
        le=4096,
        description="Longest side in pixels at which text is searched. Larger finds smaller print "
        "and costs time by its square.",
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

    @field_validator("immich_api", "mt_photos_api")
    @classmethod
    def _is_http_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be a URL such as http://localhost:3003")
        parts.hostname.encode("idna")  # these raise ValueError for what is no host or no port
        _ = parts.port
        return value.rstrip("/")

    @classmethod
    def load(cls, env_file: Path | None = Path(".env")) -> Self:
        """From the environment and the file. Raises BadInputError naming each bad variable."""
        try:
            return cls(_env_file=env_file)
        except ValidationError as error:
            lines = [
                f"{str(item['loc'][0]).upper()}: {item['msg']} (it is {item['input']!r})"
                for item in error.errors()
            ]
            raise BadInputError("Wrong settings:\n  " + "\n  ".join(lines)) from None
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(f"The file {env_file} cannot be read: {error}.") from None

    @property
    def image_limits(self) -> ImageLimits:
        """The upload limits as the decoder takes them."""
        return ImageLimits(self.max_upload_mb * 1024 * 1024, self.max_megapixels * 1_000_000)

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
    def remote_ocr(self) -> str | None:
        """MT_PHOTOS_API, unless that is this process's own AI service."""
        if self.mt_photos_api is None:
            return None
        parts = urlsplit(self.mt_photos_api)
        ours = {"localhost", "127.0.0.1", "::1", self.host.lower()}
        own = parts.hostname in ours and (parts.port or 80) == self.http_port
        return None if own else self.mt_photos_api
