"""From settings to addresses: where each source has a file. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit

from immich_aio.engines.model_files.catalogue import RemoteFile

HUGGINGFACE = "https://huggingface.co"
MODELSCOPE = "https://modelscope.cn"


@dataclass(frozen=True, slots=True)
class Source:
    """A hub, or a plain folder of files on a web server; ``base`` has no slash at its end."""

    kind: Literal["huggingface", "modelscope", "folder"]
    base: str

    def url(self, file: RemoteFile) -> str:
        """Where this source has the file.

        The hubs' addresses are those that their own clients use: ``resolve/main`` at Hugging Face,
        ``resolve/master`` at ModelScope.
        """
        name = quote(file.name)
        if self.kind == "huggingface":
            return f"{self.base}/{file.huggingface}/resolve/main/{name}"
        if self.kind == "modelscope":
            return f"{self.base}/models/{file.modelscope}/resolve/master/{name}"
        return f"{self.base}/{name}"


def parse_sources(text: str, *, huggingface: str, modelscope: str) -> tuple[Source, ...]:
    """The sources of a comma-separated setting, in its order.

    Raises ValueError for anything but the two hubs' names and http(s) addresses.
    """
    hubs = {
        "huggingface": Source("huggingface", huggingface.rstrip("/")),
        "modelscope": Source("modelscope", modelscope.rstrip("/")),
    }
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise ValueError("must name at least one source, such as huggingface")
    return tuple(hubs.get(word.lower()) or _folder(word) for word in words)


def addresses(file: RemoteFile, sources: Sequence[Source]) -> tuple[str, ...]:
    """Where to ask for the file, in order, none twice."""
    return tuple(dict.fromkeys(source.url(file) for source in sources))


def shown(url: str) -> str:
    """The address for people: without user name, password and query, which may be secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def check_address(url: str) -> None:
    """Raises ValueError unless this is an address under which files can lie."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be huggingface, modelscope or a URL such as http://nas:8000/models")
    if parts.query or parts.fragment:
        raise ValueError("must be a URL without ? and #, to which file names can be added")
    parts.hostname.encode("idna")  # these raise ValueError for what is no host or no port
    _ = parts.port


def _folder(word: str) -> Source:
    check_address(word)
    return Source("folder", word.rstrip("/"))
