"""The OCR engine reads real images with the real models, on both runtimes.

Images are drawn here, so what stands in them and where is known.
"""

from __future__ import annotations

import asyncio
import difflib
import io
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench import ocr_scenes
from bench.ocr_canvas import Page, Style, encode, turned
from immich_aio.domain.geometry import Rect
from immich_aio.domain.images import ImageLimits
from immich_aio.domain.results import OcrResult, TextLine
from immich_aio.domain.tasks import OcrOptions
from immich_aio.engines.ocr.engine import OcrEngine, OcrEngineConfig, decode_enough
from immich_aio.engines.ocr.models import OcrModels, load_models
from immich_aio.engines.ocr.reader import Reader
from immich_aio.engines.ocr.recogniser import Recogniser
from immich_aio.engines.runtimes import Choice, choose
from immich_aio.errors import BadImageError, OverloadedError, TooLargeError, UnavailableError

SIMPLIFIED = "清晨的阳光穿过窗帘，落在书桌的一角"
TRADITIONAL = "請在使用前仔細閱讀安全須知，並妥善保存"
ENGLISH = "The quick brown fox jumps over the lazy dog"
JAPANESE = "駅前のパン屋さんは朝七時に開店します"
CLEAN = {"SC": SIMPLIFIED, "TC": TRADITIONAL, "EN": ENGLISH, "JP": JAPANESE}
POEM = ("床前明月光疑是地上霜", "舉頭望明月低頭思故鄉", "春眠不覺曉處處聞啼鳥")
DEFAULTS = OcrOptions()
EVERYTHING = OcrOptions(min_box_score=0.0, min_text_score=0.0)
PATIENCE = 30
ENGINE = "immich_aio.engines.ocr.engine"
LOAD = f"{ENGINE}.load_models"


def config(choice: Choice, **changes: Any) -> OcrEngineConfig:  # noqa: ANN401  # dataclass fields
    return replace(OcrEngineConfig(choice, 16, 960, ImageLimits()), **changes)


@asynccontextmanager
async def engine_of(choice: Choice, **changes: Any) -> Any:  # noqa: ANN401  # dataclass fields
    """An engine of its own, for tests that fill, release or close it."""
    engine = OcrEngine(config(choice, **changes))
    try:
        yield engine
    finally:
        await engine.close()


@pytest.fixture(scope="module", params=["openvino", "onnxruntime"])
def engine(request: pytest.FixtureRequest) -> Iterator[OcrEngine]:
    """An engine with two workers on each runtime; the models are loaded once for all tests."""
    ready = OcrEngine(config(choose(request.param, "cpu", 2)))
    yield ready
    asyncio.run(ready.close())


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def seeded(number: int) -> random.Random:
    return random.Random(number)  # noqa: S311  # the same page each time, not a secret one


def line_of(text: str, face: str = "SC", size: int = 40) -> Page:
    style = Style(size, face=face)
    page = Page.blank((int(style.width(text)) + 120, size * 4))
    page.write((60, size * 1.2), text, style)
    return page


def page_of_four() -> Page:
    page = Page.blank((800, 500))
    for row, (face, text) in enumerate(CLEAN.items()):
        page.write((50, 50 + row * 105), text, Style(34, face=face))
    return page


def texts(result: OcrResult) -> list[str]:
    return [line.text for line in result.lines]


def bounds(corners: Sequence[tuple[float, float]]) -> Rect:
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    return Rect.from_corner_pair(min(xs), min(ys), max(xs), max(ys))


def common(one: Rect, other: Rect) -> float:
    """The area two boxes share."""
    (a, b, c, d), (e, f, g, h) = one.corner_pair, other.corner_pair
    return max(0.0, min(c, g) - max(a, e)) * max(0.0, min(d, h) - max(b, f))


def overlap(one: Rect, other: Rect) -> float:
    """Intersection over union, 0…1."""
    shared = common(one, other)
    return shared / (one.width * one.height + other.width * other.height - shared)


def likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()


@pytest.mark.parametrize("face", CLEAN)
async def test_a_clean_line_is_read_exactly_in_every_language(engine: OcrEngine, face: str) -> None:
    result = await engine.read(png(line_of(CLEAN[face], face).image), DEFAULTS)
    assert texts(result) == [CLEAN[face]]
    assert result.lines[0].text_score > 0.95
    assert 0.5 <= result.lines[0].box_score <= 1


