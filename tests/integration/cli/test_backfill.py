"""Back-fills through Immich's own queues and worker: nothing is lost, and little done twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE, STDOUT
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
import redis.asyncio
from pydantic import SecretStr

from immich_aio.cli.backfill import Task, commands
from immich_aio.cli.backfill import work as working
from immich_aio.cli.backfill.feeder import Ending, Feeder, Parts, Patience
from immich_aio.cli.backfill.wish import Wish
from immich_aio.domain.backfill import FEWEST, BackfillProgress, Scope
from immich_aio.domain.refresh import Hindrance, Marks, Refresh
from immich_aio.errors import BadInputError, ElsewhereError, UnavailableError
from immich_aio.settings import Settings
from immich_aio.store.backfill import BackfillLog
from immich_aio.store.immich_guard import immich_tables
from immich_aio.store.migration import migrate
from immich_aio.upstream.immich_jobs import ImmichJobs
from tests.integration.services.sandbox.mini import Mini, User
from tests.integration.services.sandbox.ml_server import MlServer

BOTH = pytest.mark.parametrize("refresh", list(Refresh), ids=lambda one: one.value)
OCR, CLIP = Refresh.OCR, Refresh.SMART_SEARCH
QUICK = Patience(interval=0.05, first=0.05, longest=0.1)
EVERYTHING = Wish(Scope.ALL, None, {})
MISSING = Wish(Scope.MISSING, None, {})
Said = list[tuple[BackfillProgress, str]]


class Backfill:
    """A back-fill of a miniature's photos, begun, and to be run in this process."""

    def __init__(self, mini: Mini, refresh: Refresh, feeder: Feeder, said: Said) -> None:
        self.log = BackfillLog(mini.data.database, refresh)
        self.feeder = feeder
        self.said = said
        self.total = 0
        self.hindered: Mapping[Hindrance, int] = {}

    async def until(self, is_so: Callable[[BackfillProgress, str], bool]) -> None:
        """Return when it tells so."""
        while not (self.said and is_so(*self.said[-1])):  # noqa: ASYNC110  # it tells a list
            await asyncio.sleep(0.01)

    async def figures(self) -> tuple[int, int, list[str]]:
        """All photos, those that are done, and the names of those that failed."""
        run = await self.log.run()
        assert run is not None
        return run.progress.total, run.progress.done, await self.log.failed()


@asynccontextmanager
async def backfill(
    mini: Mini, refresh: Refresh, wish: Wish = MISSING, *, redis_url: str | None = None
) -> AsyncIterator[Backfill]:
    """Note a back-fill, as the command does."""
    database = mini.data.database
    await migrate(database)
    settings = Settings.model_construct(redis_url=SecretStr(mini.redis_url))
    immich = working.Immich(settings, database, await immich_tables(database))
    log = BackfillLog(database, refresh)
    photos = await immich.photos(refresh, wish, started_at := await log.now())
    extent = await photos.extent()
    if await log.run() is None:
        await log.begin(wish.record, started_at, extent.possible)
    jobs = ImmichJobs(redis_url or mini.redis_url)
    said: Said = []
    parts = Parts(refresh, wish.scope, log, photos, jobs)
    feeder = Feeder(parts, lambda *what: said.append(what), None, QUICK)
    made = Backfill(mini, refresh, feeder, said)
    made.total, made.hindered = extent.possible, extent.hindered
    try:
        yield made
    finally:
        await jobs.close()


@asynccontextmanager
async def worker(mini: Mini) -> AsyncIterator[None]:
    """Immich's worker, at work."""
    mini.worker.start(mini.redis_url)
    try:
        yield
    finally:
        await mini.worker.close()


async def take_turns(begun: Backfill, rounds: int) -> None:
    """Some rounds of it, as before a crash."""
    await begun.feeder._take_up()
    for _ in range(rounds):
        assert await begun.feeder._round() is None


async def photos(mini: Mini, user: User, count: int, *, done: bool = False) -> list[UUID]:
    """Photos with previews; Immich has read and encoded them, or was away just then."""
    made = [await mini.photo(user, f"{number}.jpg") for number in range(count)]
    await mini.work()
    if not done:
        await mini.run('UPDATE asset_job_status SET "ocrAt" = NULL')
        await mini.run("TRUNCATE asset_ocr, ocr_search, smart_search")
    return made


