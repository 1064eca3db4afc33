"""The settings of the gateway alone."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from immich_aio.settings.address import http_url
from immich_aio.settings.folder import Folder

WELL_KNOWN_KEY = "mt_photos_ai_extra"
"""The key every MT-Photos server is delivered with: convenient at home, no secret to anyone."""

Network = IPv4Network | IPv6Network


class GatewaySettings(BaseSettings):
    """Which backends there are, who may come in, and what waits how long."""

    immich_api: str | None = Field(
        None,
        description="Immich's own machine-learning server, such as http://localhost:3003; several, "
        "separated by commas, share the work. What is not answered here goes there: faces unless "
        "FACES_FROM is `here`, and CLIP unless CLIP_MODEL is set. Without it that is answered 503.",
    )
    mt_photos_api: str | None = Field(
        None,
        description="An AI service speaking the MT-Photos protocol, for OCR, for CLIP if "
        "CLIP_MODEL is set, and for faces if FACES_FROM is `here`; several, separated by commas, "
        "share the work. Unset, all run in process; with `--roles gateway` it defaults to "
        "http://localhost:8060.",
    )
    mt_photos_api_key: SecretStr = Field(
        SecretStr(WELL_KNOWN_KEY), description="Key sent to MT_PHOTOS_API."
    )
    gateway_config: Folder | None = Field(
        None,
        description="A TOML file that says which backends there are, and which of them does what "
        "in which order. With it, IMMICH_API and MT_PHOTOS_API are not looked at.",
    )
    upstream_timeout: float = Field(
        120.0,
        gt=0,
        le=86_400,
        description="Seconds that IMMICH_API or MT_PHOTOS_API has for an image, after which "
        "another one is asked, or the same again. Larger wastes less where a server is slow to "
        "load a model; smaller notices sooner that one hangs.",
    )
    query_timeout: float = Field(
        3.0,
        gt=0,
        le=86_400,
        description="Seconds that a backend has for a text query while another one could answer "
        "it. A person waits with it.",
    )
    job_wait: float = Field(
        900.0,
        ge=0,
        le=86_400,
        description="Seconds an image waits at the gateway for a backend that can take it, tries "
        "that failed included. Immich loses a job that fails, so longer loses fewer; its other "
        "jobs wait meanwhile.",
    )
    waiting_room: int = Field(
        1000,
        ge=0,
        description="Images that may wait at the gateway for a backend; when it is full callers "
        "get 429.",
    )
    body_memory_mb: int = Field(
        256,
        ge=1,
        description="MiB of memory for uploads that the gateway has in hand. What is more, and "
        "every upload over 1 MiB, is kept on disk until it is answered.",
    )
    spill_mb: int = Field(
        4096, ge=0, description="MiB of disk for uploads that the gateway has in hand."
    )
    spill_folder: Folder | None = Field(
        None,
        description="Where on disk they are kept; unset, in the system's folder for temporary "
        "files, which on some systems is memory.",
    )
    text_cache: int = Field(
        1000,
        ge=0,
        description="Text queries whose vectors the gateway keeps, 10 KB each; 0 keeps none. They "
        "are forgotten when the model's files change, or its server was away.",
    )
    gateway_key: SecretStr | None = Field(
        None,
        description="Key that callers of the gateway must send, also in the address: "
        "http://gateway:8080/key/KEY/ is what to enter in Immich then. Unset, nobody is asked.",
    )
    allowed_networks: str | None = Field(
        None,
        description="Networks whose callers the gateway lets in, separated by commas, such as "
        "172.16.0.0/12; unset, all.",
    )
    trusted_proxies: str | None = Field(
        None,
        description="Networks of proxies in front of the gateway, separated by commas, that are "
        "believed when they say for whom they ask (X-Forwarded-For); unset, none.",
    )
    query_wait: float = Field(
        10.0,
        ge=0,
        le=86_400,
        description="Seconds a text query waits for a backend, or for a model that is being "
        "fetched. A person waits with it, so it is shorter than JOB_WAIT and MODEL_WAIT.",
    )

    @field_validator("immich_api", "mt_photos_api")
    @classmethod
    def _are_http_urls(cls, value: str | None) -> str | None:
        return None if value is None else ",".join(http_url(each) for each in listed(value))

    @field_validator("allowed_networks", "trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str | None) -> str | None:
        _networks(value)  # raises ValueError that says what is wrong
        return value

    @field_validator("gateway_key")
    @classmethod
    def _may_stand_in_an_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and "/" in value.get_secret_value():
            raise ValueError("must have no slash, for it may stand in an address")
        return value

    @property
    def immich_apis(self) -> tuple[str, ...]:
        """IMMICH_API one by one."""
        return listed(self.immich_api or "")

    @property
    def mt_photos_apis(self) -> tuple[str, ...]:
        """MT_PHOTOS_API one by one."""
        return listed(self.mt_photos_api or "")

    @property
    def networks(self) -> tuple[Network, ...]:
        """ALLOWED_NETWORKS one by one."""
        return _networks(self.allowed_networks)

    @property
    def proxies(self) -> tuple[Network, ...]:
        """TRUSTED_PROXIES one by one."""
        return _networks(self.trusted_proxies)


def listed(value: str) -> tuple[str, ...]:
    """What stands between the commas of a setting."""
    return tuple(word.strip() for word in value.split(",") if word.strip())


def _networks(value: str | None) -> tuple[Network, ...]:
    return tuple(ip_network(each) for each in listed(value or ""))
