"""A hub, a place for a file, and who fetches it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from immich_aio.engines.model_files.places import Places
from tests.integration.engines.caller import DATA, HALF, Caller
from tests.integration.engines.hub import Hub, a_hub


@pytest_asyncio.fixture
async def hub() -> AsyncIterator[Hub]:
    async with a_hub() as hub:
        yield hub


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """In a folder that does not exist yet."""
    return tmp_path / "models" / "clip" / "a.pt"


@pytest.fixture
def half(target: Path) -> Path:
    """What an earlier try has left of the file."""
    target.parent.mkdir(parents=True)
    part = Places(target).part
    part.write_bytes(DATA[:HALF])
    return part


@pytest.fixture
def caller(hub: Hub, target: Path) -> Caller:
    return Caller(hub, target)
