"""Who may open the companion's pages, and what they ask for: whoever Immich knows."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from immich_aio.errors import ForbiddenError, UnauthorizedError
from immich_aio.services.companion.caller import ALL, Caller, Callers
from immich_aio.upstream.immich_api import Credentials

STATIC = Path(__file__).parent / "static"
CREDENTIALS = ("key", "slug", "sessionKey", "apiKey")
"""What of an address tells Immich who asks; the rest is asked of us."""
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class PageDoor:
    """Asks Immich who somebody is before anything is shown."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers

    async def page(self, request: Request, file: str) -> Response:
        """A page, or the way to Immich's login."""
        if await self._caller(request) is None:
            back = quote(request.url.path, safe="/")
            return RedirectResponse(
                f"/auth/login?continue={back}", 302, {"Cache-Control": "no-store"}
            )
        return FileResponse(STATIC / file, headers=PAGE_HEADERS)

    async def user(self, request: Request) -> Caller:
        """Who asks. Raises UnauthorizedError for nobody that Immich knows."""
        caller = await self._caller(request)
        if caller is None:
            raise UnauthorizedError("Immich does not know you; log in to it first.")
        return caller

    async def admin(self, request: Request) -> Caller:
        """An administrator. Raises ForbiddenError for anybody else, and as ``user``."""
        caller = await self.user(request)
        if not caller.is_admin or not caller.may(ALL):
            raise ForbiddenError("Only Immich's administrators are told how everything stands.")
        return caller

    async def _caller(self, request: Request) -> Caller | None:
        words = request.query_params.multi_items()
        query = urlencode([(name, value) for name, value in words if name in CREDENTIALS])
        return await self._callers.known_by(Credentials.of(request.headers.items(), query))