@pytest.fixture(scope="module", params=[0, 90, 180, 270])
def turned_page(request: pytest.FixtureRequest, engine: OcrEngine) -> tuple[Page, OcrResult]:
    """The page of four lines, turned clockwise, and what was read on it."""
    page = turned(page_of_four(), request.param)
    return page, asyncio.run(engine.read(png(page.image), DEFAULTS))


def test_a_page_is_read_in_order_whichever_way_it_is_turned(
    turned_page: tuple[Page, OcrResult],
) -> None:
    page, result = turned_page
    assert texts(result) == list(CLEAN.values())
    assert (result.width, result.height) == page.image.size


def test_boxes_lie_over_their_text(turned_page: tuple[Page, OcrResult]) -> None:
    page, result = turned_page
    for line, run in zip(result.lines, page.runs, strict=True):
        box, truth = line.corners.bounds, bounds(run.quad)
        assert overlap(box, truth) > 0.6
        assert common(box, truth) > 0.97 * truth.width * truth.height


def test_corners_go_clockwise_from_the_images_top_left_even_on_a_turned_page(
    turned_page: tuple[Page, OcrResult],
) -> None:
    for line in turned_page[1].lines:
        a, b, c, d = line.corners.points
        assert max(a[0], d[0]) < min(b[0], c[0])
        assert max(a[1], b[1]) < min(c[1], d[1])


async def test_vertical_chinese_is_read_in_columns_from_the_right(engine: OcrEngine) -> None:
    page = Page.blank((600, 700))
    for column, text in enumerate(POEM):
        for row, character in enumerate(text):
            page.write((430 - column * 120, 40 + row * 56), character, Style(48, face="TC"))
    assert texts(await engine.read(png(page.image), DEFAULTS)) == list(POEM)


async def test_a_page_of_small_print_is_read_line_by_line(engine: OcrEngine) -> None:
    page = ocr_scenes.document(seeded(1), (1000, 1000), "SC", 26)
    result = await engine.read(encode(page.image), DEFAULTS)
    truth = [run.text for run in page.runs]
    assert len(truth) > 8
    assert likeness("\n".join(truth), result.text) > 0.99


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3), (640, 480), (1, 9000)])
async def test_an_image_without_text_has_no_lines_but_its_size(
    engine: OcrEngine, size: tuple[int, int]
) -> None:
    result = await engine.read(png(Image.new("RGB", size, "white")), EVERYTHING)
    assert result == OcrResult((), *size)


async def test_scenery_has_no_lines(engine: OcrEngine) -> None:
    speckled = np.random.default_rng(5).integers(0, 256, (600, 800, 3), np.uint8)
    assert texts(await engine.read(encode(Image.fromarray(speckled)), DEFAULTS)) == []


async def test_min_box_score_drops_boxes(engine: OcrEngine) -> None:
    file = png(page_of_four().image)
    every = await engine.read(file, OcrOptions(min_box_score=0.1))
    assert len(every.lines) == 4
    scores = sorted(line.box_score for line in every.lines)
    some = await engine.read(file, OcrOptions(min_box_score=(scores[1] + scores[2]) / 2))
    assert [line.box_score for line in some.lines] == pytest.approx(
        [line.box_score for line in every.lines if line.box_score >= scores[2]], abs=1e-3
    )
    none = await engine.read(file, OcrOptions(min_box_score=0.999))
    assert none == OcrResult((), 800, 500)


async def test_min_text_score_drops_lines(engine: OcrEngine) -> None:
    """A row of shapes is found as text, but cannot be read as any."""
    page = Page.blank((900, 300))
    page.write((60, 40), SIMPLIFIED, Style(40))
    page.write((60, 180), "▲◆●■▼◇○□", Style(40))
    file = png(page.image)
    every = await engine.read(file, OcrOptions(min_text_score=0.0))
    assert len(every.lines) == 2
    assert every.lines[1].text_score < 0.75
    assert texts(await engine.read(file, DEFAULTS)) == [SIMPLIFIED]


async def test_a_small_max_resolution_loses_small_print_and_keeps_headlines(
    engine: OcrEngine,
) -> None:
    page = Page.blank((1400, 1000))
    page.write((100, 100), "小字看不清楚的时候要放大来看才行", Style(18))
    page.write((100, 400), "大标题", Style(160))
    file = png(page.image)
    assert texts(await engine.read(file, DEFAULTS)) == [run.text for run in page.runs]
    assert texts(await engine.read(file, OcrOptions(max_resolution=100))) == ["大标题"]


