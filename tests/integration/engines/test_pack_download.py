"""A pack from whichever source has it, in whichever form; and services that wait for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from immich_aio.engines.model_files.background import Pauses
from immich_aio.engines.model_files.face_packs import PublishedPack
from immich_aio.engines.model_files.license import License
from immich_aio.engines.model_files.pack_download import fetch_pack
from immich_aio.engines.model_files.pack_fetcher import PackFetcher
from immich_aio.engines.model_files.pack_folder import PackFiles, PackFolder
from immich_aio.engines.model_files.progress import Progress
from immich_aio.engines.model_files.sources import Source
from immich_aio.errors import (
    LicenseError,
    ModelFetchError,
    ModelMissingError,
    TimeoutExceededError,
    UnavailableError,
)
from tests.integration.engines.caller import QUICK
from tests.integration.engines.hub import Hub, Offer, sha256
from tests.integration.engines.packs import (
    AT_GITHUB,
    AT_HUB,
    AT_NAS,
    DETECTION,
    OTHER,
    PACK,
    RECOGNITION,
    UNPINNED,
    ZIP,
    lay,
    offer_files,
    published,
    sources,
    zipped,
)

PATIENCE = 20.0
NO_PAUSE = Pauses(first=0.01, longest=0.01)
HALF = len(RECOGNITION) // 2
NEEDED = {"buffalo_l/detection/model.onnx", "buffalo_l/recognition/model.onnx"}
NOTES = {f"{name}.sha256" for name in NEEDED}


@pytest.fixture
def folder(tmp_path: Path) -> PackFolder:
    return PackFolder(tmp_path / "models" / "faces", [PACK])


def files_of(folder: PackFolder) -> set[str]:
    found = (path for path in folder.root.rglob("*") if path.is_file())
    return {str(path.relative_to(folder.root)) for path in found}


async def get(
    folder: PackFolder, hub: Hub, *kinds: str, pack: PublishedPack = PACK
) -> list[Progress]:
    """Fetch the pack; what was reported."""
    reported: list[Progress] = []

    def report(progress: Progress) -> None:
        reported.append(progress)
        hub.written(progress.received)

    await fetch_pack(folder, pack, sources(hub, *kinds), report, QUICK)
    files = folder.files(pack)
    assert files is not None
    assert [path.read_bytes() for _, path in files.of_tasks()] == [DETECTION, RECOGNITION]
    return reported


async def fails(
    folder: PackFolder, hub: Hub, *kinds: str, pack: PublishedPack = PACK
) -> ModelFetchError:
    with pytest.raises(ModelFetchError) as raised:
        await fetch_pack(folder, pack, sources(hub, *kinds), lambda _progress: None, QUICK)
    assert folder.files(pack) is None
    return raised.value


# ---- From where, and in which form


async def test_immichs_repository_gives_both_files(hub: Hub, folder: PackFolder) -> None:
    offer_files(hub)
    reported = await get(folder, hub, "huggingface", "modelscope", "github")
    assert files_of(folder) == NEEDED | NOTES
    assert [got.path for got in hub.got] == [f"{AT_HUB}/{name[10:]}" for name in sorted(NEEDED)]
    assert reported[-1].percent == 100


async def test_where_it_cannot_be_reached_the_release_gives_the_zip_which_goes_when_unpacked(
    hub: Hub, folder: PackFolder
) -> None:
    hub.offer(AT_GITHUB, Offer(ZIP))
    await get(folder, hub, "huggingface", "github")
    assert files_of(folder) == NEEDED | NOTES
    assert folder.state(PACK).hashes["detection"] == sha256(DETECTION)


@pytest.mark.parametrize("as_zip", [False, True])
async def test_a_plain_folder_may_have_either(hub: Hub, folder: PackFolder, as_zip: bool) -> None:
    if as_zip:
        hub.offer(f"{AT_NAS}.zip", Offer(ZIP))
    else:
        offer_files(hub, AT_NAS)
    await get(folder, hub, "nas", "huggingface")
    assert not hub.asked(f"{AT_HUB}/detection/model.onnx")


async def test_what_is_here_is_not_asked_for_again(hub: Hub, folder: PackFolder) -> None:
    offer_files(hub)
    await get(folder, hub, "huggingface")
    await get(folder, hub, "huggingface")
    assert len(hub.got) == 2


async def test_a_file_that_came_before_stays_and_only_the_other_is_fetched(
    hub: Hub, folder: PackFolder
) -> None:
    offer_files(hub, AT_HUB, Offer(status=503), Offer(RECOGNITION))
    error = await fails(folder, hub, "huggingface")
    assert not error.definite
    await get(folder, hub, "huggingface")
    assert len(hub.asked(f"{AT_HUB}/detection/model.onnx")) == 1


async def test_a_file_that_was_cut_off_is_gone_on_with(hub: Hub, folder: PackFolder) -> None:
    whole = Offer(RECOGNITION)
    offer_files(hub, AT_HUB, Offer(RECOGNITION, sends=HALF), whole)
    await get(folder, hub, "huggingface")
    ranges = [got.range for got in hub.asked(f"{AT_HUB}/recognition/model.onnx")]
    assert ranges == [None, f"bytes={HALF}-"]


async def test_files_of_a_wrong_hash_are_not_taken_and_the_next_source_is_asked(
    hub: Hub, folder: PackFolder
) -> None:
    offer_files(hub, AT_HUB, Offer(OTHER))
    hub.offer(AT_GITHUB, Offer(ZIP))
    await get(folder, hub, "huggingface", "github")


async def test_without_a_published_hash_the_one_that_the_hub_announces_counts(
    hub: Hub, folder: PackFolder
) -> None:
    announced = {"X-Linked-Etag": f'"{sha256(RECOGNITION)}"'}
    offer_files(hub, AT_HUB, Offer(OTHER, says=announced))
    error = await fails(folder, hub, "huggingface", pack=UNPINNED)
    assert "wrong SHA-256" in error.message
    offer_files(hub, AT_HUB, Offer(RECOGNITION, says=announced))
    await get(folder, hub, "huggingface", pack=UNPINNED)
    assert folder.state(UNPINNED).hashes["recognition"] == sha256(RECOGNITION)


async def test_a_failure_says_of_every_source_why_and_what_to_do(
    hub: Hub, folder: PackFolder
) -> None:
    hub.offer(AT_GITHUB, Offer(ZIP[::-1]))
    error = await fails(folder, hub, "huggingface", "modelscope", "github")
    for words in (
        "buffalo_l could not be fetched.",
        f"{hub.url}{AT_HUB}/detection/model.onnx: answered 404 Not Found",
        f"{hub.url}{AT_GITHUB}: gave a file with a wrong SHA-256",
        "Set MODEL_SOURCES or HF_ENDPOINT",
        "immich-aio models import FILE",
    ):
        assert words in error.message
    assert error.definite


async def test_where_no_source_has_faces_that_is_said(hub: Hub, folder: PackFolder) -> None:
    assert "has face packs" in (await fails(folder, hub, "modelscope")).message


async def test_a_zip_of_something_else_is_said_and_not_kept(hub: Hub, folder: PackFolder) -> None:
    other = zipped({"readme.txt": b"hello"})
    hub.offer(AT_GITHUB, Offer(other))
    error = await fails(folder, hub, "github", pack=published(pinned=False, archive=other))
    assert "no file det_10g.onnx" in error.message
    assert files_of(folder) == set()


async def test_a_folder_that_cannot_be_written_is_no_sources_fault(
    hub: Hub, folder: PackFolder
) -> None:
    offer_files(hub)
    folder.root.parent.mkdir()
    folder.root.write_bytes(b"a file")
    error = await fails(folder, hub, "huggingface", "github")
    assert "FACES_DOWNLOAD_ROOT" in error.message
    assert error.definite
    assert hub.got == []


async def test_two_who_want_the_same_pack_fetch_it_once(hub: Hub, folder: PackFolder) -> None:
    hub.offer(AT_GITHUB, Offer(ZIP, sends=HALF, stalls=True))
    first = asyncio.create_task(get(folder, hub, "github"))
    await hub.stalled.wait()
    second = asyncio.create_task(get(folder, hub, "github"))
    await asyncio.sleep(0.05)
    hub.go_on.set()
    _, waited = await asyncio.gather(first, second)
    assert len(hub.got) == 1
    assert all(progress.url is None for progress in waited)


async def test_who_is_cancelled_leaves_what_has_come_and_no_lock(
    hub: Hub, folder: PackFolder
) -> None:
    hub.offer(AT_GITHUB, Offer(ZIP, sends=HALF, stalls=True), Offer(ZIP))
    task = asyncio.create_task(get(folder, hub, "github"))
    await hub.until_written(HALF)
    task.cancel()
    await asyncio.wait({task})
    assert folder.state(PACK).status == "partial"
    await get(folder, hub, "github")
    assert hub.got[-1].range is not None


# ---- Services that wait


@asynccontextmanager
async def fetcher_of(
    folder: PackFolder, from_: list[Source], *, allowed: bool = True, accepted: bool = True
) -> AsyncIterator[PackFetcher]:
    licence = License(folder.root, by_setting=accepted)
    fetcher = PackFetcher(folder, licence, from_, allowed=allowed, timeouts=QUICK, pauses=NO_PAUSE)
    try:
        yield fetcher
    finally:
        await fetcher.close()


async def test_a_pack_that_is_here_is_given_at_once(hub: Hub, folder: PackFolder) -> None:
    lay(folder.path(PACK), "det_10g.onnx", "w600k_r50.onnx")
    async with fetcher_of(folder, [], allowed=False) as fetcher:
        assert await fetcher.files(PACK, 0) == folder.files(PACK)
        assert fetcher.state(PACK) == "ready, loaded on first use"
    assert hub.got == []


async def test_before_the_licence_is_accepted_nothing_is_given_nor_fetched(
    hub: Hub, folder: PackFolder
) -> None:
    offer_files(hub)
    lay(folder.path(PACK), "det_10g.onnx", "w600k_r50.onnx")
    async with fetcher_of(folder, sources(hub, "huggingface"), accepted=False) as fetcher:
        with pytest.raises(LicenseError, match="--accept-license"):
            await fetcher.files(PACK, PATIENCE)
        assert fetcher.state(PACK) == "licence not accepted"
        License(folder.root, by_setting=False).accept()  # by a command, meanwhile
        assert await fetcher.files(PACK, 0) == folder.files(PACK)
    assert hub.got == []


async def test_a_missing_pack_is_fetched_once_for_all_who_wait(
    hub: Hub, folder: PackFolder
) -> None:
    offer_files(hub)
    async with fetcher_of(folder, sources(hub, "huggingface")) as fetcher:
        assert fetcher.state(PACK) == "not here yet"
        found: list[PackFiles] = await asyncio.gather(
            *(fetcher.files(PACK, PATIENCE) for _ in range(5))
        )
    assert set(found) == {folder.targets(PACK)}
    assert len(hub.got) == 2


async def test_who_runs_out_of_patience_is_told_how_far_it_is(hub: Hub, folder: PackFolder) -> None:
    offer_files(hub, AT_HUB, Offer(RECOGNITION, sends=HALF, stalls=True))
    async with fetcher_of(folder, sources(hub, "huggingface")) as fetcher:
        waits = asyncio.create_task(fetcher.files(PACK, PATIENCE))
        await hub.stalled.wait()
        with pytest.raises(TimeoutExceededError, match="buffalo_l is still being fetched"):
            await fetcher.files(PACK, 0.01)
        assert fetcher.state(PACK).startswith("being fetched")
        hub.go_on.set()
        assert await waits == folder.targets(PACK)


async def test_where_nothing_may_be_fetched_the_ways_to_get_it_are_named(
    hub: Hub, folder: PackFolder
) -> None:
    async with fetcher_of(folder, sources(hub, "huggingface"), allowed=False) as fetcher:
        with pytest.raises(ModelMissingError) as raised:
            await fetcher.files(PACK, PATIENCE)
    for words in ("MODEL_DOWNLOAD is off", "models pull buffalo_l", "models import buffalo_l.zip"):
        assert words in raised.value.message
    assert hub.got == []


async def test_a_failure_is_told_and_the_next_who_asks_has_it_tried_again(
    hub: Hub, folder: PackFolder
) -> None:
    async with fetcher_of(folder, sources(hub, "huggingface")) as fetcher:
        with pytest.raises(ModelFetchError, match="404"):
            await fetcher.files(PACK, PATIENCE)
        assert fetcher.state(PACK).startswith("could not be fetched yet")
        offer_files(hub)
        await asyncio.sleep(0.02)
        assert await fetcher.files(PACK, PATIENCE) == folder.targets(PACK)


async def test_who_waits_when_the_service_ends_is_told(hub: Hub, folder: PackFolder) -> None:
    offer_files(hub, AT_HUB, Offer(RECOGNITION, sends=HALF, stalls=True))
    async with fetcher_of(folder, sources(hub, "huggingface")) as fetcher:
        waits = asyncio.create_task(fetcher.files(PACK, PATIENCE))
        await hub.stalled.wait()
        await fetcher.close()
        with pytest.raises(UnavailableError, match="shutting down"):
            await waits
        with pytest.raises(UnavailableError, match="shutting down"):
            await fetcher.files(PACK, PATIENCE)
