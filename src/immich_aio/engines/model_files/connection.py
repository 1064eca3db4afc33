"""The HTTP session towards hubs, and the one seam where its errors become ours."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp

from immich_aio import __version__
from immich_aio.engines.model_files.exchange import SourceError


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: for a connection to come about, for one that sends nothing, and before asking the
    same source for the rest of what it cut off.
    """

    connect: float = 15.0
    silence: float = 60.0
    pause: float = 1.0


def open_session(timeouts: Timeouts) -> aiohttp.ClientSession:
    """A session that follows redirects and honours HTTP_PROXY, HTTPS_PROXY and NO_PROXY."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=timeouts.connect, sock_read=timeouts.silence
        ),
        headers={"User-Agent": f"immich-aio/{__version__}", "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        # Storage behind hubs signs its addresses: they hold only as they came, byte for byte.
        requote_redirect_url=False,
        trust_env=True,
    )


@contextlib.contextmanager
def seam(timeouts: Timeouts) -> Iterator[None]:
    """Whatever goes wrong between us and a source, as a SourceError.

    What goes wrong on the disk meanwhile must not pass here as an OSError.
    """
    try:
        yield
    except aiohttp.ConnectionTimeoutError:
        raise SourceError(f"no connection within {timeouts.connect:g} s") from None
    except (TimeoutError, aiohttp.ServerTimeoutError):
        raise SourceError(f"sent nothing for {timeouts.silence:g} s") from None
    except aiohttp.ClientSSLError as error:
        raise SourceError(f"no secure connection: {_reason(error)}") from None
    except aiohttp.ClientConnectorDNSError as error:
        raise SourceError(f"cannot be reached: {_reason(error)}") from None
    except aiohttp.ClientConnectorError as error:
        # asyncio's own words name the addresses that it tried, and not what was wrong with them.
        reason = os.strerror(error.errno) if error.errno else _reason(error)
        raise SourceError(f"cannot be reached: {reason}") from None
    except aiohttp.TooManyRedirects:
        raise SourceError("redirects without end", definite=True) from None
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise SourceError(f"is or leads to no valid address: {error}", definite=True) from None
    except (aiohttp.ClientError, OSError) as error:
        raise SourceError(f"the connection broke: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return str(strerror or error or type(error).__name__).rstrip(".")
