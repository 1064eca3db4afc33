"""What holds for every test: no variable of the machine it runs on reaches the product."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from immich_aio.settings import Settings


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """Take every setting out of the environment, also for the processes that tests start."""
    names = {name for name in os.environ if name.lower() in Settings.model_fields}
    before = {name: os.environ.pop(name) for name in names}
    yield
    os.environ.update(before)


# In CI the same examples every time: a run fails for what changed, not for what luck found.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("local", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")
