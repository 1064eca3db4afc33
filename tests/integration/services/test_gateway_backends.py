"""Many backends behind one address: any may fail, be slow or away, and no request is lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from immich_aio.domain.results import OcrResult
from immich_aio.domain.routes import BackendSpec, Rule
from immich_aio.errors import UpstreamError
from immich_aio.services.gateway import dispatch, health
from immich_aio.services.gateway.backends import Answer as Done
from immich_aio.services.gateway.backends import EngineBackend
from immich_aio.services.gateway.body import LARGE
from immich_aio.services.gateway.dispatch import Patience
from immich_aio.services.gateway.given import Given
from immich_aio.services.gateway.routing import Unit
from tests.integration.services.gateways import (
    AT_ONCE,
    CLIP_REPLY,
    FACES,
    FACES_REPLY,
    MIB,
    OCR,
    PHOTO,
    TEXTUAL,
    VECTOR_TEXT,
    VISUAL,
    Running,
    photo,
    running,
)
from tests.integration.services.live import RESULT, EngineDouble, ask, live
from tests.integration.upstream.servers import (
    RECEIPT,
    Answer,
    Server,
    answer,
    immich_ml,
    mt_photos,
)

READ = answer(
    {
        "result": {
            "texts": ["合计"],
            "scores": ["0.98"],
            "boxes": [{"x": "4.0", "y": "7.0", "width": "28.0", "height": "21.0"}],
        }
    }
)
OUT_OF_MEMORY = answer({"result": [], "msg": "CUDA out of memory"})


def npu(name: str, server: Server, **more: object) -> BackendSpec:
    return BackendSpec(name, "mt-photos", server.url, **more)  # type: ignore[arg-type]


def immich(name: str, server: Server) -> BackendSpec:
    return BackendSpec(name, "immich", server.url)


async def until(holds: Callable[[], bool]) -> None:
    """Look with every turn of the event loop, until it holds."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def over(spec: BackendSpec, **config: Any) -> AsyncIterator[Running]:  # noqa: ANN401  # as in running
    """A gateway with one backend, which does everything it can."""
    async with running([spec], [Rule(((spec.name,),))], **config) as it:
        yield it


# ---- One fails, another answers


FAILURES = [
    pytest.param(OUT_OF_MEMORY, id="200 with msg"),
    pytest.param(Answer(500, b"oops"), id="500"),
    pytest.param(Answer(503, b""), id="503"),
    pytest.param(Answer(401, b"{}"), id="a wrong key"),
    pytest.param(Answer(429, b"", {"Retry-After": "60"}), id="busy"),
    pytest.param(Answer(200, b"\xff<html>"), id="garbage"),
    pytest.param(Answer(200, READ.body[:40], cut_off=True), id="half a reply"),
    pytest.param(answer({"result": {"texts": ["a"], "scores": [], "boxes": []}}), id="lists"),
]


@pytest.mark.parametrize("failure", FAILURES)
async def test_what_one_backend_fails_at_another_does(failure: Answer) -> None:
    async with mt_photos(failure) as bad, mt_photos(READ) as good:
        specs = [npu("bad", bad), npu("good", good)]
        async with running(specs, [Rule((("bad",), ("good",)))]) as it:
            reply = await it.predict(OCR, image=RECEIPT)
    assert reply.json["ocr"]["text"] == ["合计"]
    assert bad.got
    assert 'desc="good"' in reply.headers["Server-Timing"]


async def test_a_server_that_hangs_loses_the_request_to_another_one() -> None:
    async with mt_photos(held=True) as hung, mt_photos(READ) as good:
        specs = [npu("hung", hung, timeout=0.2), npu("good", good)]
        async with running(specs, [Rule((("hung",), ("good",)))]) as it:
            reply = await it.predict(OCR, image=RECEIPT)
    assert reply.status == 200
    assert hung.left.is_set()


async def test_equals_share_the_work_in_the_proportion_of_their_weights() -> None:
    async with mt_photos(READ) as one, mt_photos(READ) as other:
        specs = [npu("one", one, weight=3), npu("other", other)]
        async with running(specs, [Rule((("one", "other"),))]) as it:
            requests = (it.predict(OCR, image=RECEIPT) for _ in range(16))
            assert {reply.status for reply in await asyncio.gather(*requests)} == {200}
    assert len(one.got) > len(other.got) > 0


async def test_no_backend_is_given_more_at_once_than_its_limit() -> None:
    async with mt_photos(READ, held=True) as slow, over(npu("slow", slow, limit=2)) as it:
        asked = [asyncio.create_task(it.predict(OCR, image=RECEIPT)) for _ in range(5)]
        await until(lambda: it.gateway.room.waiting == {"ocr": 3})
        assert len(slow.got) <= 2
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await until(lambda: it.gateway.room.waiting == {})


