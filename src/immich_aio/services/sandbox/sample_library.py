"""Fills a new library: with the sample photos that come along, or with accounts alone."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow

from immich_aio.domain.immich import Visibility
from immich_aio.services.sandbox.accounts import password_hash
from immich_aio.services.sandbox.caller import token_hash
from immich_aio.services.sandbox.data import SQL, Data
from immich_aio.services.sandbox.embedded.data_folder import Credentials
from immich_aio.services.sandbox.library import Library, NewAsset
from immich_aio.store.named_sql import NamedSql
from immich_aio.wire.immich_api.media import asset_type

SAMPLES = resources.files(__package__) / "samples"
FACE_STEP = 160
"""How far apart the made-up faces of one photo stand, in pixels."""

Photo = Mapping[str, Any]


class Filler:
    """What is read from ``library.json``, put into the tables; once, and wholly or not at all."""

    def __init__(self, data: Data, library: Library, credentials: Credentials) -> None:
        self._data = data
        self._library = library
        self._credentials = credentials
        self._sql = NamedSql(SQL / "samples.sql", data.shape)
        self._plan = json.loads((SAMPLES / "library.json").read_text("utf-8"))

    async def fill(self, *, with_photos: bool) -> None:
        """Fill what is not filled yet; the jobs of new assets are still to be queued."""
        if await self._row("is_filled") is not None:
            return
        await self._run("empty")  # of what an earlier start may have left half done
        users = await self._add_users()
        if with_photos:
            await self._add_photos(users)
        await self._run("mark_filled")

    async def admin(self) -> UUID:
        """The administrator."""
        row = await self._row("admin")
        assert row is not None  # noqa: S101  # ``fill`` comes first
        return UUID(str(row["id"]))

    async def known_files(self, owner_id: UUID) -> dict[Path, datetime]:
        """The files of an owner's assets, and when they were changed."""
        rows = await self._data.database.rows(self._sql["known_files"], owner_id=owner_id)
        return {Path(row["path"]): row["modified"] for row in rows}

    async def unread(self) -> list[UUID]:
        """Assets with a file of which not even the metadata was read."""
        return [row["id"] for row in await self._data.database.rows(self._sql["unread"])]

    async def _add_users(self) -> dict[str, UUID]:
        users = {}
        for user in self._plan["users"]:
            pin = user.get("pin")
            users[user["key"]] = await self._new(
                "add_user",
                email=user["email"],
                name=user["name"],
                password=await password_hash(self._credentials.login),
                pin=pin and await password_hash(pin),
                admin=user["admin"],
                label=user["key"],
            )
        key = token_hash(self._credentials.api_key)
        await self._run("add_key", hash=key, user_id=users["admin"])
        for pair in self._plan["partners"]:
            ends = {"by": users[pair["by"]], "with": users[pair["with"]]}
            await self._run("add_partner", **ends, in_timeline=pair["inTimeline"])
        return users

    async def _add_photos(self, users: Mapping[str, UUID]) -> None:
        photos = [*self._plan["videos"], *self._plan["photos"]]  # live photos refer to videos
        assets: dict[str, UUID] = {}
        for photo in photos:
            owner = users[photo.get("owner", "admin")]
            assets[photo["file"]] = await self._add(photo, owner, assets)
        await self._add_stacks(photos, users, assets)
        await self._add_albums(photos, users, assets)
        await self._add_tags(photos, users, assets)
        await self._add_people(photos, users, assets)

    async def _add(self, photo: Photo, owner: UUID, assets: Mapping[str, UUID]) -> UUID:
        with resources.as_file(SAMPLES / photo["file"]) as file:
            path = await asyncio.to_thread(self._library.copied, file, owner)
        kind = asset_type(photo["file"])
        assert kind is not None  # noqa: S101  # our own files
        taken = datetime.fromisoformat(photo["taken"]).replace(tzinfo=UTC)
        added = await self._library.add(
            NewAsset(
                owner,
                path,
                photo["file"],
                kind,
                taken,
                taken,
                favorite=photo.get("favorite", False),
                visibility=Visibility(photo.get("visibility", "timeline")),
                duration=photo.get("duration"),
                live_photo_video_id=assets.get(photo.get("motion", "")),
            )
        )
        told = {key: photo.get(key) for key in ("city", "state", "country", "rating")}
        await self._run("describe", id=added.id, description=photo.get("description", ""), **told)
        if photo.get("trashed"):
            await self._run("trash", id=added.id)
        return added.id

    async def _add_stacks(
        self, photos: list[Photo], users: Mapping[str, UUID], assets: Mapping[str, UUID]
    ) -> None:
        stacks: defaultdict[str, list[UUID]] = defaultdict(list)
        for photo in photos:
            if "stack" in photo:
                stacks[photo["stack"]].append(assets[photo["file"]])
        for ids in stacks.values():
            stack_id = await self._new("add_stack", primary=ids[0], owner_id=users["admin"])
            await self._run("put_in_stack", stack_id=stack_id, ids=ids)

    async def _add_albums(
        self, photos: list[Photo], users: Mapping[str, UUID], assets: Mapping[str, UUID]
    ) -> None:
        for album in self._plan["albums"]:
            owner = users[album["owner"]]
            album_id = await self._new("add_album", name=album["name"], owner_id=owner)
            for other in album.get("shared", ()):
                await self._run("share_album", id=album_id, user_id=users[other])
            if "link" in album:
                await self._run("link_album", id=album_id, user_id=owner, slug=album["link"])
            for photo in photos:
                if album["name"] in photo.get("albums", ()):
                    await self._run("put_in_album", album_id=album_id, id=assets[photo["file"]])

    async def _add_tags(
        self, photos: list[Photo], users: Mapping[str, UUID], assets: Mapping[str, UUID]
    ) -> None:
        known: dict[str, UUID] = {}
        for photo in photos:
            for value in photo.get("tags", ()):
                tag_id = await self._tag(value, users["admin"], known)
                await self._run("put_tag", tag_id=tag_id, id=assets[photo["file"]])

    async def _tag(self, value: str, user_id: UUID, known: dict[str, UUID]) -> UUID:
        """The tag of that path, made with all that it stands under."""
        if value not in known:
            above = value.rpartition("/")[0]
            parent = await self._tag(above, user_id, known) if above else None
            ends = {"value": value, "user_id": user_id, "parent_id": parent}
            known[value] = await self._new("add_tag", **ends)
            await self._run("close_tag", id=known[value], parent_id=parent)
        return known[value]

    async def _add_people(
        self, photos: list[Photo], users: Mapping[str, UUID], assets: Mapping[str, UUID]
    ) -> None:
        known: dict[str, UUID] = {}
        for photo in photos:
            for number, name in enumerate(photo.get("people", ())):
                if name not in known:
                    known[name] = await self._new("add_person", name=name, owner_id=users["admin"])
                place = {"x": 100 + number * FACE_STEP, "person_id": known[name]}
                await self._run("put_face", id=assets[photo["file"]], **place)

    async def _new(self, statement: str, **parameters: object) -> UUID:
        row = await self._data.database.row(self._sql[statement], **parameters)
        assert row is not None  # noqa: S101  # an INSERT … RETURNING gives one
        return UUID(str(row["id"]))

    async def _run(self, statement: str, **parameters: object) -> None:
        await self._data.database.run(self._sql[statement], **parameters)

    async def _row(self, query: str) -> DictRow | None:
        return await self._data.database.row(self._sql[query])
