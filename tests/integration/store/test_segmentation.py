"""Words: cut by our own segmenter, or by zhparser where the server has it.

No server that tests run on here has zhparser. What is asked of it is tested against a stand-in of
the same name, which insists on the settings that give the parts of words.
"""

from __future__ import annotations

import psycopg
import pytest
import pytest_asyncio

from immich_aio.domain.immich import Shape
from immich_aio.errors import UnavailableError
from immich_aio.store.database import Database
from immich_aio.store.immich_guard import immich_tables
from immich_aio.store.index_sync import IndexSync
from immich_aio.store.migration import migrate
from immich_aio.store.text.segmentation import (
    JiebaSegmenter,
    ZhparserSegmenter,
    choose_segmenter,
)

NEWEST = pytest.mark.parametrize("shape", [Shape.V3_1], indirect=True, ids=str)

STAND_IN = """
CREATE SCHEMA stand_in;
CREATE FUNCTION stand_in.ts_parse(parser text, txt text, OUT tokid int, OUT token text)
RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
  IF parser <> 'zhparser' OR NOT current_setting('zhparser.multi_short')::boolean
    OR NOT current_setting('zhparser.multi_duality')::boolean THEN
    RAISE 'not as zhparser is to be asked';
  END IF;
  RETURN QUERY SELECT 110, part FROM regexp_split_to_table(txt, '(?<=税)|(?=发)| ') AS part;
END $$;
CREATE TEXT SEARCH PARSER zhparser (
  START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype
);
"""


@pytest_asyncio.fixture
async def with_zhparser(database: Database) -> Database:
    """A database in which something answers to the name of zhparser."""
    name = psycopg.conninfo.conninfo_to_dict(database.url)["dbname"]
    async with database.connection() as connection:
        await connection.execute(STAND_IN)  # type: ignore[arg-type]  # a test's own
        await connection.execute(
            f'ALTER DATABASE "{name}" SET search_path = stand_in, public, pg_catalog'  # type: ignore[arg-type]
        )
    await database.close()
    again = Database(database.url)
    await again.open()
    return again


async def test_ours_gives_long_words_and_those_in_them_and_other_scripts_whole() -> None:
    cut = await JiebaSegmenter().words(
        ["增值税电子普通发票", "沪ad39527", "ramen ラーメン屋 ok", "한국어 텍스트", "云", ""]
    )
    assert {"增值税", "电子", "普通", "发票", "普通发票"} <= set(cut[0])
    assert cut[1:] == [
        ["沪", "ad39527"],
        ["屋", "ramen", "ラーメン", "ok"],
        ["한국어", "텍스트"],
        ["云"],
        [],
    ]


@NEWEST
async def test_zhparser_is_asked_for_the_parts_of_words(with_zhparser: Database) -> None:
    segmenter = ZhparserSegmenter(with_zhparser)
    assert await segmenter.words(["增值税电子发票 no", "", "ab12 100%"]) == [
        ["增值税", "电子", "发票", "no"],
        [],
        ["ab12", "100%"],
    ]
    assert await segmenter.words([]) == []
    await with_zhparser.close()


@NEWEST
async def test_zhparser_is_taken_where_the_server_has_it(with_zhparser: Database) -> None:
    assert (await choose_segmenter(with_zhparser, "auto")).name == "zhparser"
    assert (await choose_segmenter(with_zhparser, "zhparser")).name == "zhparser"
    assert (await choose_segmenter(with_zhparser, "rjieba")).name == "rjieba"
    await with_zhparser.close()


@NEWEST
async def test_ours_is_taken_where_the_server_does_not_have_zhparser(database: Database) -> None:
    assert (await choose_segmenter(database, "auto")).name == "rjieba"
    with pytest.raises(UnavailableError, match="SEARCH_SEGMENTER"):
        await choose_segmenter(database, "zhparser")


@NEWEST
async def test_auto_stays_with_what_the_index_was_made_by(
    with_zhparser: Database,
) -> None:
    assert (await choose_segmenter(with_zhparser, "auto")).name == "zhparser"
    await migrate(with_zhparser)
    tables = await immich_tables(with_zhparser)
    await IndexSync(with_zhparser, tables, JiebaSegmenter()).once()
    assert (await choose_segmenter(with_zhparser, "auto")).name == "rjieba"
    await with_zhparser.close()