@pytest.mark.parametrize(("kind", "size", "stations"), [("JPEG", 60, 16), ("PNG", 110, 9)])
async def test_a_line_across_a_long_strip_is_found_and_read_whole(
    engine: OcrEngine, kind: str, size: int, stations: int
) -> None:
    text = "".join(f"第{100 + number}站上海南京苏州杭州" for number in range(stations))
    page = Page.blank((12_000, 200))
    assert page.write((40, 40), text, Style(size)) > 11_000
    file = png(page.image) if kind == "PNG" else encode(page.image)
    result = await engine.read(file, DEFAULTS)
    assert (result.width, result.height) == (12_000, 200)
    assert likeness(result.text.replace("\n", ""), text) > 0.99
    assert overlap(result.lines[0].corners.bounds, bounds(page.runs[0].quad)) > 0.6


async def test_words_at_the_seams_of_a_very_long_line_keep_their_spaces(engine: OcrEngine) -> None:
    style = Style(24, face="EN")
    sentence = " ".join([ENGLISH] * 6)
    page = Page.blank((int(style.width(sentence)) + 100, 100))
    page.write((40, 30), sentence, style)
    assert texts(await engine.read(png(page.image), DEFAULTS)) == [sentence]


async def test_a_long_screenshot_is_read_from_top_to_bottom(engine: OcrEngine) -> None:
    """As a JPEG, which may be decoded at a fraction of its size."""
    page = Page.blank((480, 12_000))
    for row in range(30):
        page.write((40, 60 + row * 395), f"第{row + 10}条消息明天几点出发", Style(30))
    result = await engine.read(encode(page.image), DEFAULTS)
    assert texts(result) == [run.text for run in page.runs]


async def test_coordinates_are_in_pixels_of_the_file_however_large_it_is(
    engine: OcrEngine,
) -> None:
    """A 30-megapixel JPEG is decoded at half its size."""
    page = Page.blank((8000, 3750))
    page.write((400, 600), SIMPLIFIED, Style(200))
    page.write((3000, 2900), ENGLISH, Style(160, face="EN"))
    result = await engine.read(encode(page.image), DEFAULTS)
    assert texts(result) == [SIMPLIFIED, ENGLISH]
    assert (result.width, result.height) == (8000, 3750)
    for line, run in zip(result.lines, page.runs, strict=True):
        assert overlap(line.corners.bounds, bounds(run.quad)) > 0.6


def variant(kind: str, grey: Image.Image) -> Image.Image:
    if kind == "16 bit":
        return Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    if kind == "alpha":  # black all over, and seen only where it is not clear
        clear = Image.new("RGBA", grey.size, (0, 0, 0, 0))
        clear.putalpha(Image.eval(grey, lambda value: 255 - value))
        return clear
    return grey.convert({"grey": "L", "black and white": "1", "palette": "P"}[kind])


@pytest.mark.parametrize("kind", ["grey", "black and white", "palette", "16 bit", "alpha"])
async def test_every_kind_of_pixel_is_read(engine: OcrEngine, kind: str) -> None:
    image = variant(kind, line_of(SIMPLIFIED).image.convert("L"))
    assert texts(await engine.read(png(image), DEFAULTS)) == [SIMPLIFIED]


async def test_light_text_on_dark_is_read(engine: OcrEngine) -> None:
    page = Page.blank((900, 160), (20, 22, 28))
    page.write((60, 50), SIMPLIFIED, Style(40, fill=(225, 225, 230)))
    assert texts(await engine.read(png(page.image), DEFAULTS)) == [SIMPLIFIED]


@pytest.mark.parametrize("file", [b"", b"not an image", b"\xff\xd8\xff\xe0 cut off", b"%PDF-1.7"])
async def test_what_is_no_image_is_refused_and_the_next_image_is_read(
    engine: OcrEngine, file: bytes
) -> None:
    with pytest.raises(BadImageError):
        await engine.read(file, DEFAULTS)
    assert texts(await engine.read(png(line_of(ENGLISH, "EN").image), DEFAULTS)) == [ENGLISH]


async def test_results_say_where_the_time_went(engine: OcrEngine) -> None:
    timings = (await engine.read(png(page_of_four().image), DEFAULTS)).timings
    assert timings.queue >= 0
    assert min(timings.decode, timings.detect, timings.recognise) > 0