async def test_a_large_body_that_breaks_off_at_one_server_reaches_the_other_whole() -> None:
    """It goes on while it arrives, and is kept, so that it can be sent again from its beginning."""
    image = PHOTO + bytes(2 * LARGE)
    async with immich_ml(Answer(500, b"")) as bad, immich_ml(answer(CLIP_REPLY)) as good:
        specs = [immich("bad", bad), immich("good", good)]
        rules, most = [Rule((("bad",), ("good",)))], 8 * MIB
        async with running(specs, rules, max_upload_bytes=most) as it:
            reply = await it.predict(VISUAL, image=image)
    assert reply.json == CLIP_REPLY
    assert good.got[0].parts["image"] == image


async def test_the_callers_own_fault_is_told_at_once_and_tried_nowhere_else() -> None:
    refusal = answer({"detail": "maxResolution must be positive"}, 422)
    async with immich_ml(refusal) as one, immich_ml(answer(CLIP_REPLY)) as other:
        specs = [immich("one", one), immich("other", other)]
        async with running(specs, [Rule((("one",), ("other",)))]) as it:
            reply = await it.predict(VISUAL, image=PHOTO)
    assert (reply.status, reply.json) == (422, {"detail": "maxResolution must be positive"})
    assert other.got == []


# ---- All fail, and one comes back


async def test_a_request_waits_for_a_server_that_is_not_there_yet() -> None:
    late = Server("/ocr", READ)
    async with live(late.app) as late.url:
        pass  # now there is an address at which nobody listens
    async with running([npu("late", late)], [Rule((("late",),))]) as it:
        asked = asyncio.create_task(it.predict(OCR, image=RECEIPT))
        await until(lambda: it.gateway.room.waiting == {"ocr": 1})
        port = int(late.url.rpartition(":")[2])
        async with live(late.app, port=port):
            reply = await asked
    assert reply.json["ocr"]["text"] == ["合计"]


async def test_a_request_waits_until_a_server_is_well_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "FIRST_PAUSE", 0.01)
    async with mt_photos(OUT_OF_MEMORY) as server, over(npu("npu", server)) as it:
        asked = asyncio.create_task(it.predict(OCR, image=RECEIPT))
        await until(lambda: len(server.got) >= 4)
        server.reply = READ
        reply = await asked
    assert reply.status == 200


async def test_whoever_hangs_up_while_waiting_frees_the_place() -> None:
    async with running(
        [BackendSpec("x", "mt-photos", "http://127.0.0.1:1")], [Rule((("x",),))]
    ) as it:
        asked = asyncio.create_task(it.predict(OCR, image=RECEIPT))
        await until(lambda: it.gateway.room.waiting == {"ocr": 1})
        asked.cancel()
        await until(lambda: it.gateway.room.waiting == {} and it.gateway.spool.memory == 0)


async def test_a_full_waiting_room_is_a_429_with_a_time_to_wait() -> None:
    specs = [BackendSpec("x", "mt-photos", "http://127.0.0.1:1")]
    async with running(specs, [Rule((("x",),))], places=0) as it:
        await until(lambda: not all(lane.reach.reachable for lane in it.gateway.lanes.values()))
        reply = await it.predict(OCR, image=RECEIPT)
    assert reply.status == 429
    assert int(reply.headers["Retry-After"]) > 0
    assert "WAITING_ROOM" in reply.json["detail"]


# ---- Requests that end whatever tries them


class Picky:
    """A backend that answers everything but one photo, at which ``deadly`` has it die."""

    def __init__(self, poison: bytes, *, deadly: bool) -> None:
        self.poison = poison
        self.tried = 0
        self._deadly = deadly
        self._dead = False

    async def perform(self, unit: Unit, given: Given) -> Done:
        assert unit.kind == "ocr"
        if (await given.fields()).image == self.poison:
            self.tried += 1
            self._dead = self._deadly
            raise UpstreamError("It broke off.")
        if self._dead:
            self._dead = False
            raise UpstreamError("It is starting again.")
        return Done({"ocr": {"text": ["read"]}})

    async def ping(self) -> None:
        """It is there."""

    def clip_identity(self) -> str:
        return ""


