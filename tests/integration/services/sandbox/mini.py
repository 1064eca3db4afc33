"""A miniature for tests: served over real HTTP, over real PostgreSQL and Redis."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import redis.asyncio
from PIL import Image

from immich_aio.domain.immich import AssetType, Shape, Visibility
from immich_aio.services.sandbox.accounts import password_hash
from immich_aio.services.sandbox.app import Miniature, Parts
from immich_aio.services.sandbox.caller import token_hash
from immich_aio.services.sandbox.data import SQL, Data
from immich_aio.services.sandbox.embedded.postgres import Postgres
from immich_aio.services.sandbox.embedded.redis import Redis
from immich_aio.services.sandbox.library import Library, NewAsset
from immich_aio.services.sandbox.ml import MachineLearning
from immich_aio.services.sandbox.queues import CONCURRENCY
from immich_aio.services.sandbox.recognition import Recognition
from immich_aio.services.sandbox.worker import Worker
from immich_aio.store.database import Database
from immich_aio.store.named_sql import NamedSql
from immich_aio.upstream.bullmq import JobQueues
from immich_aio.upstream.immich_ml import ImmichMlClient
from tests.integration.services.live import Reply, ask, live
from tests.integration.services.sandbox.ml_server import MlServer, vector_of

PASSWORD = "hush"  # noqa: S105
PIN = "123456"
MOMENT = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


@dataclass
class User:
    """An account, and a key and a session of it."""

    id: UUID
    email: str
    key: str
    token: str

    @property
    def by_key(self) -> dict[str, str]:
        """Headers of a request with the key, which may do everything."""
        return {"x-api-key": self.key}

    @property
    def by_session(self) -> dict[str, str]:
        """Headers of a request with the session."""
        return {"authorization": f"Bearer {self.token}"}


@dataclass
class Mini:
    """A miniature, and ways to fill and ask it."""

    url: str
    shape: Shape
    data: Data
    library: Library
    queues: JobQueues
    worker: Worker
    redis_url: str
    miniature: Miniature
    names: dict[str, UUID] = field(default_factory=dict)
    """Assets, albums, tags and persons that were made, by name."""
    users: dict[str, User] = field(default_factory=dict)

    @property
    def old(self) -> bool:
        """Whether it imitates 2.2."""
        return self.shape is Shape.V2_2

    async def ask(
        self, path: str, method: str = "GET", *, user: User | None = None, **more: object
    ) -> Reply:
        """Ask with a user's key, or with the headers that are given."""
        headers = {**(user.by_key if user else {}), **more.pop("headers", {})}
        if "json" in more:
            headers["content-type"] = "application/json"
            more["data"] = json.dumps(more.pop("json"))
        return await ask(f"{self.url}/api{path}", method, headers=headers, **more)

    async def search(self, user: User, path: str, **body: object) -> Reply:
        """Search with a user's session."""
        return await self.ask(f"/search/{path}", "POST", json=body, headers=user.by_session)

    async def names_of(self, user: User, path: str, **body: object) -> list[str]:
        """The names of what a search finds, in order."""
        reply = await self.search(user, path, **body)
        assert reply.status == 200, reply.body
        return [item["originalFileName"] for item in reply.json["assets"]["items"]]

    async def run(self, sql: str, **parameters: object) -> None:
        """Run a statement of the test's own."""
        await self.data.database.run(sql, **parameters)

    async def rows(self, sql: str, **parameters: object) -> list[dict[str, Any]]:
        """All rows of a query of the test's own."""
        return await self.data.database.rows(sql, **parameters)

    async def user(self, name: str = "admin", *, admin: bool = True) -> User:
        """Make an account."""
        key, token = secrets.token_hex(8), secrets.token_hex(8)
        made = await self._sample(
            "add_user",
            email=f"{name}@example.com",
            name=name.capitalize(),
            password=await password_hash(PASSWORD),
            pin=await password_hash(PIN),
            admin=admin,
            label=name,
        )
        await self.data.run(
            "add_key", hash=token_hash(key), name="all", user_id=made, permissions=["all"]
        )
        await self.data.run("add_session", hash=token_hash(token), user_id=made)
        self.users[name] = User(made, f"{name}@example.com", key, token)
        return self.users[name]

    async def key(self, user: User, *permissions: str) -> dict[str, str]:
        """Headers of a request with a key that may do only that."""
        key = secrets.token_hex(8)
        made = {"hash": token_hash(key), "name": "some", "user_id": user.id}
        await self.data.run("add_key", **made, permissions=list(permissions))
        return {"x-api-key": key}

    async def photo(
        self, user: User, name: str = "photo.jpg", size: tuple[int, int] = (64, 48)
    ) -> UUID:
        """A picture with a file of its own, as after an upload; its jobs are queued."""
        path = self.library.upload_path(user.id, Path(name).suffix)
        colour = tuple(hashlib.sha256(name.encode()).digest()[:3])
        path.write_bytes(jpeg(size, colour))
        added = await self.library.add(
            NewAsset(user.id, path, name, AssetType.IMAGE, MOMENT, MOMENT)
        )
        await self.library.queue([added.id])
        return added.id

    async def asset(
        self, user: User, name: str, *, taken: datetime = MOMENT, **values: object
    ) -> UUID:
        """A row without a file.

        ``values`` are columns of ``asset``, and: ``exif``, columns of ``asset_exif``; ``text``,
        what ``ocr_search`` holds; ``vector``, a word that has one.
        """
        asset_id = self.names[name] = uuid4()
        exif, text, vector = (values.pop(key, None) for key in ("exif", "text", "vector"))
        more = {"device_asset_id": name, "device_id": "a phone"} if self.old else {}
        await self.data.run(
            "add_asset",
            id=asset_id,
            owner_id=user.id,
            type=values.pop("type", "IMAGE"),
            path=f"/nowhere/{name}",
            name=name,
            created_at=taken,
            modified_at=taken,
            checksum=hashlib.sha1(name.encode(), usedforsecurity=False).digest(),
            favorite=False,
            visibility=values.pop("visibility", Visibility.TIMELINE).value,
            duration=None,
            live_photo_video_id=None,
            **more,
        )
        await self.data.run("add_exif", id=asset_id, size=1)
        for table, key, columns in (("asset", "id", values), ("asset_exif", '"assetId"', exif)):
            for column, value in (columns or {}).items():
                statement = f'UPDATE {table} SET "{column}" = %(value)s WHERE {key} = %(id)s'  # noqa: S608
                await self.run(statement, value=value, id=asset_id)
        if text is not None:
            await self.data.run("save_ocr_search", id=asset_id, text=text)
        if vector is not None:
            await self.data.run("save_embedding", id=asset_id, embedding=vector_of(vector))
        return asset_id

    async def album(self, user: User, name: str, *assets: str, shared: User | None = None) -> UUID:
        """An album with these assets."""
        album_id = self.names[name] = await self._sample("add_album", name=name, owner_id=user.id)
        for asset in assets:
            await self._sample_run("put_in_album", album_id=album_id, id=self.names[asset])
        if shared is not None:
            await self._sample_run("share_album", id=album_id, user_id=shared.id)
        return album_id

    async def tag(self, user: User, value: str, *assets: str, parent: str | None = None) -> UUID:
        """A tag on these assets."""
        above = self.names[parent] if parent else None
        tag_id = await self._sample("add_tag", value=value, user_id=user.id, parent_id=above)
        self.names[value] = tag_id
        await self._sample_run("close_tag", id=tag_id, parent_id=above)
        for asset in assets:
            await self._sample_run("put_tag", tag_id=tag_id, id=self.names[asset])
        return tag_id

    async def person(self, user: User, name: str, *assets: str) -> UUID:
        """Someone with a face in these assets."""
        made = self.names[name] = await self._sample("add_person", name=name, owner_id=user.id)
        for asset in assets:
            await self._sample_run("put_face", id=self.names[asset], person_id=made, x=100)
        return made

    async def partner(self, by: User, with_: User, *, in_timeline: bool) -> None:
        """Let someone share their assets with another."""
        ends = {"by": by.id, "with": with_.id, "in_timeline": in_timeline}
        await self._sample_run("add_partner", **ends)

    async def unlock(self, user: User) -> None:
        """Unlock the user's session with the PIN."""
        reply = await self.ask(
            "/auth/session/unlock", "POST", headers=user.by_session, json={"pinCode": PIN}
        )
        assert reply.status == 204

    async def work(self) -> None:
        """Do all jobs that wait, and those that they queue."""
        self.worker.start(self.redis_url, on_ready=self.miniature.announce)
        while True:
            counts = [await self.queues.counts(queue) for queue in CONCURRENCY]
            if not any(count.unfinished for count in counts):
                break
            await asyncio.sleep(0.01)  # nobody tells when the last job of all queues is done
        await self.worker.close()

    async def _sample(self, statement: str, **parameters: object) -> UUID:
        sql = NamedSql(SQL / "samples.sql", self.shape)[statement]
        row = await self.data.database.row(sql, **parameters)
        assert row is not None
        return UUID(str(row["id"]))

    async def _sample_run(self, statement: str, **parameters: object) -> None:
        sql = NamedSql(SQL / "samples.sql", self.shape)[statement]
        await self.data.database.run(sql, **parameters)


