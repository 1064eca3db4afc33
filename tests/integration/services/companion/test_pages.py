"""Our script comes into Immich's pages, and into nothing else."""

from __future__ import annotations

import pytest
from aiohttp import web

from immich_aio.services.companion.html import MAX_PAGE, SCRIPT
from tests.integration.services.companion.wires import (
    Answer,
    companion_before,
    exchanged,
    get,
    serving,
)

PAGE = b"<!doctype html><html><head><title>x</title></head><body></head></body></html>"
WITH_SCRIPT = PAGE.replace(b"</head><body>", SCRIPT + b"</head><body>")
BROWSER = (
    "Accept: text/html,application/xhtml+xml,*/*;q=0.8",
    "Accept-Encoding: gzip, br",
    'If-None-Match: "page"',
    "If-Modified-Since: Sun, 01 Nov 2026 10:00:00 GMT",
)


async def answer(
    body: bytes = PAGE,
    kind: str = "text/html; charset=utf-8",
    *,
    path: str = "/photos",
    method: str = "GET",
    headers: tuple[str, ...] = BROWSER,
    status: int = 200,
) -> Answer:
    """What a caller gets of an Immich that has this page."""

    async def show(request: web.Request) -> web.Response:
        own = {"ETag": '"page"', "Cache-Control": "no-store", "Last-Modified": "x"}
        if request.headers.get("If-None-Match") == '"page"':
            return web.Response(status=304, headers=own)
        reply = web.Response(status=status, body=body, headers={"Content-Type": kind, **own})
        reply.enable_compression()
        return reply

    async with (
        serving(web.route("*", "/{rest:.*}", show)) as immich,
        companion_before(immich) as companion,
    ):
        return await exchanged(companion, get(path, *headers, method=method), method=method)


@pytest.mark.parametrize("status", [200, 404])
async def test_a_page_gets_our_script_once_and_is_never_answered_by_304(status: int) -> None:
    """Immich's pages have a tag in spite of ``no-store``, and bad share links are pages too."""
    got = await answer(status=status)
    assert (got.status, got.body) == (status, WITH_SCRIPT)
    assert got.header("content-length") == [str(len(WITH_SCRIPT))]
    assert got.header("cache-control") == ["no-store"]
    assert not got.header("etag") + got.header("content-encoding") + got.header("last-modified")


@pytest.mark.parametrize(
    "page", [b"", b"<p>no head</p>", b"<head>", b"x" * (MAX_PAGE + 1), b"\xff\xfe</hea"]
)
async def test_a_page_that_has_no_head_or_no_end_stays_as_it_is(page: bytes) -> None:
    assert (await answer(page)).body == page


async def test_the_end_of_a_head_is_found_in_any_case() -> None:
    assert (await answer(b"<HEAD></HEAD >")).body == b"<HEAD>" + SCRIPT + b"</HEAD >"


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"path": "/api/assets"}, 304),
        ({"path": "/API/assets"}, 304),
        ({"method": "HEAD"}, 304),
        ({"headers": ("Accept: */*",)}, 200),
        ({"headers": ("Accept: */*", 'If-None-Match: "page"')}, 304),
        ({"kind": "application/javascript"}, 200),
    ],
)
async def test_what_is_no_page_for_a_person_is_left_alone(
    how: dict[str, object], status: int
) -> None:
    got = await answer(**how)  # type: ignore[arg-type]
    assert got.status == status
    assert got.body == (PAGE if status == 200 else b"")
    assert got.header("etag") == ['"page"']
