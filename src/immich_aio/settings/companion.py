"""The settings of the companion, which stands in front of Immich."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from immich_aio.settings.address import http_url
from immich_aio.settings.redis_address import address_of, redis_address

Network = IPv4Network | IPv6Network

LOOPBACK = ("127.0.0.0/8", "::1/128")
NETWORKS_BY_NAME = {
    "loopback": LOOPBACK,
    "linklocal": ("169.254.0.0/16", "fe80::/10"),
    "uniquelocal": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
}
"""Names that Immich knows for networks."""


class CompanionSettings(BaseSettings):
    """A part of ``Settings``."""

    immich_url: str = Field(
        "http://localhost:2283",
        description="Immich's own address, which the companion stands in front of. Nothing after "
        "the port: Immich does not work below a path.",
    )
    companion_port: int = Field(
        2284,
        ge=0,
        le=65535,
        description="Port of the companion: what browsers and apps open in place of Immich's.",
    )
    companion_timeout: float = Field(
        5.0,
        gt=0,
        le=600,
        description="Seconds that the companion's own answer may take. After them Immich answers "
        "as if the companion were not there. Larger waits longer for a better answer.",
    )
    immich_trusted_proxies: str = Field(
        "linklocal,uniquelocal",
        description="Reverse proxies in front of the companion that are believed when they say "
        "for whom they ask, and whether by https; addresses or networks, separated by commas. "
        "Immich's own variable, with Immich's own default, which is every private network: where "
        "you set it for Immich, set the same here.",
    )

    redis_hostname: str | None = Field(
        None,
        description="Where Immich's Redis runs, by Immich's own names: `redis` in Docker. Jobs for "
        "single photos are queued there. Without it and REDIS_URL nothing can be refreshed.",
    )
    redis_port: int = Field(6379, ge=1, le=65535, description="Port of Immich's Redis.")
    redis_dbindex: int = Field(0, ge=0, description="Number of the database in it.")
    redis_username: str | None = Field(None, description="Who writes to it, where that is asked.")
    redis_password: SecretStr | None = Field(None, description="The password, where there is one.")
    redis_socket: str | None = Field(
        None, description="Path of its socket, where it is reached by that. Goes before the host."
    )
    redis_url: SecretStr | None = Field(
        None,
        description="All of that in one: Immich's ioredis:// followed by base64, or redis://, "
        "rediss:// or unix://. Goes before the other six. Sentinels are not followed.",
    )

    @field_validator("immich_url")
    @classmethod
    def _has_no_path(cls, value: str) -> str:
        address = http_url(value)
        if urlsplit(address)._replace(scheme="", netloc="").geturl():
            raise ValueError("must end with the host or the port, such as http://localhost:2283")
        return address

    @field_validator("immich_trusted_proxies")
    @classmethod
    def _are_known_networks(cls, value: str) -> str:
        _networks(value)  # raises ValueError that says what is wrong
        return value

    @field_validator("redis_url")
    @classmethod
    def _is_redis_url(cls, value: SecretStr | None) -> SecretStr | None:
        return None if value is None else SecretStr(redis_address(value.get_secret_value()))

    @property
    def queue_url(self) -> str | None:
        """Where Immich's queues are; None where that is not set."""
        if self.redis_url is not None:
            return self.redis_url.get_secret_value()
        if self.redis_hostname is None and self.redis_socket is None:
            return None
        password = self.redis_password.get_secret_value() if self.redis_password else None
        return address_of(
            {
                "host": self.redis_hostname,
                "port": self.redis_port,
                "db": self.redis_dbindex,
                "username": self.redis_username,
                "password": password,
                "path": self.redis_socket,
            }
        )

    @property
    def companion_proxies(self) -> tuple[Network, ...]:
        """IMMICH_TRUSTED_PROXIES one by one, and this machine, which Immich always trusts."""
        return _networks(f"loopback,{self.immich_trusted_proxies}")


def _networks(value: str) -> tuple[Network, ...]:
    words = [word.strip() for word in value.split(",") if word.strip()]
    named = [NETWORKS_BY_NAME.get(word.lower(), (word,)) for word in words]
    return tuple(ip_network(each, strict=False) for networks in named for each in networks)
