"""Searches through the companion while what is searched, or what it is searched with, changes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from immich_aio.services.sandbox import server_info
from tests.integration.services.companion.companions import Searching, filled, read, searching
from tests.integration.services.sandbox.mini import Mini, User
from tests.integration.services.sandbox.ml_server import MlServer, vector_of


@pytest_asyncio.fixture
async def companion(newest: Mini, ml: MlServer) -> AsyncIterator[Searching]:
    """Before a library of its own."""
    await filled(newest)
    async with searching(newest, ml) as made:
        yield made


@pytest.fixture
def user(companion: Searching) -> User:
    return companion.mini.users["admin"]


async def test_ocr_with_fields_that_only_immich_may_know_is_its_own_filter(
    companion: Searching, user: User, newest: Mini
) -> None:
    """So nothing of what was asked is left out, and the prefix is no word to it."""
    await newest.data.run("save_ocr_search", id=newest.names["sea.jpg"], text="发票")
    assert await companion.names(user, query="ocr:发票", aFieldOfTomorrow=1) == ["sea.jpg"]
    found = await companion.names(user, "metadata", description="ocr:发票", aFieldOfTomorrow=1)
    assert found == ["sea.jpg"]
    album = str(await newest.album(user, "trip", "sea.jpg"))
    assert await companion.names(user, "metadata", ocr="ocr:发票", albumIds=[album]) == ["sea.jpg"]


async def test_faces_in_a_reply_are_immichs(companion: Searching, user: User, newest: Mini) -> None:
    person = str(await newest.person(user, "Li", "invoice.jpg"))
    body = {"ocr": "ocr:发票", "withPeople": True}
    reply = await companion.ask("metadata", user, body)
    by_name = {item["originalFileName"]: item for item in reply.json["assets"]["items"]}
    assert [one["id"] for one in by_name["invoice.jpg"]["people"]] == [person]
    assert by_name["hotel.png"]["people"] == []
    await companion.same("smart", user, {"query": "zzz", "personIds": [person]})


async def test_a_new_photo_is_found_as_soon_as_immich_has_read_it(
    companion: Searching, user: User, newest: Mini
) -> None:
    await read(newest, "sea.jpg", "灯塔 lighthouse")
    found: list[str] = []
    while not found:  # the index follows by looking, and tells nobody
        found = await companion.names(user, query="ocr:lighthouse")
    assert found == ["sea.jpg"]
    status = companion.feature.keeper.status()
    assert status.written >= 1
    assert status.lag is not None
    figures = await companion.feature.keeper.figures()
    assert (figures.index.documents, figures.photos_with_text, figures.behind) == (6, 6, 0)


async def test_a_vector_of_another_length_is_never_compared(
    companion: Searching, user: User, ml: MlServer
) -> None:
    """Words are found without it, and else Immich says what Immich says."""
    ml.vectors = dict.fromkeys(("酒店", "zzz"), vector_of("x", 3))
    assert await companion.names(user, query="酒店") == ["hotel.png"]
    assert (await companion.same("smart", user, {"query": "zzz"})).status == 500


async def test_smart_search_that_is_switched_off_stays_off(
    companion: Searching, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for texts alone, which need none."""
    monkeypatch.setattr(server_info, "features_reply", lambda _shape: {"smartSearch": False})
    async with companion.counting("immich", 1):
        await companion.same("smart", user, {"query": "发票"})
    assert len(await companion.names(user, query="ocr:发票")) == 3
