"""Search over a large library: ours, Immich's own smart search, and the bare vector index.

    ./aio bench search [--assets N] [--data DIR] [--shared-buffers SIZE] [--json]

One run makes a miniature of Immich with N made-up assets (one in five with about forty words), the
text index over it, and asks the same vectors of three sides, in turn, warm:

* ours: words and meaning together, through ``PhotoSearch``, 100 results;
* Immich 3.1's statement, with its second sort key. PostgreSQL up to 17, such as the 14 in Immich's
  own image, cannot take that order from the vector index; the newer one that is used here can, but
  then gives no more than 40 rows. So its incremental sort is off, which gives the older plan;
* the bare index: the same without the second key, with pgvector's iterative scan.

The words are drawn evenly by the logarithm of their rank, from words in most texts to words in one.
Warm: all is asked once before, with other vectors. The fiftieth page is read twice, as if nobody
had come near it, and again at once: whoever is there has come through those before it.

``--data`` keeps the database there for the next run. ``--shared-buffers`` is PostgreSQL's setting:
512 MB as in Immich's image, or for half a million assets and more a quarter of this machine's
memory, as docs/scaling.md says to set it for them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import os
import random
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from immich_aio.domain.asset_search import AssetFilters, SearchScope
from immich_aio.domain.immich import Shape, Visibility
from immich_aio.domain.ranking import Weights
from immich_aio.domain.search_query import parse_query
from immich_aio.services.sandbox.data import SQL, Data
from immich_aio.services.sandbox.embedded.postgres import Postgres
from immich_aio.services.sandbox.synthetic import fill_synthetic, vocabulary
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import ImmichTables, immich_tables
from immich_aio.store.index_sync import IndexSync
from immich_aio.store.migration import migrate
from immich_aio.store.named_sql import NamedSql
from immich_aio.store.search import PhotoSearch
from immich_aio.store.search_request import SearchOptions, SearchRequest
from immich_aio.store.text.segmentation import JiebaSegmenter
from immich_aio.store.text_index import index_status

QUERIES = 60
PAGE = 100
LARGE = 500_000
NATIVE = """
SELECT asset.id FROM asset INNER JOIN smart_search ON asset.id = smart_search."assetId"
WHERE asset.visibility = 'timeline' AND asset."ownerId" = any(%(users)s)
  AND asset."deletedAt" IS NULL
