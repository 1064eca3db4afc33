"""A service asks for its model and waits a while, whatever becomes of downloads and of others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from immich_aio.cli.compose import model_fetcher
from immich_aio.engines.model_files.catalogue import PublishedModel
from immich_aio.engines.model_files.connection import Timeouts
from immich_aio.engines.model_files.fetcher import ModelFetcher, Pauses
from immich_aio.engines.model_files.folder import ModelFolder
from immich_aio.engines.model_files.importing import import_file
from immich_aio.engines.model_files.sources import Source
from immich_aio.errors import (
    BadInputError,
    ModelFetchError,
    ModelMissingError,
    TimeoutExceededError,
    UnavailableError,
)
from immich_aio.settings import Settings
from tests.integration.engines.caller import DATA, HALF, KNOWN, OTHER, QUICK, put
from tests.integration.engines.hub import Hub, Offer

MODEL = PublishedModel("ViT-Tiny", 64, KNOWN)
PATH = "/a.pt"
PATIENCE = 20.0
NO_PAUSE = Pauses(first=0.01, longest=0.01)
LONG_PAUSE = Pauses(first=3600, longest=3600)


@pytest.fixture
def folder(target: Path) -> ModelFolder:
    return ModelFolder(target.parent, [MODEL])


@asynccontextmanager
async def fetcher_of(
    folder: ModelFolder,
    hub: Hub,
    *,
    allowed: bool = True,
    timeouts: Timeouts = QUICK,
    pauses: Pauses = NO_PAUSE,
) -> AsyncIterator[ModelFetcher]:
    source = Source("folder", hub.url)
    fetcher = ModelFetcher(folder, [source], allowed=allowed, timeouts=timeouts, pauses=pauses)
    try:
        yield fetcher
    finally:
        await fetcher.close()


async def waiting(fetcher: ModelFetcher, patience: float = PATIENCE) -> asyncio.Task[Path]:
    """A caller who waits."""
    task = asyncio.create_task(fetcher.checkpoint(MODEL.name, patience))
    await until(lambda: any(status.is_running for status in fetcher.progress()))
    return task


async def until(happened: Callable[[], bool]) -> None:
    """Return when it has; look again and again, for nobody tells."""
    async with asyncio.timeout(PATIENCE):
        while not happened():  # noqa: ASYNC110  # what is looked at belongs to the product
            await asyncio.sleep(0.01)


# ---- What is here


async def test_a_file_that_is_here_is_given_at_once_and_no_hub_is_asked(
    hub: Hub, folder: ModelFolder, target: Path
) -> None:
    """Also a file that is not the official one: whoever put it there may have his reasons."""
    put(target, OTHER)
    async with fetcher_of(folder, hub, allowed=False) as fetcher:
        assert await fetcher.checkpoint(MODEL.name, 0) == target
        assert fetcher.progress() == ()
    assert hub.got == []


async def test_a_model_of_ones_own_is_given_under_its_own_name(
    hub: Hub, folder: ModelFolder, target: Path
) -> None:
    own = target.with_name("family.pt")
    put(own, OTHER)
    async with fetcher_of(folder, hub) as fetcher:
        assert await fetcher.checkpoint("family", 0) == own


# ---- What is not


async def test_a_missing_model_is_fetched_once_for_all_who_wait(
    hub: Hub, folder: ModelFolder, target: Path
) -> None:
    hub.offer(PATH, Offer(DATA))
    async with fetcher_of(folder, hub) as fetcher:
        calls = [fetcher.checkpoint(MODEL.name, PATIENCE) for _ in range(5)]
        assert await asyncio.gather(*calls) == [target] * 5
        assert fetcher.progress() == ()
    assert len(hub.got) == 1


async def test_a_name_in_another_case_and_a_files_name_are_the_same_model(
    hub: Hub, folder: ModelFolder, target: Path
) -> None:
    hub.offer(PATH, Offer(DATA))
    async with fetcher_of(folder, hub) as fetcher:
        calls = [fetcher.checkpoint(name, PATIENCE) for name in ("vit-tiny", "ViT-Tiny", "a.pt")]
        assert await asyncio.gather(*calls) == [target] * 3
    assert len(hub.got) == 1


async def test_one_who_waits_no_longer_takes_nothing_from_the_other(
    hub: Hub, folder: ModelFolder, target: Path
) -> None:
    hub.offer(PATH, Offer(DATA, sends=HALF, stalls=True))
    async with fetcher_of(folder, hub) as fetcher:
        first, second = await waiting(fetcher), await waiting(fetcher)
        await hub.stalled.wait()
        first.cancel()
        await asyncio.wait({first})
        hub.go_on.set()
        assert await second == target
    assert first.cancelled()
    assert len(hub.got) == 1


async def test_when_all_have_gone_the_download_still_goes_on_for_those_to_come(
    hub: Hub, folder: ModelFolder, target: Path
) -> None:
    hub.offer(PATH, Offer(DATA, sends=HALF, stalls=True))
    async with fetcher_of(folder, hub) as fetcher:
        only = await waiting(fetcher)
        await hub.stalled.wait()
        only.cancel()
        await asyncio.wait({only})
        hub.go_on.set()
        await until(lambda: fetcher.progress() == ())
        assert await fetcher.checkpoint(MODEL.name, 0) == target


async def test_who_runs_out_of_patience_is_told_how_far_it_is(
    hub: Hub, folder: ModelFolder
) -> None:
    hub.offer(PATH, Offer(DATA, sends=HALF, stalls=True))
    async with fetcher_of(folder, hub) as fetcher:
        await waiting(fetcher)
        await until(lambda: percent(fetcher) == 50)
        with pytest.raises(TimeoutExceededError, match=r"ViT-Tiny .* \(50 %\).* MODEL_WAIT"):
            await fetcher.checkpoint(MODEL.name, 0.01)


def percent(fetcher: ModelFetcher) -> int | None:
    (status,) = fetcher.progress()
    return status.progress.percent if status.progress is not None else None


async def test_a_file_that_is_imported_meanwhile_ends_the_waiting(
    hub: Hub, folder: ModelFolder, target: Path, tmp_path: Path
) -> None:
    hub.offer(PATH, Offer(DATA, sends=HALF, stalls=True))
    put(tmp_path / "stick" / "a.pt", DATA)
    async with fetcher_of(folder, hub) as fetcher:
        waits = await waiting(fetcher)
        await hub.stalled.wait()
        await asyncio.to_thread(import_file, folder, tmp_path / "stick" / "a.pt")
        assert await waits == target
    assert sorted(path.name for path in target.parent.iterdir()) == ["a.pt", "a.pt.sha256"]


async def test_a_file_that_is_imported_between_two_tries_ends_the_waiting(
    hub: Hub, folder: ModelFolder, target: Path, tmp_path: Path
) -> None:
    hub.offer(PATH, Offer(status=503))
    put(tmp_path / "a.pt", DATA)
    async with fetcher_of(folder, hub, pauses=LONG_PAUSE) as fetcher:
        waits = await waiting(fetcher)
        await until(lambda: fetcher.progress()[0].failure is not None)
        await asyncio.to_thread(import_file, folder, tmp_path / "a.pt")
        assert await waits == target
        assert fetcher.progress() == ()
    assert len(hub.got) == 1


# ---- What cannot be had


async def test_with_downloads_off_a_missing_model_is_an_error_that_says_how_to_get_it(
    hub: Hub, folder: ModelFolder, target: Path
) -> None:
    async with fetcher_of(folder, hub, allowed=False) as fetcher:
        with pytest.raises(ModelMissingError) as raised:
            await fetcher.checkpoint(MODEL.name, PATIENCE)
    for words in (str(target), "MODEL_DOWNLOAD", "models pull ViT-Tiny", "models import a.pt"):
        assert words in raised.value.message
    assert f"{hub.url}{PATH}" in raised.value.message
    assert hub.got == []


async def test_folder_sources_and_whether_to_fetch_are_settings(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIP_DOWNLOAD_ROOT", str(tmp_path))
    monkeypatch.setenv("MODEL_SOURCES", hub.url)
    for allowed, words in (("off", "MODEL_DOWNLOAD is off"), ("on", "404 Not Found")):
        monkeypatch.setenv("MODEL_DOWNLOAD", allowed)
        fetcher = model_fetcher(Settings.load(None))
        with pytest.raises(UnavailableError, match=words) as raised:
            await fetcher.checkpoint("RN50", PATIENCE)
        assert f"{hub.url}/clip_cn_rn50.pt" in raised.value.message
        await fetcher.close()


async def test_a_model_that_nobody_knows_is_an_error_that_names_those_that_are_known(
    hub: Hub, folder: ModelFolder, target: Path
) -> None:
    async with fetcher_of(folder, hub) as fetcher:
        with pytest.raises(ModelMissingError) as raised:
            await fetcher.checkpoint("family", PATIENCE)
    for words in (str(target.with_name("family.pt")), "ViT-Tiny", "--as family", "CLIP_MODEL"):
        assert words in raised.value.message
    assert hub.got == []


async def test_a_name_that_would_lead_out_of_the_folder_is_refused(
    hub: Hub, folder: ModelFolder
) -> None:
    async with fetcher_of(folder, hub) as fetcher:
        with pytest.raises(BadInputError, match="cannot be a model's name"):
            await fetcher.checkpoint("../secret", PATIENCE)


async def test_what_no_source_has_fails_all_who_wait_at_once(hub: Hub, folder: ModelFolder) -> None:
    hub.offer(PATH, Offer(status=404))
    async with fetcher_of(folder, hub, pauses=LONG_PAUSE) as fetcher:
        calls = [fetcher.checkpoint(MODEL.name, PATIENCE) for _ in range(3)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ModelFetchError] * 3
    assert "404 Not Found" in str(outcomes[0])


async def test_a_hub_that_does_not_have_it_is_not_asked_again_before_the_pause_is_over(
    hub: Hub, folder: ModelFolder
) -> None:
    hub.offer(PATH, Offer(status=404))
    async with fetcher_of(folder, hub, pauses=LONG_PAUSE) as fetcher:
        for _ in range(5):
            with pytest.raises(ModelFetchError, match="404"):
                await fetcher.checkpoint(MODEL.name, PATIENCE)
        (status,) = fetcher.progress()
    assert len(hub.got) == 1
    assert not status.is_running
    assert status.failure is not None
    assert "404" in status.failure


async def test_after_the_pause_whoever_asks_has_it_tried_again(
    hub: Hub, folder: ModelFolder, target: Path
) -> None:
    hub.offer(PATH, Offer(OTHER), Offer(DATA))
    async with fetcher_of(folder, hub) as fetcher:
        with pytest.raises(ModelFetchError, match="wrong SHA-256"):
            await fetcher.checkpoint(MODEL.name, PATIENCE)
        await asyncio.sleep(NO_PAUSE.first)
        assert await fetcher.checkpoint(MODEL.name, PATIENCE) == target
        assert fetcher.progress() == ()


async def test_a_failure_that_may_pass_is_tried_again_while_somebody_waits(
    hub: Hub, folder: ModelFolder, target: Path
) -> None:
    hub.offer(PATH, *[Offer(status=503)] * 3, Offer(DATA))
    async with fetcher_of(folder, hub) as fetcher:
        assert await fetcher.checkpoint(MODEL.name, PATIENCE) == target
    assert len(hub.got) == 4


async def test_it_is_not_tried_again_for_nobody(hub: Hub, folder: ModelFolder) -> None:
    hub.offer(PATH, Offer(DATA, sends=0, stalls=True), Offer(status=503))
    timeouts = Timeouts(connect=5, silence=0.1, pause=0)
    async with fetcher_of(folder, hub, timeouts=timeouts) as fetcher:
        only = await waiting(fetcher)
        await hub.stalled.wait()
        only.cancel()
        await until(lambda: not fetcher.progress()[0].is_running)
    assert len(hub.got) == 1


async def test_who_waits_in_vain_is_told_the_last_failure(hub: Hub, folder: ModelFolder) -> None:
    hub.offer(PATH, Offer(status=503))
    async with fetcher_of(folder, hub, pauses=LONG_PAUSE) as fetcher:
        waits = await waiting(fetcher, 0.2)
        with pytest.raises(TimeoutExceededError, match=r"(?s)could not be fetched yet.* 503"):
            await waits
    assert len(hub.got) == 1


async def test_once_it_goes_well_again_the_last_failure_is_forgotten(
    hub: Hub, folder: ModelFolder
) -> None:
    hub.offer(PATH, Offer(status=503), Offer(DATA, sends=HALF, stalls=True))
    async with fetcher_of(folder, hub) as fetcher:
        waits = await waiting(fetcher, 0.5)
        await until(lambda: percent(fetcher) == 50)
        assert fetcher.progress()[0].failure is None
        with pytest.raises(TimeoutExceededError, match="50 %"):
            await waits


async def test_who_asks_during_the_pause_of_others_waits_for_the_next_try(
    hub: Hub, folder: ModelFolder, target: Path
) -> None:
    hub.offer(PATH, Offer(status=503), Offer(DATA))
    pauses = Pauses(first=0.3, longest=0.3)
    async with fetcher_of(folder, hub, pauses=pauses) as fetcher:
        with pytest.raises(TimeoutExceededError):
            await fetcher.checkpoint(MODEL.name, 0.1)
        assert len(hub.got) == 1
        assert await fetcher.checkpoint(MODEL.name, PATIENCE) == target
    assert len(hub.got) == 2


# ---- The end


async def test_closing_keeps_what_has_come_and_tells_those_who_wait(
    hub: Hub, folder: ModelFolder, target: Path
) -> None:
    hub.offer(PATH, Offer(DATA, sends=HALF, stalls=True), Offer(DATA))
    async with fetcher_of(folder, hub) as fetcher:
        waits = await waiting(fetcher)
        await until(lambda: percent(fetcher) == 50)
        await fetcher.close()
        with pytest.raises(UnavailableError, match="shutting down"):
            await waits
        with pytest.raises(UnavailableError, match="shutting down"):
            await fetcher.checkpoint(MODEL.name, PATIENCE)
    assert [path.name for path in target.parent.iterdir()] == ["a.pt.part"]
    async with fetcher_of(folder, hub) as fetcher:
        assert await fetcher.checkpoint(MODEL.name, PATIENCE) == target
    assert hub.got[-1].range == f"bytes={HALF}-"


async def test_a_model_that_was_removed_is_fetched_again(
    hub: Hub, folder: ModelFolder, target: Path
) -> None:
    hub.offer(PATH, Offer(DATA))
    async with fetcher_of(folder, hub) as fetcher:
        await fetcher.checkpoint(MODEL.name, PATIENCE)
        folder.remove(MODEL.name)
        assert await fetcher.checkpoint(MODEL.name, PATIENCE) == target
    assert len(hub.got) == 2


async def test_the_log_tells_the_beginning_every_ten_per_cent_failures_and_the_end(
    hub: Hub, folder: ModelFolder, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "immich_aio")
    hub.offer(PATH, Offer(status=503), Offer(DATA, chunked=True))
    async with fetcher_of(folder, hub) as fetcher:
        await fetcher.checkpoint(MODEL.name, PATIENCE)
    lines = caplog.messages
    assert lines[0] == f"fetching ViT-Tiny to {target}"
    assert any(
        "503" in record.message for record in caplog.records if record.levelname == "WARNING"
    )
    assert 1 <= len([line for line in lines if "%)" in line]) <= 10
    assert lines[-1] == f"ViT-Tiny is here: {target}"