async def never_done(mini: Mini) -> tuple[int, int]:
    """How many photos have no text read, and how many no vector."""
    rows = await mini.rows(
        'SELECT count(*) FILTER (WHERE "ocrAt" IS NULL) AS ocr, '
        "count(*) - (SELECT count(*) FROM smart_search) AS clip FROM asset_job_status"
    )
    return rows[0]["ocr"], rows[0]["clip"]


def asked(ml: MlServer, refresh: Refresh) -> int:
    return len(ml.tasks("ocr" if refresh is OCR else "clip"))


@BOTH
async def test_what_is_missing_is_done_and_nothing_else(
    mini: Mini, ml: MlServer, refresh: Refresh
) -> None:
    """Archived and locked ones too."""
    user = await mini.user()
    made = await photos(mini, user, 7)
    await mini.queues.add(*_job(refresh), [str(one) for one in made[:2]])
    for visibility, one in (("archive", made[2]), ("locked", made[3])):
        await mini.run(f"UPDATE asset SET visibility = '{visibility}' WHERE id = %(id)s", id=one)  # noqa: S608
    await mini.work()
    ml.asked.clear()
    async with worker(mini), backfill(mini, refresh) as begun:
        assert await begun.feeder.run() is Ending.FINISHED
    assert begun.total == asked(ml, refresh) == 5
    assert await begun.figures() == (5, 5, [])
    assert (await never_done(mini))[refresh is CLIP] == 0


@BOTH
async def test_all_are_done_anew_but_for_those_that_came_meanwhile(
    newest: Mini, ml: MlServer, refresh: Refresh
) -> None:
    user = await newest.user()
    await photos(newest, user, 12, done=True)
    ml.asked.clear()
    async with backfill(newest, refresh, EVERYTHING) as begun:
        await newest.photo(user, "new.jpg")
        await newest.work()
        ml.asked.clear()
        async with worker(newest):
            assert await begun.feeder.run() is Ending.FINISHED
    assert asked(ml, refresh) == 12
    assert await begun.figures() == (12, 12, [])


async def test_a_user_and_immichs_filters_narrow_it(newest: Mini, ml: MlServer) -> None:
    user, mei = await newest.user(), await newest.user("mei", admin=False)
    await photos(newest, user, 3)
    await newest.photo(mei, "hers.jpg")
    await newest.work()
    ml.asked.clear()
    for wish, count in (
        (Wish(Scope.ALL, "mei@example.com", {}), 1),
        (Wish(Scope.ALL, None, {"originalFileName": "2"}), 1),
        (Wish(Scope.ALL, "admin@example.com", {"isFavorite": True}), 0),
        (Wish(Scope.ALL, None, {"isFavorite": False}), 4),
    ):
        async with worker(newest), backfill(newest, OCR, wish) as begun:
            assert await begun.feeder.run() is Ending.FINISHED
            await begun.log.forget()
        assert (begun.total, asked(ml, OCR)) == (count, count)
        ml.asked.clear()


async def test_what_immichs_worker_would_drop_is_counted_and_left_out(
    newest: Mini, ml: MlServer
) -> None:
    user = await newest.user()
    plain, edited, half = await photos(newest, user, 3)
    await newest.asset(user, "bare.jpg")
    await newest.run("UPDATE asset SET visibility = 'hidden' WHERE id = %(id)s", id=half)
    await newest.run(
        'INSERT INTO asset_file ("assetId", type, path, "isEdited") '
        "VALUES (%(id)s, 'preview', '/edited', true)",
        id=edited,
    )
    ml.asked.clear()
    always = {Hindrance.HIDDEN: 1, Hindrance.NO_PREVIEW: 1}
    async with backfill(newest, OCR) as begun:
        assert (begun.total, begun.hindered) == (2, always)
    async with worker(newest), backfill(newest, CLIP) as begun:
        assert (begun.total, begun.hindered) == (1, {**always, Hindrance.EDITED: 1})
        assert await begun.feeder.run() is Ending.FINISHED
    rows = await newest.rows('SELECT "assetId" AS id FROM smart_search')
    assert [row["id"] for row in rows] == [plain]