ORDER BY smart_search.embedding <=> %(vector)s::vector"""
SIZES = """
SELECT pg_database_size(current_database()) AS database,
  pg_table_size('smart_search') AS vectors, pg_relation_size('clip_index') AS vector_index"""
Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Library:
    """A filled database."""

    database: Database
    tables: ImmichTables
    user_id: UUID
    sync_per_s: float
    index_mb: float
    sizes_mb: dict[str, float]


def main(arguments: Sequence[str]) -> None:
    """Measure and print; with ``--json`` the last line is one JSON object."""
    parser = argparse.ArgumentParser(prog="bench search", description=__doc__)
    parser.add_argument("--assets", type=int, default=200_000)
    parser.add_argument("--data", type=Path, help="a folder to keep the database in")
    parser.add_argument("--shared-buffers", help="of PostgreSQL, such as 512MB")
    parser.add_argument("--json", action="store_true", help="end in one line of JSON")
    options = parser.parse_args(arguments)
    buffers = options.shared_buffers or _advised_buffers(options.assets)
    print(f"PostgreSQL has {buffers} of shared buffers.")
    figures = asyncio.run(_measure(options.assets, options.data, buffers))
    if options.json:
        print(json.dumps(figures))


async def _measure(assets: int, folder: Path | None, buffers: str) -> dict[str, float]:
    async with _library(assets, folder, buffers) as library:
        bench = _Bench(library)
        gc.collect()
        gc.freeze()  # as serve does when it has started
        await bench.warm_up()
        mixed = await bench.side_by_side()
        texts = await bench.text_only()
        never_asked, deep = await bench.deep_pages()
        recall = await bench.recall()
    figures = {
        "assets": assets,
        "ratio_native_p95": round(_p95(mixed["ours"]) / _p95(mixed["native"]), 4),
        "ratio_index_p50": round(_p50(mixed["ours"]) / _p50(mixed["index"]), 3),
        "hybrid_p95_ms": round(_p95(mixed["ours"]), 1),
        "ocr_p95_ms": round(_p95(texts), 1),
        "page50_ms": round(_p50(deep), 1),
        "recall100": round(recall, 4),
        "sync_per_s": round(library.sync_per_s),
        "index_mb": round(library.index_mb),
    }
    alone = {"ours, ocr:": texts, "ours, page 50": deep, "the same, first": never_asked}
    for name, times in (*mixed.items(), *alone.items()):
        print(f"{name:<15} p50 {_p50(times):>8.1f} ms   p95 {_p95(times):>8.1f} ms")
    print(
        f"ours/native p95 {figures['ratio_native_p95']}, ours/index p50 "
        f"{figures['ratio_index_p50']}, recall@100 {figures['recall100']}, index "
        f"{figures['index_mb']} MB, {figures['sync_per_s']} assets/s taken over"
    )
    sizes = ", ".join(f"{name} {size:.0f} MB" for name, size in library.sizes_mb.items())
    print(f"in the database: {sizes}")
    return figures


@contextlib.asynccontextmanager
async def _library(assets: int, folder: Path | None, buffers: str) -> AsyncIterator[Library]:
    async with contextlib.AsyncExitStack() as stack:
        where = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="search-")))
        where.mkdir(parents=True, exist_ok=True)
        where.chmod(0o755)
        password = where / "password"
        if not password.exists():
            password.write_text(secrets.token_hex(8))
        # As in Immich's own image: PostgreSQL 14 has no other processes read for it.
        memory = {"shared_buffers": buffers, "fsync": "off", "io_method": "sync"}
        (where / "postgres").mkdir(exist_ok=True)
        server = await Postgres.start(where / "postgres", password.read_text(), settings=memory)
        stack.push_async_callback(server.server.stop)
        await server.create_database("immich")
        database = Database(server.url("immich"))
        await database.open()
        stack.push_async_callback(database.close)
        user_id = await _fill(Data(database, Shape.V3_1), assets)
        yield await _index(database, user_id, assets)


async def _fill(data: Data, assets: int) -> UUID:
    await data.create_tables()
    row = await data.database.row('SELECT id FROM "user" LIMIT 1')
    if row is None:
        account = {"email": "bench@example.com", "name": "Bench", "admin": True, "label": "bench"}
        add_user = NamedSql(SQL / "samples.sql", data.shape)["add_user"]
        row = await data.database.row(add_user, password="", pin=None, **account)
    assert row is not None
    user_id = UUID(str(row["id"]))
    print(f"Making {assets:,} assets and the vector index over them …", flush=True)
    await fill_synthetic(data, user_id, assets, lambda _count: None)
    return user_id


async def _index(database: Database, user_id: UUID, assets: int) -> Library:
    tables = await immich_tables(database)
    await migrate(database)
    began = time.monotonic()
    sync = IndexSync(database, tables, JiebaSegmenter())
    await sync.rebuild()
    took = time.monotonic() - began
    began = time.monotonic()
    await sync.once()  # which makes the index over the vectors beside so many texts
    print(f"The next look at it took {time.monotonic() - began:.0f} s", flush=True)
    status = await index_status(database)
    assert status is not None
    sizes = await database.row(SIZES)
    assert sizes is not None
    sizes_mb = {name: int(size) / 1e6 for name, size in sizes.items()}
    return Library(database, tables, user_id, assets / took, status.bytes / 1e6, sizes_mb)


class _Bench:
    def __init__(self, library: Library) -> None:
        self._library = library
        self._random = np.random.default_rng(7)
        self._search = self._new_search()
        self._queries = _queries()

    def _new_search(self) -> PhotoSearch:
        """One that remembers no results."""
        library, options = self._library, SearchOptions(Weights())
        return PhotoSearch(library.database, library.tables, JiebaSegmenter(), options)

    async def warm_up(self) -> None:
        """Ask all three everything once, so that what is needed is in memory."""
        await self.side_by_side()

    async def side_by_side(self) -> dict[str, list[float]]:
        """Milliseconds a query by side; the three take turns."""
        times: dict[str, list[float]] = {"ours": [], "native": [], "index": []}
        for number, query in enumerate(self._queries):
            vector = await self._vector()
            times["index"].append(await _ms(lambda v=vector: self._index(v)))
            ours = await _ms(lambda q=query, v=vector: self._ours(q, v))
            times["ours"].append(ours)
            if number % 3 == 0:  # it is slow, and the same for every query
                times["native"].append(await _ms(lambda v=vector: self._native(v)))
        return times

    async def text_only(self) -> list[float]:
        """Milliseconds of the same words as text only."""
        return [await _ms(lambda q=query: self._ours("ocr:" + q)) for query in self._queries]

    async def deep_pages(self) -> tuple[list[float], list[float]]:
        """Milliseconds of the fiftieth page by itself, never asked for before, and again."""
        first, again = [], []
        for query in self._queries[::10]:
            vector = await self._vector()
            for times in (first, again):
                self._search = self._new_search()
                await self._ours("?")  # which reads how large the library is
                times.append(await _ms(lambda q=query, v=vector: self._ours(q, v, page=50)))
        return first, again

    async def recall(self) -> float:
        """The share of the 100 nearest that a search without words finds."""
        shares = []
        for _ in range(20):
            vector = await self._vector()
            found = set(await self._ours("?", vector))
            shares.append(len(found & set(await self._native(vector))) / PAGE)
        return statistics.fmean(shares)

    async def _ours(self, text: str, vector: Vector | None = None, page: int = 1) -> list[UUID]:
        request = SearchRequest(
            query=parse_query(text),
            filters=AssetFilters(visibility=Visibility.TIMELINE),
            scope=SearchScope((self._library.user_id,), elevated=False),
            page=page,
            size=PAGE,
        )
        found = await self._search.page(request, None if vector is None else vector.tolist())
        return [hit.asset_id for hit in found.hits]

    async def _native(self, vector: Vector) -> list[UUID]:
        return await self._plain(", asset.id", vector, enable_incremental_sort="off")

    async def _index(self, vector: Vector) -> list[UUID]:
        return await self._plain("", vector, **{"hnsw.iterative_scan": "strict_order"})

    async def _plain(self, second_key: str, vector: Vector, **settings: str) -> list[UUID]:
        spelled = "[" + ",".join(map(repr, vector.tolist())) + "]"
        parameters = {"users": [self._library.user_id], "vector": spelled}
        async with self._library.database.connection() as connection, connection.transaction():
            for name, value in settings.items():
                await connection.execute("SELECT set_config(%s, %s, true)", (name, value))
            sql = NATIVE + second_key + f" LIMIT {PAGE}"
            cursor = await connection.execute(sql.encode(), parameters)
            return [row["id"] for row in await cursor.fetchall()]

    async def _vector(self) -> Vector:
        """A vector in the neighbourhood of some asset's."""
        row = await self._library.database.row(
            "SELECT embedding::text AS vector FROM smart_search OFFSET %(skip)s LIMIT 1",
            skip=int(self._random.integers(0, 5000)),
        )
        assert row is not None
        vector = np.array(json.loads(row["vector"])) + self._random.standard_normal(512) * 0.04
        return np.asarray(vector / np.linalg.norm(vector))


def _advised_buffers(assets: int) -> str:
    """What docs/scaling.md says that PostgreSQL should have."""
    if assets < LARGE:
        return "512MB"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{memory // 4 >> 20}MB"


def _queries() -> list[str]:
    """Two thirds one word, the others two, each by the logarithm of its rank."""
    words, chosen = vocabulary(), random.Random(5)
    drawn: dict[str, None] = {}
    while len(drawn) < QUERIES:
        pair = [words[int(len(words) ** chosen.random()) - 1] for _ in range(2)]
        drawn[" ".join(pair if len(drawn) % 3 == 0 else pair[:1])] = None
    return list(drawn)


async def _ms(run: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await run()
    return (time.perf_counter() - began) * 1000


def _p50(times: Sequence[float]) -> float:
    return statistics.median(times)


def _p95(times: Sequence[float]) -> float:
    return float(np.percentile(times, 95))
