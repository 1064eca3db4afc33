"""What is logged can be read by people or by programs, and tells which request it is about."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator

import pytest

from immich_aio.cli.logs import begin_logging
from immich_aio.upstream.request_id import REQUEST_ID

log = logging.getLogger("immich_aio.test")


@contextlib.contextmanager
def fresh_root() -> Iterator[None]:
    """The root logger without handlers, and as it was before, afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    try:
        yield
    finally:
        root.handlers, root.level = handlers, level


def test_lines_for_people_end_in_the_requests_id(capsys: pytest.CaptureFixture[str]) -> None:
    with fresh_root():
        begin_logging("info", "text")
        log.info("before")
        token = REQUEST_ID.set("a1-2")
        log.warning("in it: %s", "发票")
        REQUEST_ID.reset(token)
        log.debug("not wanted")
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("INFO before")
    assert second.endswith("WARNING in it: 发票 [a1-2]")


def test_lines_for_programs_are_objects(capsys: pytest.CaptureFixture[str]) -> None:
    with fresh_root():
        begin_logging("warning", "json")
        token = REQUEST_ID.set("a1-2")
        log.error("it %s", "failed", exc_info=ValueError("why"))
        REQUEST_ID.reset(token)
        log.warning("later")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["level"], first["message"], first["request_id"]) == ("error", "it failed", "a1-2")
    assert "ValueError: why" in first["error"]
    assert second.keys() == {"time", "level", "logger", "message"}
