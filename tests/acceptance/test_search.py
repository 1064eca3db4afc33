"""Search as its users run it: a sandbox, and beside it the command, each a process of its own."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from tests.acceptance.product import run
from tests.acceptance.sandboxes import Sandbox

BLOCKED = """
import sys
sys.modules["rjieba"] = None
del sys.argv[1:3]  # what would have started the module
from immich_aio.__main__ import main
main()
"""


class Searches:
    """The command beside a sandbox, whose gateway makes the vectors of queries."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self._sandbox = sandbox
        self._folder = folder

    def run(self, *arguments: str, **settings: str) -> CompletedProcess[str]:
        """What a command says that knows the sandbox's database."""
        known = {"DB_URL": self._sandbox.known["database"], "PYTHONWARNINGS": "error"}
        return run(self._folder, *arguments, **known, **settings)

    def found(self, *arguments: str, user: str = "", **settings: str) -> list[Any]:
        """The results of a search, in its order."""
        asked = ("search", "--json", "--user", user or self._sandbox.known["email"], *arguments)
        done = self.run(*asked, **settings)
        assert done.returncode == 0, done.stderr
        results = json.loads(done.stdout)["results"]
        assert isinstance(results, list)
        return results

    def names(self, *arguments: str, user: str = "", **settings: str) -> list[str]:
        """The files' names of what a search finds."""
        found = self.found(*arguments, user=user, **settings)
        return [result["file_name"] for result in found]

    @property
    def gateway(self) -> dict[str, str]:
        """The setting by which the gateway is asked."""
        return {"SEARCH_ML_URL": self._sandbox.known["gateway"]}


@pytest.fixture
def searches(samples: Sandbox, tmp_path: Path) -> Searches:
    return Searches(samples, tmp_path)


def test_invoices_are_found_by_their_text_and_it_is_told_why(searches: Searches) -> None:
    made = searches.run("index", "rebuild")
    assert made.stdout.startswith("The text index is made: ")
    user = ("--user", "admin@example.com")
    told = searches.run("search", *user, "ocr:发票", "--explain")
    assert told.returncode == 0, told.stderr
    for words in (
        "invoice-hangzhou.jpg",
        "增值税电子普通[发票]",
        "統一[發票]",
        "× text",
        "发票: as a word (1)",
    ):
        assert words in told.stdout
    assert not told.stderr


FOUND = [
    ("ocr:统一发票", "uniform-invoice-taipei.jpg"),
    ("ocr:領収書", "receipt-tokyo.jpg"),
    ("ocr:ラーメン", "ramen.jpg"),
    ("ocr:39527", "number-plate.jpg"),
    ('ocr:"boarding pass"', "boarding-pass.jpg"),
    ("ocr:expresso", "coffee.jpg"),
]


@pytest.mark.parametrize(("query", "name"), FOUND)
def test_texts_of_four_languages_parts_and_misspellings_are_found_first(
    searches: Searches, query: str, name: str
) -> None:
    assert searches.names(query, "--size", "1") == [name]


def test_what_photos_look_like_is_asked_of_the_gateway(searches: Searches) -> None:
    """And text comes before it, for whoever types a word that stands in a photo."""
    seen = searches.found("a forest", "--size", "3", **searches.gateway)
    assert "forest.jpg" in [one["file_name"] for one in seen]
    assert all(one["cosine"] > 0 and not one["text_score"] for one in seen)
    (first,) = searches.found("發票", "--size", "1", **searches.gateway)
    assert (first["text_score"], first["cosine"] is None) == (1, False)


def test_what_photos_look_like_is_known_in_process_too(
    samples: Sandbox, searches: Searches
) -> None:
    models = {"CLIP_MODEL": "colours", "CLIP_DOWNLOAD_ROOT": f"{samples.data}/models"}
    there = searches.found("a forest", "--size", "5", **searches.gateway)
    here = searches.found("a forest", "--size", "5", **models)
    assert [one["id"] for one in here] == [one["id"] for one in there]


def test_each_user_finds_what_is_theirs_or_shared_with_them(searches: Searches) -> None:
    mine = set(searches.names("--size", "1000"))
    meis = set(searches.names("--size", "1000", user="mei@example.com"))
    assert mine != meis
    assert mine & meis


def test_filters_hold_beside_words(searches: Searches) -> None:
    every = searches.names("ocr:发票")
    april = searches.names(
        "--taken-after", "2026-04-01", "--taken-before", "2026-05-01", "ocr:发票"
    )
    assert set(april) < set(every)
    assert {"invoice-hangzhou.jpg", "invoice-hotel.jpg"} <= set(april)


def test_without_the_parts_of_search_it_says_what_to_install(tmp_path: Path) -> None:
    done = run(tmp_path, "search", "发票", before=("-c", BLOCKED))
    assert done.returncode == 1
    assert "pip install 'immich-aio[search]'" in done.stderr
    assert "Traceback" not in done.stderr
