"""The settings of Immich's database, and of searching it."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from immich_aio.domain.ranking import Weights
from immich_aio.settings.address import http_url

_WEIGHTS = Weights()


class SearchSettings(BaseSettings):
    """A part of ``Settings``."""

    db_url: SecretStr | None = Field(
        None,
        description="Immich's database as one address, such as "
        "postgresql://postgres:password@localhost:5432/immich; it goes before the five that "
        "follow. Without it and DB_HOSTNAME there is no search, and Immich answers as ever.",
    )
    db_hostname: str | None = Field(
        None,
        description="Where Immich's database runs, by Immich's own names: `database` in Docker.",
    )
    db_port: int = Field(5432, ge=1, le=65535, description="Port of Immich's database.")
    db_username: str = Field("postgres", description="Who reads it. Its tables are only read.")
    db_password: SecretStr = Field(SecretStr("postgres"), description="The password.")
    db_database_name: str = Field("immich", description="The database's name.")
    search_segmenter: Literal["auto", "rjieba", "zhparser"] = Field(
        "auto",
        description="What cuts text into words, for ranking. `auto` stays with what the index was "
        "made by; a new one takes `zhparser` where the database has that extension, else `rjieba`. "
        "Another choice makes the index anew.",
    )
    search_sync_interval: float = Field(
        2.0,
        ge=0.1,
        le=3600,
        description="Seconds between two looks at what Immich has read. Longer costs less, and new "
        "photos are found later.",
    )
    search_exact_limit: int = Field(
        5000,
        ge=0,
        le=1_000_000,
        description="Photos, of a library or of what its filters leave, up to which each is scored "
        "and the order is exact. Beyond, the order is that of the vector index, which is faster "
        "and may put one in a hundred a little too low. 5,000 take about 50 ms.",
    )
    search_ml_url: str | None = Field(
        None,
        description="Where queries get the vectors of their meaning: the gateway, or any server "
        "that Immich itself asks. Unset, the companion asks the gateway of its own process; else "
        "CLIP_MODEL makes them in process, or IMMICH_API is asked; without any of them texts alone "
        "are searched.",
    )
    search_ml_model: str | None = Field(
        None,
        description="The name of the CLIP model as Immich's settings have it. Unset, it is read in "
        "Immich's database; set it where those settings are a file (IMMICH_CONFIG_FILE).",
    )
    text_weight: float = Field(
        _WEIGHTS.text,
        ge=0,
        le=10,
        description="What a perfect text match is worth against the cosine of CLIP, whose useful "
        "range is about 0.1. Higher puts photos with the words before those that look like it; 0 "
        "leaves texts out.",
    )
    text_least: float = Field(
        _WEIGHTS.least,
        gt=0,
        le=1,
        description="Share of a query's words, by rarity, that a text must have to count beside "
        "the meaning. Higher leaves more to the meaning.",
    )
    words_weight: float = Field(
        _WEIGHTS.words, ge=0, le=1, description="What the words are worth in a text, by rarity."
    )
    all_words_weight: float = Field(
        _WEIGHTS.together, ge=0, le=1, description="What it is worth to have all words."
    )
    phrase_weight: float = Field(
        _WEIGHTS.phrase,
        ge=0,
        le=1,
        description="What it is worth to have them one after the other, as they were typed.",
    )
    unsure_weight: float = Field(
        _WEIGHTS.unsure,
        ge=0,
        le=1,
        description="What is taken off text that OCR was not sure of. 0 trusts everything alike.",
    )

    @field_validator("search_ml_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        return None if value is None else http_url(value)

    @field_validator("db_url")
    @classmethod
    def _is_database_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = urlsplit(value.get_secret_value())
            if parts.scheme not in ("postgres", "postgresql"):
                raise ValueError("must be a URL such as postgresql://postgres:password@host/immich")
        return value

    @property
    def database_url(self) -> str | None:
        """DB_URL, or the address that the other five make; None where there is no database."""
        if self.db_url is not None:
            return self.db_url.get_secret_value()
        if self.db_hostname is None:
            return None
        user, name = quote(self.db_username, safe=""), quote(self.db_database_name, safe="")
        password = quote(self.db_password.get_secret_value(), safe="")
        host = f"[{self.db_hostname}]" if ":" in self.db_hostname else quote(self.db_hostname)
        return f"postgresql://{user}:{password}@{host}:{self.db_port}/{name}"

    @property
    def ranking_weights(self) -> Weights:
        """What counts how much."""
        return Weights(
            text=self.text_weight,
            words=self.words_weight,
            together=self.all_words_weight,
            phrase=self.phrase_weight,
            unsure=self.unsure_weight,
            least=self.text_least,
        )
