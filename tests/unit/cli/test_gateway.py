"""From settings to the gateway's table: the simple cases, in which no file is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from immich_aio.cli.gateway import backends_of, routing_table
from immich_aio.domain.routes import Rule
from immich_aio.domain.tasks import ClipTextTask, FacesTask, OcrTask
from immich_aio.errors import BadInputError
from immich_aio.settings import Settings

CLIP, FACES, OCR = ClipTextTask("ViT-B-32__openai"), FacesTask("buffalo_l"), OcrTask("m")
ELSEWHERE = {"MT_PHOTOS_API": "http://npu:8060"}


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings.load(None)


def test_by_default_ocr_is_done_here_and_all_else_by_immichs_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = settings(monkeypatch, IMMICH_API="http://immich:3003")
    table = routing_table(chosen, with_engines=True)
    assert table.order_of(OCR) == (("engine",),)
    assert table.order_of(CLIP) == table.order_of(FACES) == (("IMMICH_API",),)


def test_clip_is_done_here_under_the_names_that_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings(monkeypatch, IMMICH_API="http://immich:3003", CLIP_MODEL="ViT-B-16")
    table = routing_table(chosen, with_engines=True)
    assert table.order_of(CLIP) == (("engine",),)
    assert table.order_of(ClipTextTask("nllb-clip-base-siglip__v1")) == (("IMMICH_API",),)
    assert table.order_of(FACES) == (("IMMICH_API",),)


@pytest.mark.parametrize(("urls", "name"), [({}, "engine"), (ELSEWHERE, "MT_PHOTOS_API")])
def test_faces_are_found_where_ocr_is_read_if_they_are_to_be_found_here(
    monkeypatch: pytest.MonkeyPatch, urls: dict[str, str], name: str
) -> None:
    chosen = settings(
        monkeypatch,
        IMMICH_API="http://immich:3003",
        FACES_FROM="here",
        RECOGNITION_MODEL="antelopev2",
        **urls,
    )
    table = routing_table(chosen, with_engines=True)
    assert table.order_of(FACES) == ((name,),)
    assert table.backend(name).face_pack == "antelopev2"
    assert table.order_of(CLIP) == (("IMMICH_API",),)


def test_the_files_engine_finds_faces_only_if_they_are_to_be_found_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(
        '[backends.engine]\nkind = "engine"\n'
        '[[routes]]\ntask = "facial-recognition"\norder = ["engine"]'
    )
    with pytest.raises(BadInputError, match="set FACES_FROM=here, or take engine out"):
        routing_table(settings(monkeypatch, GATEWAY_CONFIG=str(file)), with_engines=True)
    table = routing_table(settings(monkeypatch, FACES_FROM="here"), with_engines=True)
    assert table.order_of(FACES) == (("engine",),)


def test_a_gateway_alone_asks_the_predecessors_address(monkeypatch: pytest.MonkeyPatch) -> None:
    table = routing_table(settings(monkeypatch), with_engines=False)
    (backend,) = table.backends
    assert (backend.kind, backend.url) == ("mt-photos", "http://localhost:8060")
    assert table.rules == (Rule((("MT_PHOTOS_API",),), "ocr"),)


def test_addresses_separated_by_commas_are_equals(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings(
        monkeypatch,
        MT_PHOTOS_API="http://npu:8060, http://nas:8060/",
        IMMICH_API="http://a:3003,http://b:3003",
    )
    table = routing_table(chosen, with_engines=False)
    assert table.order_of(OCR) == (("MT_PHOTOS_API", "MT_PHOTOS_API-2"),)
    assert table.order_of(FACES) == (("IMMICH_API", "IMMICH_API-2"),)
    assert [backend.url for backend in table.backends] == [
        *("http://npu:8060", "http://nas:8060"),
        *("http://a:3003", "http://b:3003"),
    ]


def test_ones_own_address_among_them_is_the_engine_of_this_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = settings(monkeypatch, MT_PHOTOS_API="http://npu:8060,http://localhost:8060")
    table = routing_table(chosen, with_engines=True)
    assert [backend.kind for backend in table.backends] == ["engine", "mt-photos"]
    assert table.order_of(OCR) == (("engine", "MT_PHOTOS_API"),)


def test_other_addresses_alone_leave_the_engine_out(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings(monkeypatch, MT_PHOTOS_API="http://npu:8060")
    assert routing_table(chosen, with_engines=True).order_of(OCR) == (("MT_PHOTOS_API",),)


def test_the_file_goes_before_the_addresses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(
        '[backends.one]\nkind = "immich"\nurl = "http://one"\n[[routes]]\norder = ["one"]'
    )
    chosen = settings(monkeypatch, GATEWAY_CONFIG=str(file), IMMICH_API="http://other:3003")
    assert routing_table(chosen, with_engines=True).order_of(FACES) == (("one",),)


def test_a_file_that_is_no_text_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_bytes("# 注释".encode("gb18030"))
    with pytest.raises(BadInputError, match="is no text in UTF-8"):
        routing_table(settings(monkeypatch, GATEWAY_CONFIG=str(file)), with_engines=True)


async def test_every_server_of_the_table_gets_a_client_of_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = settings(monkeypatch, MT_PHOTOS_API="http://npu:1", IMMICH_API="http://immich:1")
    table = routing_table(chosen, with_engines=False)
    backends, clients = backends_of(table, chosen, None)
    assert list(backends) == ["MT_PHOTOS_API", "IMMICH_API"]
    assert len(clients) == 2
    for client in clients:
        await client.close()