def alike(one: OcrResult, other: OcrResult) -> None:
    """Assert that two results are the same but for the last digits of their scores."""
    assert [strip(line) for line in one.lines] == [strip(line) for line in other.lines]
    for mine, yours in zip(one.lines, other.lines, strict=True):
        assert mine.box_score == pytest.approx(yours.box_score, abs=1e-3)
        assert mine.text_score == pytest.approx(yours.text_score, abs=1e-3)


def strip(line: TextLine) -> tuple[str, object]:
    return line.text, line.corners


async def test_images_read_at_once_give_what_they_give_one_after_another(
    engine: OcrEngine,
) -> None:
    pages = [
        line_of(TRADITIONAL, "TC"),
        line_of(SIMPLIFIED),
        line_of(JAPANESE, "JP"),
        line_of(ENGLISH, "EN"),
    ]
    files = [png(page.image) for page in pages]
    alone = [await engine.read(file, DEFAULTS) for file in files]
    together = await asyncio.gather(*(engine.read(file, DEFAULTS) for file in files))
    for one, other in zip(alone, together, strict=True):
        alike(one, other)


async def test_an_image_shared_by_helpers_gives_what_one_worker_gives() -> None:
    page = ocr_scenes.table(seeded(2), (1100, 800), 0, 8)
    file = encode(page.image)
    results = []
    for workers in (1, 3):
        async with engine_of(choose("auto", "cpu", workers)) as engine:
            results.append(await engine.read(file, DEFAULTS))
    assert len(results[0].lines) > 20
    alike(*results)


async def test_what_auto_picks_reads_what_onnx_runtime_reads_in_f32() -> None:
    """Half the precision must not cost characters."""
    pages = [page_of_four()]
    pages.append(ocr_scenes.document(seeded(3), (1000, 700), "SC", 26))
    pages.append(ocr_scenes.document(seeded(4), (1000, 700), "EN", 22))
    files = [png(page.image) for page in pages]
    async with (
        engine_of(choose("auto", "cpu", 2)) as picked,
        engine_of(choose("onnxruntime", "cpu", 2)) as exact,
    ):
        for file in files:
            one, other = await asyncio.gather(
                picked.read(file, DEFAULTS), exact.read(file, DEFAULTS)
            )
            assert texts(one) == texts(other)


async def test_a_full_queue_refuses_at_once_and_what_was_taken_is_answered() -> None:
    file = png(line_of(ENGLISH, "EN").image)
    async with engine_of(choose("onnxruntime", "cpu", 1), queue_size=1) as engine:
        outcomes = await asyncio.gather(
            *(engine.read(file, DEFAULTS) for _ in range(5)), return_exceptions=True
        )
    read = [outcome for outcome in outcomes if isinstance(outcome, OcrResult)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, OverloadedError)]
    assert [texts(result) for result in read] == [[ENGLISH]] * 2
    assert len(refused) == 3
    assert all(error.retry_after >= 1 for error in refused)


async def test_a_cancelled_read_stops_before_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller goes while the image is decoded; no inference follows."""
    decoding, go_on = threading.Event(), threading.Event()

    def slow_decode(file: bytes, limits: ImageLimits) -> object:
        decoding.set()
        assert go_on.wait(PATIENCE)
        return decode_enough(file, limits)

    file = png(line_of(ENGLISH, "EN").image)
    async with engine_of(choose("onnxruntime", "cpu", 1)) as engine:
        await engine.warm_up()
        reader_reads: list[object] = []
        monkeypatch.setattr(f"{ENGINE}.decode_enough", slow_decode)
        monkeypatch.setattr(Reader, "read", lambda *arguments: reader_reads.append(arguments))
        task = asyncio.create_task(engine.read(file, DEFAULTS))
        assert await asyncio.to_thread(decoding.wait, PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await engine.warm_up()  # in the queue behind the cancelled one
        monkeypatch.undo()
        assert texts(await engine.read(file, DEFAULTS)) == [ENGLISH]
        assert reader_reads == []


async def test_a_cancelled_read_stops_between_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller goes at the first line; the rest of the page is not read."""
    begun, go_on = threading.Event(), threading.Event()
    batches: list[int] = []
    spell = Recogniser.spell_strips

    def slow_spell(self: Recogniser, strips: Any) -> Any:  # noqa: ANN401  # passed through
        batches.append(len(strips))
        begun.set()
        assert go_on.wait(PATIENCE)
        return spell(self, strips)

    async with engine_of(choose("onnxruntime", "cpu", 1)) as engine:
        monkeypatch.setattr(Recogniser, "spell_strips", slow_spell)
        task = asyncio.create_task(engine.read(png(page_of_four().image), DEFAULTS))
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await engine.warm_up()
    assert batches == [1]