async def test_a_photo_that_fails_is_tried_twice_and_named(newest: Mini) -> None:
    user = await newest.user()
    broken, gone, *_ = await photos(newest, user, 5)
    await newest.run(
        "UPDATE asset_file SET path = '/nowhere' WHERE \"assetId\" = any(%(ids)s)",
        ids=[broken, gone],
    )
    async with backfill(newest, OCR) as begun:
        await take_turns(begun, 1)
        await newest.run("DELETE FROM asset WHERE id = %(id)s", id=gone)
        async with worker(newest):
            assert await begun.feeder.run() is Ending.FINISHED
    assert await begun.figures() == (4, 3, ["0.jpg"])
    assert newest.worker.lost["Ocr"] == 3


async def test_while_no_job_comes_to_anything_it_waits_and_loses_nothing(
    newest: Mini, ml: MlServer
) -> None:
    """The machine-learning server is away; Immich loses every job that it takes meanwhile."""
    user = await newest.user()
    made = await photos(newest, user, 25)
    await newest.queues.add("ocr", "Ocr", [str(made[0])])
    await newest.work()
    async with worker(newest), backfill(newest, OCR) as begun:
        ml.failing = {"ocr"}
        running = asyncio.create_task(begun.feeder.run())
        await begun.until(lambda _, waits: "come to nothing" in waits)
        assert newest.worker.lost["Ocr"] < 3 * FEWEST
        ml.failing = set()
        assert await running is Ending.FINISHED
    assert await begun.figures() == (24, 24, [])


async def test_many_bad_photos_in_a_row_are_told_from_a_server_that_is_away(
    newest: Mini,
) -> None:
    user = await newest.user()
    made = await photos(newest, user, 20)
    await newest.queues.add("ocr", "Ocr", [str(made[0])])
    await newest.work()
    await newest.run(
        "UPDATE asset_file SET path = '/nowhere' WHERE \"assetId\" = any(%(ids)s)", ids=made[5:]
    )
    async with worker(newest), backfill(newest, OCR) as begun:
        assert await begun.feeder.run() is Ending.FINISHED
    total, done, failed = await begun.figures()
    assert (total, done, len(failed)) == (19, 4, 15)


async def test_where_nothing_ever_worked_it_stops_and_can_be_gone_on_with(
    newest: Mini, ml: MlServer
) -> None:
    user = await newest.user()
    await photos(newest, user, 12)
    ml.failing = {"clip"}
    async with worker(newest):
        async with backfill(newest, CLIP) as begun:
            assert await begun.feeder.run() is Ending.HOPELESS
        ml.failing = set()
        async with backfill(newest, CLIP) as begun:
            assert await begun.feeder.run() is Ending.FINISHED
    assert await begun.figures() == (12, 12, [])


async def test_few_jobs_wait_so_that_a_new_photo_has_its_turn_soon(newest: Mini) -> None:
    user = await newest.user()
    await photos(newest, user, FEWEST + 3)
    async with backfill(newest, OCR) as begun:
        await take_turns(begun, 3)
        assert (await newest.queues.counts("ocr")).unfinished == FEWEST


async def test_a_pause_holds_until_it_is_taken_back_and_a_cancel_ends_it(newest: Mini) -> None:
    user = await newest.user()
    await photos(newest, user, 5)
    async with worker(newest), backfill(newest, OCR) as begun:
        await begun.log.pause(paused=True)
        running = asyncio.create_task(begun.feeder.run())
        await begun.until(lambda _, waits: waits == "paused")
        assert (await newest.queues.counts("ocr")).unfinished == 0
        await begun.log.pause(paused=False)
        assert await running is Ending.FINISHED
        await begun.log.forget()
        assert await begun.feeder.run() is Ending.FORGOTTEN


async def test_a_queue_that_is_paused_in_immich_is_told(newest: Mini) -> None:
    user = await newest.user()
    await photos(newest, user, 2)
    async with worker(newest), backfill(newest, OCR) as begun:
        await newest.queues.pause("ocr")
        running = asyncio.create_task(begun.feeder.run())
        await begun.until(lambda _, waits: "OCR is paused in Immich" in waits)
        await newest.queues.resume("ocr")
        assert await running is Ending.FINISHED


