"""A multipart body is read the same however it arrives, and never beyond its limit."""

from __future__ import annotations

import asyncio
import itertools
import tracemalloc
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from immich_aio.errors import AioError, BadInputError, CancelledWorkError, TooLargeError
from immich_aio.services.gateway.body import Body
from immich_aio.services.gateway.spool import Spool, SpoolLimits
from immich_aio.services.http.forms import MAX_PARTS, Part
from immich_aio.services.http.uploads import OVERHEAD, Upload
from tests.integration.services.live import BOUNDARY, MULTIPART, multipart, unfinished_file

MIB = 1024 * 1024
IMAGE = b"\xff\xd8\r\n--a-bound\r\n--a-boundar" + bytes(range(256)) + b"\r\n"
BODY = multipart(entries='{"ocr":{}}', image=IMAGE)
WANTED = {"entries": (None, b'{"ocr":{}}'), "image": ("blob", IMAGE)}


class Wire:
    """What an ASGI server gives an app: the body in these pieces; counts what was taken."""

    def __init__(self, pieces: Iterable[bytes], *, then: str = "end") -> None:
        self._pieces = iter(pieces)
        self._then = then
        self.taken = 0

    async def receive(self) -> Message:
        piece = next(self._pieces, None)
        if piece is not None:
            self.taken += len(piece)
            return {"type": "http.request", "body": piece, "more_body": True}
        if self._then == "hang up":
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    def upload(self, limit: int = MIB, *, kind: str = MULTIPART) -> Upload:
        return Upload(self._request(kind), limit)

    def body(self, limit: int = MIB, *, kind: str = MULTIPART) -> Body:
        return Body(self._request(kind), limit, Spool(SpoolLimits()).blob())

    def _request(self, kind: str) -> Request:
        headers = [(b"content-type", kind.encode())]
        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        return Request(scope, self.receive)


def plain(parts: dict[str, Part]) -> dict[str, tuple[str | None, bytes]]:
    return {name: (part.filename, bytes(part.data)) for name, part in parts.items()}


def cut(body: bytes, places: Iterable[int]) -> list[bytes]:
    ends = [0, *sorted(places), len(body)]
    return [body[start:end] for start, end in pairwise(ends)]


@given(st.sets(st.integers(0, len(BODY)), max_size=6))
@settings(deadline=None)
@example(set(range(len(BODY))))
def test_a_body_cut_anywhere_is_read_the_same(places: set[int]) -> None:
    parts = asyncio.run(Wire(cut(BODY, places)).upload().read_all())
    assert plain(parts) == WANTED


def test_every_single_cut_is_read_the_same() -> None:
    async def read() -> None:
        for place in range(len(BODY) + 1):
            parts = await Wire(cut(BODY, [place])).upload().read_all()
            assert plain(parts) == WANTED, place

    asyncio.run(read())


@given(st.sets(st.integers(0, len(BODY)), max_size=4))
def test_what_is_relayed_is_the_body_as_it_came_again_and_again(places: set[int]) -> None:
    async def relay() -> list[bytes]:
        body = Wire(cut(BODY, places)).body()
        assert await body.entries() == b'{"ocr":{}}'
        return [await all_of(body) for _ in range(2)]

    assert asyncio.run(relay()) == [BODY, BODY]


async def all_of(body: Body) -> bytes:
    sent = body.as_it_came()
    pieces = sent if isinstance(sent, Sequence) else [chunk async for chunk in sent]
    return b"".join(pieces)


async def test_a_field_is_known_before_what_follows_it_has_arrived() -> None:
    first, rest = BODY[: BODY.index(b"\xff")], BODY[BODY.index(b"\xff") :]
    wire = Wire([first, rest])
    upload = wire.upload()
    await upload.read_until(lambda: "entries" in upload.parts and upload.parts["entries"].complete)
    assert upload.parts["entries"].data == b'{"ocr":{}}'
    assert wire.taken == len(first)


async def test_an_endless_body_is_refused_at_its_limit_and_takes_no_more_memory() -> None:
    wire = Wire(_endless_file())
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError, match="limit of 2 MiB; raise MAX_UPLOAD_MB"):
            await wire.upload(2 * MIB).read_all()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 2 * MIB < wire.taken <= 2 * MIB + OVERHEAD + 65_536
    assert peak < 6 * MIB


