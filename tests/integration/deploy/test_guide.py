"""The guide says what there is, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.check.compose import DEPLOY
from immich_aio.settings import Settings

ROOT = DEPLOY.parent
PAIRS = (("deployment.md", "deployment.zh.md"), ("without-docker.md", "without-docker.zh.md"))
PAGES = tuple(name for pair in PAIRS for name in pair)

CODE = re.compile(r"^```(sh|ini)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAME = re.compile(r"`([A-Z][A-Z0-9]+_[A-Z0-9_]+)(?:=[^`]*)?`")

OF_OTHERS = {"COMPOSE_FILE", "META_URL", "DEFAULT_TEXT_SEARCH_CONFIG", "SERVER_RESTART_TIME"}
"""Compose's, JuiceFS's, and the predecessor's."""


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


@pytest.mark.parametrize(("english", "chinese"), PAIRS)
def test_both_languages_say_the_same_commands_under_as_many_headings(
    english: str, chinese: str
) -> None:
    assert CODE.findall(page(english)) == CODE.findall(page(chinese))
    for mark in (r"^#+ ", r"^\| ", r"^- "):
        lines = [len(re.findall(mark, page(name), re.MULTILINE)) for name in (english, chinese)]
        assert lines[0] == lines[1], mark


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    for link in LINK.findall(page(name)):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / "docs" / path).resolve() if path else ROOT / "docs" / name
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("name", PAGES)
def test_every_variable_exists(name: str) -> None:
    files = "".join(file.read_text() for file in (*DEPLOY.glob("*.yaml"), DEPLOY / "example.env"))
    proxies = "".join(file.read_text() for file in (DEPLOY / "proxy").iterdir())
    known = set(re.findall(r"[A-Z][A-Z0-9_]+", files + proxies)) | OF_OTHERS
    known |= {field.upper() for field in Settings.model_fields}
    assert set(NAME.findall(page(name))) - known == set()


def test_every_file_of_the_compose_stack_is_explained() -> None:
    for name in ("deployment.md", "deployment.zh.md"):
        missing = {
            file.name for file in DEPLOY.glob("*.yaml") if f"`{file.name}`" not in page(name)
        }
        assert missing == set()


def anchors(file: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
