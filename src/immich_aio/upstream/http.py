"""One HTTP client session, and the one seam where its errors become ours."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator

import aiohttp

from immich_aio.errors import TimeoutExceededError, UpstreamError


class HttpClient:
    """A lazily opened session towards one server; ``name`` is how messages call that server."""

    def __init__(self, name: str, url: str, timeout: float, headers: dict[str, str]) -> None:
        self.name = name
        self.url = url
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=timeout)
        self._headers = headers
        self._session: aiohttp.ClientSession | None = None

    @contextlib.asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        data: object = None,
        json: object = None,
        headers: dict[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The open response.

        Raises UpstreamError or TimeoutExceededError, also while the response is read.
        """
        with self._seam():
            sent = self._open().request(
                method, self.url + path, data=data, json=json, headers=headers
            )
            async with sent as response:
                yield response

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                headers={"Accept-Encoding": "identity", **self._headers},
                auto_decompress=False,
                # A server may close an idle connection just as we use it again, and the request is
                # lost; uvicorn and gunicorn do so after two seconds and more.
                connector=aiohttp.TCPConnector(keepalive_timeout=1),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    @contextlib.contextmanager
    def _seam(self) -> Iterator[None]:
        try:
            yield
        except (TimeoutError, aiohttp.ServerTimeoutError):
            raise TimeoutExceededError(
                f"{self.name} at {self.url} did not answer in time; raise UPSTREAM_TIMEOUT if it "
                "needs longer to load a model."
            ) from None
        except aiohttp.ClientConnectorError as error:
            raise UpstreamError(
                f"{self.name} at {self.url} cannot be reached: {error.strerror or error}."
            ) from None
        except aiohttp.ClientError as error:
            raise UpstreamError(f"{self.name} at {self.url} failed: {error!r}.") from None
