"""From settings to addresses: where each source has a file. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit

from immich_aio.engines.model_files.catalogue import RemoteFile

HUGGINGFACE = "https://huggingface.co"
MODELSCOPE = "https://modelscope.cn"
GITHUB = "https://github.com"
HUBS = {"huggingface": HUGGINGFACE, "modelscope": MODELSCOPE, "github": GITHUB}
"""The hubs by the names that settings have for them, and where they are."""


@dataclass(frozen=True, slots=True)
class Source:
    """A hub, or a plain folder of files on a web server; ``base`` has no slash at its end."""

    kind: Literal["huggingface", "modelscope", "github", "folder"]
    base: str

    def url(self, file: RemoteFile) -> str | None:
        """Where this source has the file; None where it cannot have it.

        The hubs' addresses are those that their own clients use: ``resolve/main`` at Hugging Face,
        ``resolve/master`` at ModelScope, a release's files at GitHub.
        """
        name = quote(file.name)
        if self.kind == "huggingface":
            found = file.huggingface and f"{file.huggingface}/resolve/main/{name}"
        elif self.kind == "modelscope":
            found = file.modelscope and f"models/{file.modelscope}/resolve/master/{name}"
        elif self.kind == "github":
            found = file.github and f"{file.github}/{name}"
        else:
            found = quote(file.place)
        return found and f"{self.base}/{found}"


def parse_sources(text: str, hubs: Mapping[str, str] = HUBS) -> tuple[Source, ...]:
    """The sources of a comma-separated setting, in its order; ``hubs`` says where those are.

    Raises ValueError for anything but the hubs' names and http(s) addresses.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise ValueError("must name at least one source, such as huggingface")
    return tuple(_source(word, hubs) for word in words)


def addresses(file: RemoteFile, sources: Sequence[Source]) -> tuple[str, ...]:
    """Where to ask for the file, in order, none twice."""
    found = (source.url(file) for source in sources)
    return tuple(dict.fromkeys(url for url in found if url is not None))


def shown(url: str) -> str:
    """The address for people: without user name, password and query, which may be secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def check_address(url: str) -> None:
    """Raises ValueError unless this is an address under which files can lie."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"must be {', '.join(HUBS)} or a URL such as http://nas:8000/models")
    if parts.query or parts.fragment:
        raise ValueError("must be a URL without ? and #, to which file names can be added")
    parts.hostname.encode("idna")  # these raise ValueError for what is no host or no port
    _ = parts.port


def _source(word: str, hubs: Mapping[str, str]) -> Source:
    match word.lower():
        case "huggingface" | "modelscope" | "github" as kind:
            return Source(kind, hubs[kind].rstrip("/"))
    check_address(word)
    return Source("folder", word.rstrip("/"))
