"""An empty library of Immich's in either shape."""

from __future__ import annotations

import pytest

from immich_aio.domain.immich import Shape
from immich_aio.store.database import Database
from tests.integration.services.conftest import mini, ml, newest, redis
from tests.integration.store.library import Library

__all__ = ["library", "mini", "ml", "newest", "redis"]


@pytest.fixture
def library(database: Database, shape: Shape) -> Library:
    """Immich's side."""
    return Library(database, shape)