async def test_photos_that_were_noted_but_never_queued_are_done(newest: Mini) -> None:
    """As after a crash between the two, and where Redis has forgotten everything."""
    user = await newest.user()
    made = await photos(newest, user, 12)
    async with backfill(newest, OCR) as begun:
        await take_turns(begun, 2)
        assert (await newest.queues.counts("ocr")).unfinished == FEWEST
    client = redis.asyncio.from_url(newest.redis_url)
    await client.flushdb()
    await client.aclose()
    async with worker(newest), backfill(newest, OCR) as begun:
        assert await begun.feeder.run() is Ending.FINISHED
    assert await begun.figures() == (len(made), len(made), [])


async def test_a_database_that_cut_everybody_off_is_waited_for(
    newest: Mini, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "AWAY_SECONDS", 0.05)
    user = await newest.user()
    await photos(newest, user, 30)
    async with worker(newest), backfill(newest, OCR) as begun:
        running = asyncio.create_task(working._persist(begun.feeder, begun.log))
        for done in (5, 15):
            await begun.until(lambda progress, _, done=done: progress.done >= done)
            await newest.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() "
                "AND query LIKE '%%immich_aio.backfill%%'"
            )
        assert await running is Ending.FINISHED
    assert await begun.figures() == (30, 30, [])


class Way:
    """A way to Redis that can be cut."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self) -> int:
        """Let everybody through, on the port that it gives."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self._port

    async def cut(self) -> None:
        """Let nobody through, nor those who were let in."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.close()
        while self._writers:  # noqa: ASYNC110  # it is a set
            await asyncio.sleep(0.01)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        await asyncio.gather(self._copy(reader, back), self._copy(there, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError):
            while some := await reader.read(65536):
                writer.write(some)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        self._writers.discard(writer)


async def test_a_redis_that_is_away_is_waited_for(
    newest: Mini, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "AWAY_SECONDS", 0.05)
    user = await newest.user()
    await photos(newest, user, 20)
    port = urlsplit(newest.redis_url).port
    assert port is not None
    way = Way(port)
    url = newest.redis_url.replace(f":{port}/", f":{await way.open()}/")
    async with worker(newest), backfill(newest, OCR, redis_url=url) as begun:
        running = asyncio.create_task(working._persist(begun.feeder, begun.log))
        await begun.until(lambda progress, _: progress.done >= 5)
        await way.cut()
        await begun.until(lambda _, waits: "cannot be reached" in waits)
        await way.open()
        assert await running is Ending.FINISHED
        assert await begun.figures() == (20, 20, [])
    await way.cut()


async def test_two_processes_are_never_at_the_same_one(newest: Mini) -> None:
    await migrate(newest.data.database)
    log = BackfillLog(newest.data.database, OCR)
    async with log.held():
        assert await log.is_held()
        with pytest.raises(ElsewhereError, match="Another process"):
            async with log.held():
                pass
        async with BackfillLog(newest.data.database, CLIP).held():
            pass
    assert not await log.is_held()
    async with log.held():
        pass


class Command:
    """The command beside a miniature, as a process of its own."""

    def __init__(self, mini: Mini, folder: Path) -> None:
        self._folder = folder
        self._settings = {"DB_URL": mini.data.database.url, "REDIS_URL": mini.redis_url}

    async def start(self, *arguments: str, **settings: str) -> Process:
        """Its process."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "immich_aio", "backfill", *arguments),
            env=os.environ | self._settings | settings,
            cwd=self._folder,
            stdout=PIPE,
            stderr=STDOUT,
        )

    async def __call__(self, *arguments: str, **settings: str) -> tuple[int | None, str]:
        """Its exit status and all that it said."""
        process = await self.start(*arguments, **settings)
        said, _ = await process.communicate()
        return process.returncode, said.decode()


async def test_one_that_was_killed_goes_on_where_it_was_and_does_little_twice(
    newest: Mini, ml: MlServer, tmp_path: Path
) -> None:
    command = Command(newest, tmp_path)
    user = await newest.user()
    await photos(newest, user, 24, done=True)
    ml.asked.clear()
    log = BackfillLog(newest.data.database, OCR)
    async with worker(newest):
        process = await command.start("ocr", "--all")
        while (run := await log.run()) is None or run.progress.done < 3:
            assert process.returncode is None
            await asyncio.sleep(0.02)  # it tells nobody but the database
        process.send_signal(signal.SIGKILL)
        await process.communicate()
        said = (await command("status"))[1]
        assert "stopped: " in said
        assert "--all, begun" in said
        status, said = await command("resume", "ocr")
    assert (status, said.splitlines()[-1]) == (0, "Done: 24 photos.")
    assert 24 <= asked(ml, OCR) <= 25


