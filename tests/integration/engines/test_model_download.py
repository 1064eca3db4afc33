"""A file from a hub comes whole, and goes on where it was cut off."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from immich_aio.engines.model_files.catalogue import RemoteFile
from immich_aio.engines.model_files.exchange import Origin
from immich_aio.engines.model_files.part import PartFile
from immich_aio.engines.model_files.places import Places
from immich_aio.engines.model_files.progress import Progress
from tests.integration.engines.caller import (
    DATA,
    HALF,
    OTHER,
    UNKNOWN,
    Caller,
    put,
)
from tests.integration.engines.hub import Hub, Offer, sha256

# ---- What goes well


@pytest.mark.parametrize("chunked", [False, True])
async def test_the_file_comes_whole_and_nothing_is_left_beside_it_but_its_hash(
    hub: Hub, caller: Caller, target: Path, chunked: bool
) -> None:
    reported = await caller.get(hub.offer("/a", Offer(DATA, chunked=chunked)))
    assert caller.files() == {"a.pt": DATA}
    assert Places(target).record.read_text() == f"{sha256(DATA)}  a.pt\n"
    assert reported[0].received == 0
    assert reported[-1] == Progress(len(DATA), len(DATA), f"{hub.url}/a")


async def test_a_redirect_to_signed_storage_is_followed_byte_for_byte(
    hub: Hub, caller: Caller
) -> None:
    """A signature holds for the address as it was signed, also where that could be written
    otherwise.
    """
    signed = "/storage/a%2Bb~c?key=x%2F%7E%20&sig=%e4%bd%a0"
    hub.offer("/storage/a%2Bb~c", Offer(DATA))
    url = hub.offer("/a", Offer(status=302, says={"Location": hub.url + signed}))
    await caller.get(url)
    assert [got.path for got in hub.got] == ["/a", signed]
    assert caller.files() == {"a.pt": DATA}


async def test_a_proxy_in_the_environment_is_used(
    hub: Hub, caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", hub.url)
    url = "http://models.invalid/a"
    hub.offers[url] = [Offer(DATA)]
    await caller.get(url)
    assert [got.path for got in hub.got] == [url]
    assert caller.files() == {"a.pt": DATA}


async def test_a_file_that_is_there_is_not_asked_for(
    hub: Hub, caller: Caller, target: Path
) -> None:
    put(target, DATA)
    await caller.get(hub.offer("/a", Offer(OTHER)))
    assert (hub.got, caller.files()) == ([], {"a.pt": DATA})


# ---- Going on


async def test_what_was_cut_off_goes_on_where_it_ended(hub: Hub, caller: Caller) -> None:
    url = hub.offer("/a", Offer(DATA, sends=HALF), Offer(DATA, sends=50_000), Offer(DATA))
    await caller.get(url)
    assert [got.range for got in hub.got] == [None, f"bytes={HALF}-", "bytes=200000-"]
    assert caller.files() == {"a.pt": DATA}


async def test_a_chunked_body_that_was_cut_off_goes_on_too(hub: Hub, caller: Caller) -> None:
    url = hub.offer("/a", Offer(DATA, sends=HALF, chunked=True), Offer(DATA))
    await caller.get(url)
    assert caller.files() == {"a.pt": DATA}


@pytest.mark.usefixtures("half")
async def test_what_an_earlier_process_left_is_used(hub: Hub, caller: Caller) -> None:
    await caller.get(hub.offer("/a", Offer(DATA)))
    assert [got.range for got in hub.got] == [f"bytes={HALF}-"]
    assert caller.files() == {"a.pt": DATA}


async def test_another_source_goes_on_with_what_the_first_began(hub: Hub, caller: Caller) -> None:
    first = hub.offer("/first", Offer(DATA, sends=HALF), Offer(status=503))
    await caller.get(first, hub.offer("/second", Offer(DATA)))
    assert [got.range for got in hub.asked("/second")] == [f"bytes={HALF}-"]
    assert caller.files() == {"a.pt": DATA}


@pytest.mark.usefixtures("half")
async def test_a_server_that_knows_no_ranges_sends_it_all_again(hub: Hub, caller: Caller) -> None:
    await caller.get(hub.offer("/a", Offer(DATA, ranges=False)))
    assert [got.range for got in hub.got] == [f"bytes={HALF}-"]
    assert caller.files() == {"a.pt": DATA}


async def test_such_a_server_that_always_cuts_at_the_same_place_is_given_up(
    hub: Hub, caller: Caller
) -> None:
    url = hub.offer("/a", Offer(DATA, ranges=False, sends=HALF))
    error = await caller.fails(url)
    assert "the connection broke" in error.message
    assert len(hub.got) == 2
    assert not error.definite


async def test_all_of_it_being_here_needs_no_source(hub: Hub, caller: Caller, half: Path) -> None:
    """A process was killed between the last byte and the file's name."""
    put(half, DATA)
    await caller.get(hub.offer("/a", Offer(status=500)))
    assert (hub.got, caller.files()) == ([], {"a.pt": DATA})


