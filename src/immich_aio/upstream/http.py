"""One HTTP client session, and the one seam where its errors become ours."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, TypeVarTuple
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from immich_aio.errors import (
    AioError,
    OverloadedError,
    TimeoutExceededError,
    UnreachableError,
    UpstreamError,
)
from immich_aio.upstream.connection_pool import ConnectionPool
from immich_aio.upstream.request_id import HEADER, REQUEST_ID
from immich_aio.upstream.whole_reply import (
    BrokenReplyError,
    EndlessReplyError,
    post_head,
    whole_reply,
)
from immich_aio.wire.json_reader import shown

Result = TypeVar("Result")
Rest = TypeVarTuple("Rest")

MAX_REPLY = 32 * 1024 * 1024
"""Bytes of a reply beyond which no more is read: a hundred times what the fullest photo has."""

PARSED_AT_ONCE = 128 * 1024
"""Bytes of a reply that are parsed on the event loop; larger ones would hold up everybody else."""

CONNECT_SECONDS = 5.0
NOT_READY = (502, 503, 504)
REMEDY = "raise UPSTREAM_TIMEOUT if it needs longer to load a model"
LONGEST_PAUSE = 60


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A reply that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """A lazily opened session towards one server; ``name`` is how messages call that server.

    A user and password in ``url`` are sent, and never shown.
    """

    def __init__(
        self, name: str, url: str, timeout: float, headers: dict[str, str], remedy: str = REMEDY
    ) -> None:
        """``remedy`` is what to do where it takes longer than ``timeout``."""
        self.name = name
        self._remedy = remedy
        self.url = without_password(url)
        self._target = url
        connect = min(CONNECT_SECONDS, timeout)
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=timeout)
        self._headers = headers
        self._urls: dict[str, URL] = {}
        self._session: aiohttp.ClientSession | None = None
        self._pool: ConnectionPool | None = None
        self._read_seconds = timeout

    def __str__(self) -> str:
        return f"{self.name} at {self.url}"

    async def exchange(
        self,
        method: str,
        path: str,
        *,
        data: object = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        query: str = "",
    ) -> HttpReply:
        """The whole reply, whatever its status.

        ``query`` is sent as it is, and kept nowhere. Headers may be given twice, in a multidict.
        Raises UnreachableError, UpstreamError or TimeoutExceededError.
        """
        all_headers = CIMultiDict(headers or {})
        if request_id := REQUEST_ID.get():
            all_headers.setdefault(HEADER, request_id)
        url = URL(f"{self._target}{path}?{query}", encoded=True) if query else self._url(path)
        try:
            sent = self._open().request(method, url, data=data, json=json, headers=all_headers)
            async with sent as response:
                return HttpReply(response.status, response.headers, await self._body(response))
        except (TimeoutError, aiohttp.ClientError) as error:
            raise self._ours(error) from None

    async def post(
        self, path: str, pieces: Sequence[bytes], headers: Mapping[str, str]
    ) -> HttpReply:
        """The whole reply to a body that is in memory, with less work than ``exchange`` has.

        Raises as ``exchange``.
        """
        if self._pool is None:
            self._pool = ConnectionPool(self._target, str(self))
        head = post_head(
            self._url(path), {**self._headers, HEADER: REQUEST_ID.get(), **headers}, pieces
        )
        try:
            reply = await whole_reply(self._pool, head, pieces, self._read_seconds, MAX_REPLY)
        except (TimeoutError, BrokenReplyError, EndlessReplyError) as error:
            raise self._ours(error) from None
        return HttpReply(reply.status, reply.headers, reply.body)

    def failure(self, reply: HttpReply, path: str) -> UpstreamError | OverloadedError:
        """What a status that is no success says of the server."""
        if reply.status == 429:
            after = reply.headers.get("Retry-After", "1")
            seconds = min(int(after), LONGEST_PAUSE) if after.isdecimal() else 1
            return OverloadedError(
                f"{self} is busy; try again in {seconds} s.", retry_after=max(1, seconds)
            )
        kind = UnreachableError if reply.status in NOT_READY else UpstreamError
        return kind(f"{self} answered {reply.status} to {path}.{_detail(reply.body)}")

    async def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            self._pool.close()
        if self._session is not None:
            await self._session.close()

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        """The body, which may not be endless."""
        if (response.content_length or 0) > MAX_REPLY:
            raise self._endless()
        pieces, size = [], 0
        while piece := await response.content.readany():
            pieces.append(piece)
            size += len(piece)
            if size > MAX_REPLY:
                raise self._endless()
        return b"".join(pieces)

    def _endless(self) -> UpstreamError:
        return UpstreamError(f"{self} sent a reply of more than {MAX_REPLY // 2**20} MiB.")

    def _url(self, path: str) -> URL:
        if path not in self._urls:
            self._urls[path] = URL(self._target + path)
        return self._urls[path]

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                headers={"Accept-Encoding": "identity", **self._headers},
                auto_decompress=False,
                # A server may close an idle connection just as we use it again, and the request is
                # lost; uvicorn and gunicorn do so after two seconds and more.
                connector=aiohttp.TCPConnector(keepalive_timeout=1, limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _ours(self, error: Exception) -> AioError:
        """The one seam: our error for one of the HTTP clients'."""
        match error:
            case aiohttp.ConnectionTimeoutError():
                return UnreachableError(f"{self} cannot be reached: no connection in time.")
            case TimeoutError():
                return TimeoutExceededError(f"{self} did not answer in time; {self._remedy}.")
            case aiohttp.ClientConnectorError(os_error=reason):
                return UnreachableError(f"{self} cannot be reached: {_why(reason)}.")
            case EndlessReplyError():
                return self._endless()
            case _:
                return UpstreamError(f"{self} failed: {error!r}.")


def _why(error: OSError) -> str:
    """The system's words, such as "Connection refused"; a resolver's numbers are below zero."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error)


async def parsed(parse: Callable[[bytes, *Rest], Result], body: bytes, *rest: *Rest) -> Result:
    """What ``parse`` reads in the body of a reply."""
    if len(body) <= PARSED_AT_ONCE:
        return parse(body, *rest)
    return await asyncio.to_thread(parse, body, *rest)


def without_password(url: str) -> str:
    """An address as it may be shown."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _detail(body: bytes) -> str:
    """What a service of ours says of its error (RFC 9457), to follow a sentence."""
    try:
        problem = json.loads(body[:10_000])
    except (ValueError, RecursionError):
        return ""
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return f" It said: {shown(detail, 300)}" if isinstance(detail, str) else ""