@pytest.mark.parametrize("deadly", [False, True])
async def test_a_photo_that_fails_wherever_others_succeed_is_given_up_and_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch, *, deadly: bool
) -> None:
    monkeypatch.setattr(dispatch, "REST", 0.01)
    monkeypatch.setattr(health, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(health, "LONGEST_PAUSE", 0.01)
    poison = photo("red")
    picky = Picky(poison, deadly=deadly)
    specs = [BackendSpec("picky", "engine", limit=1)]
    async with running(specs, [Rule((("picky",),))], engines={"picky": picky}) as it:
        asked = asyncio.create_task(it.predict(OCR, image=poison))
        others = []
        while not asked.done():
            others.append((await it.predict(OCR, image=PHOTO)).status)
        reply = await asked
    assert (reply.status, reply.json["detail"]) == (502, "OCR failed. It broke off.")
    assert picky.tried <= 8
    assert set(others) == {200}


async def test_what_is_no_image_is_refused_after_the_first_failure() -> None:
    async with (
        immich_ml(Answer(500, b"cannot identify image file")) as server,
        over(immich("immich", server)) as it,
    ):
        reply = await it.predict(VISUAL, image=b"Dear all, this is a letter.")
    assert reply.status == 400
    assert len([got for got in server.got if got.parts.get("image", b"").startswith(b"Dear")]) == 1


# ---- Texts, for which a person waits


async def test_a_query_goes_to_another_server_where_the_first_hangs() -> None:
    patience = Patience(text=30, text_attempt=0.1)
    async with immich_ml(held=True) as hung, immich_ml(answer({"clip": VECTOR_TEXT})) as good:
        specs = [immich("hung", hung), immich("good", good)]
        async with running(specs, [Rule((("hung",), ("good",)))], patience=patience) as it:
            reply = await it.predict(TEXTUAL, text="飞机")
    assert reply.json == {"clip": VECTOR_TEXT}


async def test_a_query_that_hangs_waits_for_a_place_at_a_server_that_is_well() -> None:
    reply = answer({"clip": VECTOR_TEXT})
    patience = Patience(text=2, text_attempt=0.1)
    async with immich_ml(reply) as good, immich_ml(reply, held=True) as hung:
        good.may_answer.clear()
        specs = [
            BackendSpec("good", "immich", good.url, limit=1),
            BackendSpec("hung", "immich", hung.url, limit=1),
        ]
        rules = [Rule((("good",), ("hung",)))]
        async with running(specs, rules, patience=patience, cached_texts=0) as it:
            first = asyncio.create_task(it.predict(TEXTUAL, text="飞机"))
            await good.arrived.get()
            second = asyncio.create_task(it.predict(TEXTUAL, text="火车"))
            await hung.left.wait()
            good.may_answer.set()
            replies = await asyncio.gather(first, second)
    assert [one.json for one in replies] == [{"clip": VECTOR_TEXT}] * 2


async def test_a_query_is_never_behind_images() -> None:
    async with immich_ml(answer(CLIP_REPLY), held=True) as server:
        spec = BackendSpec("immich", "immich", server.url, limit=1)
        async with running([spec], [Rule((("immich",),))]) as it:
            image = asyncio.create_task(it.predict(VISUAL, image=PHOTO))
            await server.waiting.wait()
            server.held = False
            assert (await it.predict(TEXTUAL, text="飞机")).status == 200
            assert not image.done()
            image.cancel()
            await asyncio.gather(image, return_exceptions=True)


async def test_a_query_that_nobody_answers_is_given_up_after_seconds_by_its_setting() -> None:
    specs = [BackendSpec("x", "immich", "http://127.0.0.1:1")]
    async with running(specs, [Rule((("x",),))], patience=AT_ONCE) as it:
        reply = await it.predict(TEXTUAL, text="飞机")
    assert reply.status in {502, 504}
    assert "x at http://127.0.0.1:1 cannot be reached" in reply.json["detail"]


class TestCache:
    async def ask(self, it: Running, text: str, language: str = "zh-CN") -> str:
        options = {"modelName": "ViT-B-32__openai", "options": {"language": language}}
        reply = await it.predict({"clip": {"textual": options}}, text=text)
        assert reply.json == {"clip": VECTOR_TEXT}
        return reply.headers["Server-Timing"]

    async def test_a_text_that_was_asked_before_is_answered_without_any_backend(self) -> None:
        async with (
            immich_ml(answer({"clip": VECTOR_TEXT})) as server,
            over(immich("immich", server)) as it,
        ):
            await self.ask(it, "飞机")
            assert 'desc="cache"' in await self.ask(it, "飞机")
            await self.ask(it, "火车")
            await self.ask(it, "飞机", language="en-US")
            page = (await ask(f"{it.url}/metrics")).body.decode()
        assert len(server.got) == 3
        assert 'text_cache_total{outcome="hit"} 1.0' in page

    async def test_it_may_be_switched_off(self) -> None:
        async with immich_ml(answer({"clip": VECTOR_TEXT})) as server:
            rules = [Rule((("immich",),))]
            async with running([immich("immich", server)], rules, cached_texts=0) as it:
                for _ in range(2):
                    await self.ask(it, "飞机")
        assert len(server.got) == 2

    async def test_it_holds_no_more_than_it_may(self) -> None:
        async with immich_ml(answer({"clip": VECTOR_TEXT})) as server:
            rules = [Rule((("immich",),))]
            async with running([immich("immich", server)], rules, cached_texts=2) as it:
                for text in ("one", "two", "one", "three", "one", "two"):
                    await self.ask(it, text)
                assert len(it.gateway.cache) == 2
        assert [got.parts["text"] for got in server.got] == [b"one", b"two", b"three", b"two"]

    async def test_after_a_server_was_lost_it_may_have_other_weights(self) -> None:
        async with (
            immich_ml(answer({"clip": VECTOR_TEXT})) as server,
            over(immich("immich", server)) as it,
        ):
            await self.ask(it, "飞机")
            reach = it.gateway.lanes["immich", "clip-text"].reach
            reach.lost("gone")
            reach.found()
            await self.ask(it, "飞机")
        assert len(server.got) == 2

    async def test_a_failure_is_not_kept(self) -> None:
        async with (
            immich_ml(answer({"detail": "no"}, 422)) as server,
            over(immich("immich", server)) as it,
        ):
            assert (await it.predict(TEXTUAL, text="x")).status == 422
            server.reply = answer({"clip": VECTOR_TEXT})
            await self.ask(it, "x")


# ---- Several tasks in one request


async def test_tasks_of_one_request_run_side_by_side_on_different_backends() -> None:
    engine = EngineDouble(held=True)
    async with immich_ml(answer(FACES_REPLY)) as faces, immich_ml(answer(CLIP_REPLY)) as clip:
        specs = [BackendSpec("engine", "engine"), immich("faces", faces), immich("clip", clip)]
        rules = [
            Rule((("engine",),), "ocr"),
            Rule((("faces",),), "facial-recognition"),
            Rule((("clip",),), "clip"),
        ]
        engines = {"engine": EngineBackend(engine, None)}
        async with running(specs, rules, engines=engines) as it:
            asked = asyncio.create_task(it.predict({**OCR, **FACES, **VISUAL}, image=PHOTO))
            await engine.began.wait()
            await until(lambda: bool(faces.got and clip.got))
            engine.let_go.set()
            reply = await asked
    assert reply.json.keys() == {"ocr", "clip", "facial-recognition", "imageHeight", "imageWidth"}
    assert reply.headers["Server-Timing"].count("backend;dur=") == 3
    assert list(json.loads(faces.got[0].parts["entries"])) == ["facial-recognition"]


async def test_where_one_of_them_fails_the_request_fails_and_says_which() -> None:
    async with immich_ml(answer({}, 500)) as server:
        specs = [BackendSpec("engine", "engine"), immich("immich", server)]
        rules = [Rule((("engine",),), "ocr"), Rule((("immich",),))]
        engines = {"engine": EngineBackend(EngineDouble(), None)}
        async with running(specs, rules, engines=engines, patience=AT_ONCE) as it:
            reply = await it.predict({**OCR, **FACES}, image=PHOTO)
    assert reply.status == 502
    assert reply.json["detail"].startswith("faces failed. immich at ")


async def test_an_engine_that_fails_while_a_server_can_do_it_is_helped_out() -> None:
    engine = EngineDouble(RuntimeError("the device was lost"))
    async with mt_photos(READ) as server:
        specs = [BackendSpec("engine", "engine"), npu("npu", server)]
        engines = {"engine": EngineBackend(engine, None)}
        async with running(specs, [Rule((("engine",), ("npu",)))], engines=engines) as it:
            reply = await it.predict(OCR, image=RECEIPT)
    assert reply.json["ocr"]["text"] == ["合计"]


async def test_the_engine_gets_no_more_than_it_can_do_and_the_rest_waits_at_the_gateway() -> None:
    engine = EngineDouble(held=True)
    specs, engines = [BackendSpec("engine", "engine")], {"engine": EngineBackend(engine, None)}
    limits = {"ocr": 2}
    async with running(specs, [Rule((("engine",),))], engines=engines, engine_limits=limits) as it:
        asked = [asyncio.create_task(it.predict(OCR, image=PHOTO)) for _ in range(5)]
        await until(lambda: it.gateway.room.waiting == {"ocr": 3})
        assert len(engine.images) == 2
        engine.let_go.set()
        replies = await asyncio.gather(*asked)
    assert {reply.status for reply in replies} == {200}
    assert isinstance(engine.result, OcrResult)
    assert RESULT.lines
