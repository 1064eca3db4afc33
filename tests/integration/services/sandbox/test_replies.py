"""Every reply has the keys and types that were recorded from a running Immich 3.1.0."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.integration.services.sandbox.mini import Mini
from tests.integration.services.sandbox.ml_server import MlServer

RECORDED = Path(__file__).parents[3] / "data" / "immich" / "recorded"
FILES = sorted(path.stem for path in RECORDED.glob("*.json"))
JAVASCRIPT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
POSTGRESQL = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00"


def recorded(name: str) -> dict[str, Any]:
    found = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def kind(value: object) -> object:
    """What a value is: its type, and of a text also how it is spelled."""
    if isinstance(value, dict):
        return {key: kind(each) for key, each in value.items()}
    if isinstance(value, list):
        return [kind(value[0])] if value else []
    if not isinstance(value, str):
        return (
            "number"
            if isinstance(value, int | float) and not isinstance(value, bool)
            else type(value)
        )
    for name, pattern in (("moment", JAVASCRIPT), ("row's moment", POSTGRESQL)):
        if re.fullmatch(pattern, value):
            return name
    try:
        return f"uuid {UUID(value).version}"
    except ValueError:
        return "text"


def assert_same(found: object, wanted: object, path: str = "") -> None:
    """The same keys in the same order, and the same kinds of values; null stands for any."""
    if isinstance(wanted, dict):
        assert isinstance(found, dict), path
        assert list(found) == list(wanted), path
        for key in wanted:
            assert_same(found[key], wanted[key], f"{path}.{key}")
    elif isinstance(wanted, list):
        assert isinstance(found, list), path
        for index, (one, other) in enumerate(zip(found, wanted, strict=False)):
            assert_same(one, other, f"{path}[{index}]")
    elif wanted is not None and found is not None:
        assert kind(found) == kind(wanted), path
    else:
        # What was null there may have a value here, and the other way round: no more is known.
        assert not isinstance(found, dict | list) or wanted is None, path


async def read_photos(mini: Mini) -> tuple[Any, str]:
    """A user, and one of two photos that were read."""
    user = await mini.user()
    first = await mini.photo(user, "receipt.jpg")
    await mini.photo(user, "sign.jpg")
    await mini.photo(user, "mixed.jpg")
    await mini.work()
    return user, str(first)


async def test_every_recorded_reply_is_answered_alike(newest: Mini, ml: MlServer) -> None:
    """Bodies as recorded, but with an id of this library in place of the recorded one."""
    ml.lines = ["发票 Invoice 40", "蓝天白云 Hello World"]
    user, photo = await read_photos(newest)
    for name in FILES:
        known = recorded(name)
        request = json.loads(
            json.dumps(known["request"]).replace("839055df-f1ed-4d12-ad1e-a7f2b926174b", photo)
        )
        headers = {"x-api-key": "wrong"} if name == "unauthorized" else user.by_key
        more = {} if request["body"] is None else {"json": request["body"]}
        path = request["path"].removeprefix("/api")
        reply = await newest.ask(path, request["method"], headers=headers, **more)
        assert reply.status == known["status"], name
        assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
        if reply.status >= 400:
            assert reply.json == known["response"], name
        else:
            assert_same(reply.json, known["response"], name)


async def test_a_search_page_is_told_from_the_last_one(newest: Mini, ml: MlServer) -> None:
    del ml
    user, _ = await read_photos(newest)
    reply = (await newest.search(user, "metadata", ocr="发票", size=2)).json
    assert (
        reply["assets"]["nextPage"]
        == recorded("search_metadata_ocr")["response"]["assets"]["nextPage"]
    )
    assert (await newest.search(user, "metadata", ocr="发票", size=3)).json["assets"][
        "nextPage"
    ] is None


def test_the_comparison_notices_what_differs() -> None:
    wanted = {
        "id": "839055df-f1ed-4d12-ad1e-a7f2b926174b",
        "at": "2026-11-23T00:11:39.843Z",
        "n": 1,
    }
    assert_same({**wanted}, wanted)
    for wrong in (
        {"id": wanted["id"], "at": wanted["at"]},
        {**wanted, "more": 1},
        {**wanted, "n": "1"},
        {**wanted, "n": True},
        {**wanted, "at": "2026-11-23T00:11:39+00:00"},
        {**wanted, "id": "01a205c7-0066-76ba-99df-61e523549944"},
    ):
        with pytest.raises(AssertionError):
            assert_same(wrong, wanted)


# ---- 2.2, of which nothing was recorded: what its source says


async def test_2_2_answers_an_asset_in_its_own_shape(mini: Mini, ml: MlServer) -> None:
    ml.lines = ["发票 Invoice 40"]
    user, photo = await read_photos(mini)
    asset = (await mini.ask(f"/assets/{photo}", user=user)).json
    (line,) = (await mini.ask(f"/assets/{photo}/ocr", user=user)).json
    version = (await mini.ask("/server/version")).json
    only_old = {"deviceAssetId", "deviceId", "unassignedFaces"}
    only_new = {"width", "height", "isEdited"}
    if mini.old:
        assert only_old <= asset.keys()
        assert not only_new & asset.keys()
        assert asset["duration"] == "0:00:00.00000"
        assert version == {"major": 2, "minor": 2, "patch": 3}
        assert not {"isVisible", "updateId"} & line.keys()
    else:
        assert only_new <= asset.keys()
        assert not only_old & asset.keys()
        assert asset["duration"] is None
        assert (asset["width"], asset["height"]) == (64, 48)
    assert datetime.fromisoformat(asset["createdAt"])


async def test_2_2_answers_errors_in_its_own_shape(mini: Mini) -> None:
    user = await mini.user()
    wrong_key = await mini.ask("/users/me", headers={"x-api-key": "wrong"})
    bad_id = await mini.search(user, "smart", query="x", personIds=["nope"])
    no_path = await mini.ask("/nothing")
    if mini.old:
        unauthorized = {"message": "Invalid API key", "error": "Unauthorized", "statusCode": 401}
        assert unauthorized.items() <= wrong_key.json.items()
        assert bad_id.json["message"] == ["each value in personIds must be a UUID"]
        assert bad_id.json["error"] == "Bad Request"
        assert no_path.json["error"] == "Not Found"
        for reply in (wrong_key, bad_id, no_path):
            assert reply.json.keys() == {"message", "error", "statusCode", "correlationId"}
    else:
        for reply in (wrong_key, bad_id, no_path):
            assert reply.json.keys() <= {"message", "errors"}
            assert reply.headers["X-Correlation-ID"]
    assert (no_path.status, no_path.json["message"]) == (404, "Cannot GET /api/nothing")
