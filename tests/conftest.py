"""What holds for every test: no variable of the machine it runs on reaches the product."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from immich_aio.settings import Settings

NO_HUB = "http://127.0.0.1:9"
"""Nobody listens there: a test that names no hub of its own reaches none."""


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """Take every setting and proxy out of the environment, also for the processes that tests start.

    The hubs of models are set to an address at which there is none.
    """
    with pytest.MonkeyPatch.context() as environment:
        for name in list(os.environ):
            setting = name.lower().removesuffix("_file")
            is_setting = setting in {*Settings.model_fields, "server_restart_time"}
            if is_setting or name.lower().endswith("_proxy"):
                environment.delenv(name)
        environment.setenv("HF_ENDPOINT", NO_HUB)
        environment.setenv("MODELSCOPE_ENDPOINT", NO_HUB)
        environment.setenv("GITHUB_ENDPOINT", NO_HUB)
        yield


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> None:
    """A shell that starts the tests in the background has all that they start ignore Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


IN_MEMORY = Path("/dev/shm")  # noqa: S108  # whoever else may write there
ENOUGH = 4 * 2**30


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder into which root's PostgreSQL, which does not run as root, can come.

    In memory where there is room: databases are copied and thrown away a thousand times.
    """
    has_room = IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ENOUGH
    folder = Path(tempfile.mkdtemp(prefix="sandbox-", dir=IN_MEMORY if has_room else None))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


# In CI the same examples every time: a run fails for what changed, not for what luck found.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("local", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")


STAY_TOGETHER = {
    "the companion": (
        "acceptance/test_companion.py",
        "acceptance/test_companion_pages.py",
        "acceptance/test_companion_search.py",
        "acceptance/test_companion_web.py",
        "acceptance/test_deploy.py",
    ),
    "the sandbox": ("acceptance/test_sandbox.py", "acceptance/test_search.py"),
    "the product": ("acceptance/test_page.py", "acceptance/test_services.py"),
}
"""Files whose tests share what takes long to start, when several processes run the tests."""


class ByFile(LoadScopeScheduling):
    """A file's tests run in one process, one after the other, and so do those of STAY_TOGETHER."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        together = (name for name, files in STAY_TOGETHER.items() if file.endswith(files))
        return next(together, file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:  # noqa: ANN401  # xdist's
    """See xdist."""
    return ByFile(config, log)