async def test_a_416_for_a_file_of_unknown_size_means_that_all_is_here(
    hub: Hub, caller: Caller, half: Path
) -> None:
    put(half, DATA)
    url = hub.offer("/a", Offer(DATA))
    await caller.get(url, file=RemoteFile("a.pt", "us/a", "us/a", None, sha256(DATA)))
    assert [got.range for got in hub.got] == [f"bytes={len(DATA)}-"]
    assert caller.files() == {"a.pt": DATA}


@pytest.mark.parametrize("left", [OTHER + OTHER, OTHER, OTHER[:HALF], DATA[:HALF] + b"\0" * 1000])
async def test_what_was_left_and_does_not_fit_is_fetched_anew_from_the_same_source(
    hub: Hub, caller: Caller, half: Path, left: bytes
) -> None:
    """Too long (416), of another file, or torn by a power failure."""
    put(half, left)
    await caller.get(hub.offer("/a", Offer(DATA)))
    assert hub.got[-1].range is None
    assert caller.files() == {"a.pt": DATA}


async def test_cancelled_in_the_middle_it_goes_on_the_next_time(hub: Hub, caller: Caller) -> None:
    url = hub.offer("/a", Offer(DATA, sends=HALF, stalls=True), Offer(DATA))
    fetching = asyncio.create_task(caller.get(url))
    await asyncio.wait_for(hub.until_written(HALF), 20)
    fetching.cancel()
    await asyncio.wait({fetching})
    assert caller.files() == {"a.pt.part": DATA[:HALF]}
    await caller.get(url)
    assert hub.got[-1].range == f"bytes={HALF}-"
    assert caller.files() == {"a.pt": DATA}


# ---- Files whose hash nobody has published


async def test_the_hash_that_the_hub_announces_is_checked(hub: Hub, caller: Caller) -> None:
    """As Hugging Face does: on the reply that redirects to the storage."""
    linked = {"X-Linked-Etag": f'"{sha256(DATA)}"'}
    storage = hub.offer("/storage", Offer(OTHER), Offer(DATA))
    url = hub.offer("/a", Offer(status=302, says={"Location": storage, **linked}))
    error = await caller.fails(url, file=UNKNOWN)
    assert "wrong SHA-256" in error.message
    await caller.get(url, file=UNKNOWN)
    assert caller.files() == {"a.pt": DATA}


async def test_with_no_hash_at_all_the_file_is_taken_and_its_hash_noted(
    hub: Hub, caller: Caller, target: Path
) -> None:
    await caller.get(hub.offer("/a", Offer(DATA)), file=UNKNOWN)
    assert caller.files() == {"a.pt": DATA}
    assert Places(target).record.read_text() == f"{sha256(DATA)}  a.pt\n"