@contextlib.asynccontextmanager
async def miniature(
    postgres: Postgres, server: Redis, ml: MlServer, shape: Shape, folder: Path
) -> AsyncIterator[Mini]:
    """An empty miniature with a database of its own."""
    name = f"test_{secrets.token_hex(6)}"
    await postgres.create_database(name, f"empty_{shape.value.replace('.', '_')}")
    client = redis.asyncio.from_url(server.url)
    await client.flushdb()
    await client.aclose()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(_drop, postgres, name)
        database = Database(postgres.url(name), max_connections=8)
        await database.open()
        stack.push_async_callback(database.close)
        data = Data(database, shape)
        queues = JobQueues(server.url)
        stack.push_async_callback(queues.close)
        library = Library(folder / "library", data, queues)
        learning = MachineLearning(ImmichMlClient(ml.url, 60, name="The gateway"))
        stack.push_async_callback(learning.close)
        worker = Worker(data, library, queues, Recognition(data, learning))
        stack.push_async_callback(worker.close)
        made = Miniature(Parts(data, library, queues, learning))
        url = await stack.enter_async_context(live(made.app))
        yield Mini(url, shape, data, library, queues, worker, server.url, made)


async def _drop(postgres: Postgres, name: str) -> None:
    async with await psycopg.AsyncConnection.connect(
        postgres.url("postgres"), autocommit=True
    ) as connection:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def jpeg(size: tuple[int, int], colour: tuple[int, ...]) -> bytes:
    """A picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour[:3]).save(buffer, "JPEG")
    return buffer.getvalue()