async def test_ctrl_c_stops_it_and_says_how_to_go_on(newest: Mini, tmp_path: Path) -> None:
    command = Command(newest, tmp_path)
    user = await newest.user()
    made = await photos(newest, user, 10)
    await newest.run(
        "UPDATE asset_file SET path = '/nowhere' WHERE \"assetId\" = %(id)s", id=made[4]
    )
    process = await command.start("ocr")
    log = BackfillLog(newest.data.database, OCR)
    while (run := await log.run()) is None or run.reached is None:
        assert process.returncode is None
        await asyncio.sleep(0.02)  # as above
    process.send_signal(signal.SIGINT)
    said = (await process.communicate())[0].decode()
    assert process.returncode == 130
    assert "'immich-aio backfill resume ocr' goes on; nothing is lost" in said
    assert "Traceback" not in said
    async with worker(newest):
        status, said = await command("ocr")
    assert status == 1
    assert "Done: 9 photos.\n1 failed twice; Immich's log says why: 4.jpg\n" in said


async def test_a_cancel_in_the_midst_of_a_round_ends_it_too(
    newest: Mini, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await newest.user()
    await photos(newest, user, 2)
    async with backfill(newest, OCR) as begun:
        marks = begun.feeder._parts.photos.marks

        async def cancelled(ids: Iterable[UUID]) -> Marks:
            if ids := list(ids):
                await begun.log.forget()
            return await marks(ids)

        monkeypatch.setattr(begun.feeder._parts.photos, "marks", cancelled)
        assert await working._persist(begun.feeder, begun.log) is Ending.FORGOTTEN
        assert await newest.rows("SELECT FROM immich_aio.backfill_photo") == []


async def test_whoever_may_not_write_is_told_so(
    newest: Mini, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_URL", newest.data.database.url)
    name = psycopg.conninfo.conninfo_to_dict(newest.data.database.url)["dbname"]
    await newest.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(UnavailableError, match=r"refuses it: .* read-only transaction"):
        await commands.begin(Task.OCR, MISSING, None)


async def test_what_hinders_it_is_said_with_what_to_do(
    newest: Mini, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DB_URL", newest.data.database.url)
    await newest.user()
    await newest.run(
        "CREATE TABLE IF NOT EXISTS system_metadata (key text PRIMARY KEY, value jsonb)"
    )
    await newest.run(
        "INSERT INTO system_metadata VALUES ('system-config', %(value)s::jsonb) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        value='{"machineLearning": {"ocr": {"enabled": false}}}',
    )
    with pytest.raises(UnavailableError, match="OCR is switched off in Immich"):
        await commands.begin(Task.OCR, MISSING, None)
    with pytest.raises(UnavailableError, match="Set REDIS_HOSTNAME"):
        await commands.begin(Task.CLIP, MISSING, None)
    monkeypatch.setenv("REDIS_URL", "redis://:secret@127.0.0.1:1/0")
    with pytest.raises(UnavailableError, match="cannot be reached") as away:
        await commands.resume(Task.CLIP, None)
    assert "secret" not in away.value.message
    with pytest.raises(BadInputError, match=r"is not finished \(--missing, begun"):
        await commands.begin(Task.CLIP, EVERYTHING, None)
    await commands.count(Task.CLIP, EVERYTHING)
    await commands.status(as_json=True)
    counted, told = capsys.readouterr().out.splitlines()
    assert counted == "0 photos."
    assert json.loads(told)["ocr"] is None
    assert json.loads(told)["clip"]["state"] == "stopped"
    await commands.cancel(Task.CLIP)
    with pytest.raises(BadInputError, match="no user nobody"):
        await commands.begin(Task.CLIP, Wish(Scope.ALL, "nobody@example.com", {}), None)
    with pytest.raises(BadInputError, match="There is no back-fill of ocr"):
        await commands.pause(Task.OCR)


def _job(refresh: Refresh) -> tuple[str, str]:
    return ("ocr", "Ocr") if refresh is OCR else ("smartSearch", "SmartSearch")