async def test_with_an_announced_hash_another_source_may_go_on(hub: Hub, caller: Caller) -> None:
    linked = {"X-Linked-Etag": sha256(DATA)}
    first = hub.offer("/first", Offer(DATA, sends=HALF, says=linked), Offer(status=503))
    await caller.get(first, hub.offer("/second", Offer(DATA)), file=UNKNOWN)
    assert [got.range for got in hub.asked("/second")] == [f"bytes={HALF}-"]
    assert caller.files() == {"a.pt": DATA}


async def test_an_announced_hash_holds_for_a_source_that_announces_none(
    hub: Hub, caller: Caller
) -> None:
    linked = {"X-Linked-Etag": sha256(DATA)}
    first = hub.offer("/first", Offer(DATA, sends=HALF, says=linked), Offer(status=503))
    second = hub.offer("/second", Offer(OTHER, ranges=False))
    error = await caller.fails(first, second, file=UNKNOWN)
    assert f"{second}: gave a file with a wrong SHA-256" in error.message


async def test_when_another_hash_is_announced_what_was_begun_is_thrown_away(
    hub: Hub, caller: Caller
) -> None:
    old, new = {"X-Linked-Etag": sha256(OTHER)}, {"X-Linked-Etag": sha256(DATA)}
    await caller.get(
        hub.offer("/a", Offer(OTHER, sends=HALF, says=old), Offer(DATA, says=new)),
        file=UNKNOWN,
    )
    assert [got.range for got in hub.got] == [None, f"bytes={HALF}-", None]
    assert caller.files() == {"a.pt": DATA}


async def test_with_the_same_tag_the_same_address_goes_on(hub: Hub, caller: Caller) -> None:
    tag = {"ETag": '"one"'}
    url = hub.offer("/a", Offer(DATA, sends=HALF, says=tag), Offer(DATA, says=tag))
    await caller.get(url, file=UNKNOWN)
    assert hub.got[-1].range == f"bytes={HALF}-"
    assert hub.got[-1].headers["if-range"] == '"one"'
    assert caller.files() == {"a.pt": DATA}


async def test_with_a_new_tag_all_of_the_new_file_comes(hub: Hub, caller: Caller) -> None:
    old = Offer(OTHER, sends=HALF, says={"ETag": '"one"'})
    url = hub.offer("/a", old, Offer(DATA, says={"ETag": '"two"'}))
    await caller.get(url, file=UNKNOWN)
    assert hub.got[-1].headers["if-range"] == '"one"'
    assert caller.files() == {"a.pt": DATA}


async def test_the_tag_outlives_the_process(
    hub: Hub, caller: Caller, target: Path, half: Path
) -> None:
    tag = {"ETag": '"one"'}
    url = hub.offer("/a", Offer(DATA, says=tag))
    part = PartFile(Places(target))
    part.open()
    part.restart(Origin(url, '"one"', None))
    part.write(DATA[:HALF])
    part.close()
    assert caller.files()[half.name] == DATA[:HALF]
    await caller.get(url, file=UNKNOWN)
    assert [got.range for got in hub.got] == [f"bytes={HALF}-"]
    assert caller.files() == {"a.pt": DATA}


def test_who_is_interrupted_while_taking_it_up_again_loses_nothing(
    target: Path, half: Path
) -> None:
    """Hashing what is here takes seconds, and the service may be stopped meanwhile."""

    def interrupt(_count: int) -> None:
        raise KeyboardInterrupt

    part = PartFile(Places(target))
    with pytest.raises(KeyboardInterrupt):
        part.open(interrupt)
    part.close()
    assert half.read_bytes() == DATA[:HALF]


@pytest.mark.parametrize("note", ["{", "[]", '{"url": "x"}', "\0"])
async def test_a_note_that_was_cut_off_is_none(
    hub: Hub, caller: Caller, half: Path, note: str
) -> None:
    half.with_name("a.pt.part.json").write_text(note)
    await caller.get(hub.offer("/a", Offer(DATA)), file=UNKNOWN)
    assert [got.range for got in hub.got] == [None]
    assert caller.files() == {"a.pt": DATA}