async def test_an_endless_body_is_refused_at_its_limit_while_it_is_relayed() -> None:
    wire = Wire([multipart(entries="{}")[: -len(f"--{BOUNDARY}--\r\n")], *_beginning(64)])
    body = wire.body(MIB)
    await body.entries()
    with pytest.raises(TooLargeError):
        await all_of(body)
    assert isinstance(body.failure, TooLargeError)
    assert wire.taken <= MIB + OVERHEAD + 65_536


def _beginning(pieces: int) -> Iterable[bytes]:
    return itertools.islice(_endless_file(), pieces)


def _endless_file() -> Iterable[bytes]:
    yield unfinished_file()
    while True:
        yield bytes(65_536)


async def test_a_file_of_just_the_limit_is_let_pass() -> None:
    body = multipart(entries="x" * 1000, image=bytes(MIB))
    parts = await Wire([body]).upload(MIB).read_all()
    assert len(parts["image"].data) == MIB


async def test_as_many_fields_as_allowed_are_read_and_one_more_is_refused() -> None:
    fields: dict[str, bytes | str] = {f"field{number}": "x" for number in range(MAX_PARTS)}
    assert len(await Wire([multipart(**fields)]).upload().read_all()) == MAX_PARTS
    with pytest.raises(BadInputError, match="more than 32 fields"):
        await Wire([multipart(**fields, one_more="x")]).upload().read_all()


async def test_a_field_that_comes_twice_is_refused_rather_than_one_of_them_lost() -> None:
    once = multipart(image=b"one")[: -len(f"--{BOUNDARY}--\r\n")]
    with pytest.raises(BadInputError, match="the field 'image' twice"):
        await Wire([once + multipart(image=b"two")]).upload().read_all()


MALFORMED = {
    "another boundary": BODY.replace(b"--a-boundary", b"--another"),
    "no multipart at all": b"just bytes",
    "a file cut off": BODY[:-30],
    "a part without a name": BODY.replace(b'name="entries"', b""),
    "a header without a colon": BODY.replace(b"Content-Disposition:", b"Content Disposition", 1),
    "a header without an end": b"--a-boundary\r\nX-Endless: " + b"x" * 100_000,
    "a hundred headers": b"--a-boundary\r\n" + b"X: y\r\n" * 100 + b"\r\n",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_body_is_the_callers_mistake(body: bytes) -> None:
    with pytest.raises(BadInputError):
        await Wire([body]).upload().read_all()


@given(st.binary(max_size=400), st.sets(st.integers(0, 400), max_size=3))
@settings(deadline=None)
def test_no_body_whatever_raises_anything_but_our_own_errors(
    noise: bytes, places: set[int]
) -> None:
    """Noise after a good beginning, so that it reaches deep into the parser."""
    body = BODY[:60] + noise

    async def read() -> str:
        try:
            await Wire(cut(body, (min(place, len(body)) for place in places))).upload().read_all()
        except AioError as error:
            return error.kind
        return "read"

    assert asyncio.run(read()) in {"bad_input", "read"}


@pytest.mark.parametrize(
    "kind",
    ["", "image/jpeg", "application/json", "multipart/form-data", "multipart/form-data; boundary="],
)
async def test_a_body_that_is_no_multipart_form_is_refused_in_those_words(kind: str) -> None:
    with pytest.raises(BadInputError, match=r"multipart/form-data"):
        Wire([BODY]).upload(kind=kind)


async def test_a_boundary_longer_than_the_standard_allows_is_the_callers_mistake() -> None:
    with pytest.raises(BadInputError, match="malformed"):
        Wire([BODY]).upload(kind=f"multipart/form-data; boundary={'x' * 300}")


async def test_a_quoted_boundary_and_capitals_in_the_type_are_understood() -> None:
    kind = f'Multipart/Form-Data; charset=utf-8; boundary="{BOUNDARY}"'
    assert plain(await Wire([BODY]).upload(kind=kind).read_all()) == WANTED


async def test_a_caller_who_hangs_up_in_the_middle_is_known_to_have_done_so() -> None:
    with pytest.raises(CancelledWorkError):
        await Wire([BODY[:100]], then="hang up").upload().read_all()
    body = Wire([BODY[:100]], then="hang up").body()
    await body.entries()
    with pytest.raises(CancelledWorkError):
        await body.read()