async def test_after_a_release_the_models_are_loaded_again() -> None:
    file = png(line_of(SIMPLIFIED).image)
    async with engine_of(choose("onnxruntime", "cpu", 2)) as engine:
        before = await engine.read(file, DEFAULTS)
        await engine.release()
        assert not engine.health().ready
        alike(await engine.read(file, DEFAULTS), before)
        assert engine.health().ready


async def test_a_release_while_reading_loses_nothing() -> None:
    file = png(page_of_four().image)
    async with engine_of(choose("onnxruntime", "cpu", 2)) as engine:
        await engine.warm_up()
        reads = [asyncio.create_task(engine.read(file, DEFAULTS)) for _ in range(3)]
        await asyncio.sleep(0)
        await engine.release()
        for result in await asyncio.gather(*reads):
            assert texts(result) == list(CLEAN.values())


async def test_a_release_during_the_load_leaves_the_event_loop_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The load goes on only after the loop has had its turn; else nobody would ever go on."""
    loading, go_on = threading.Event(), threading.Event()

    def slow_load(choice: Choice) -> OcrModels:
        loading.set()
        assert go_on.wait(PATIENCE)
        return load_models(choice)

    monkeypatch.setattr(LOAD, slow_load)
    async with engine_of(choose("onnxruntime", "cpu", 1)) as engine:
        warming = asyncio.create_task(engine.warm_up())
        assert await asyncio.to_thread(loading.wait, PATIENCE)
        releasing = asyncio.create_task(engine.release())
        await asyncio.sleep(0)
        assert not releasing.done()
        go_on.set()
        await asyncio.gather(warming, releasing)
        assert texts(await engine.read(png(line_of(ENGLISH).image), DEFAULTS)) == [ENGLISH]


async def test_a_second_reader_waits_for_the_first_ones_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loads: list[Choice] = []

    def counted(choice: Choice) -> OcrModels:
        loads.append(choice)
        return load_models(choice)

    monkeypatch.setattr(LOAD, counted)
    file = png(line_of(ENGLISH).image)
    async with engine_of(choose("onnxruntime", "cpu", 2)) as engine:
        await asyncio.gather(*(engine.read(file, DEFAULTS) for _ in range(4)))
    assert len(loads) == 1


async def test_models_that_cannot_be_loaded_are_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_choice: Choice) -> OcrModels:
        raise UnavailableError("no models today")

    file = png(line_of(ENGLISH).image)
    async with engine_of(choose("onnxruntime", "cpu", 1)) as engine:
        with monkeypatch.context() as patch:
            patch.setattr(LOAD, fail)
            with pytest.raises(UnavailableError, match="no models today"):
                await engine.read(file, DEFAULTS)
            assert not engine.health().ready
        assert texts(await engine.read(file, DEFAULTS)) == [ENGLISH]


async def test_health_names_the_runtime_and_counts_what_runs_and_waits() -> None:
    file = png(page_of_four().image)
    async with engine_of(choose("onnxruntime", "cpu", 1)) as engine:
        idle = engine.health()
        assert (idle.ready, idle.description) == (False, "ONNX Runtime f32 on CPU")
        assert (idle.workers, idle.waiting, idle.running) == (1, 0, 0)
        reads = [asyncio.create_task(engine.read(file, DEFAULTS)) for _ in range(3)]
        await asyncio.sleep(0)
        busy = engine.health()
        assert busy.waiting + busy.running == 3
        await asyncio.gather(*reads)
        assert engine.health().ready
        assert engine.health().waiting == 0


async def test_a_closed_engine_refuses() -> None:
    async with engine_of(choose("onnxruntime", "cpu", 1)) as engine:
        await engine.close()
        with pytest.raises(UnavailableError, match="shutting down"):
            await engine.read(b"", DEFAULTS)


async def test_an_image_over_the_limits_is_refused_by_name_of_the_setting() -> None:
    limits = ImageLimits(max_bytes=100_000, max_pixels=1_000_000)
    async with engine_of(choose("onnxruntime", "cpu", 1), limits=limits) as engine:
        with pytest.raises(TooLargeError, match="MAX_MEGAPIXELS"):
            await engine.read(png(Image.new("1", (1001, 1000))), DEFAULTS)
        with pytest.raises(TooLargeError, match="MAX_UPLOAD_MB"):
            await engine.read(png(Image.effect_noise((400, 400), 90)), DEFAULTS)
