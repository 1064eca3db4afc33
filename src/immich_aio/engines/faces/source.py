"""Where the engine's models come from: a pack's files, fetched if need be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from immich_aio.engines.model_files.pack_folder import PackFiles


class PackSource:
    """The files of one pack, made ready once for all who wait for them.

    ``fetch`` waits for them, so many seconds at most; ``state`` tells people how far that is.
    """

    def __init__(
        self,
        name: str,
        fetch: Callable[[float], Awaitable[PackFiles]],
        state: Callable[[], str] = lambda: "not here yet",
    ) -> None:
        self.name = name
        self._fetch = fetch
        self._state = state
        self._files: PackFiles | None = None

    @property
    def state(self) -> str:
        """How far it has got, in words for people."""
        return self._state() if self._files is None else "ready, loaded on first use"

    def forget(self) -> None:
        """Look for the files anew when they are needed next."""
        self._files = None

    async def ready(self, patience: float) -> PackFiles:
        """The files; waits at most ``patience`` seconds for them.

        Raises LicenseError, ModelMissingError, ModelFetchError, TimeoutExceededError or
        UnavailableError.
        """
        if self._files is None:
            self._files = await self._fetch(patience)
        return self._files
