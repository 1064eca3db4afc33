"""The gateway's file: what it says, and refusals that name the place of the mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from immich_aio.domain.routes import BackendSpec, Rule
from immich_aio.errors import BadInputError
from immich_aio.wire.gateway_config import parse_config

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "gateway.md"

BACKENDS = """
[backends.npu]
kind = "mt-photos"
url = "http://npu:8060/"
[backends.immich]
kind = "immich"
url = "http://immich:3003"
"""
ROUTE = """
[[routes]]
order = ["immich"]
"""
FULL = """
[backends.engine]
kind = "engine"
weight = 2
limit = 8

[backends.nas]
kind = "mt-photos"
url = "https://nas.lan:8060"
key = "a key"
clip_model = "ViT-B-16"
face_pack = "Buffalo_L"
weight = 0.5
limit = 4
timeout = 30

[backends.immich]
kind = "immich"
url = "http://immich:3003/ml"

[[routes]]
task = "ocr"
order = [["engine", "nas"], "immich"]

[[routes]]
task = "clip"
type = "textual"
model = ["ViT-B-32__openai", "ViT-B-16*"]
order = ["nas"]

[[routes]]
task = "facial-recognition"
model = "buffalo_l"
order = ["nas", "immich"]
"""


def test_a_file_says_who_there_is_and_who_does_what() -> None:
    table = parse_config(FULL, "gateway.toml", "ViT-B-16")
    assert table.backends == (
        BackendSpec("engine", "engine", weight=2, limit=8, clip_model="ViT-B-16"),
        BackendSpec(
            "nas",
            "mt-photos",
            "https://nas.lan:8060",
            key="a key",
            weight=0.5,
            limit=4,
            timeout=30,
            clip_model="ViT-B-16",
            face_pack="buffalo_l",
        ),
        BackendSpec("immich", "immich", "http://immich:3003/ml"),
    )
    assert table.rules == (
        Rule((("engine", "nas"), ("immich",)), "ocr"),
        Rule((("nas",),), "clip", "textual", ("ViT-B-32__openai", "ViT-B-16*")),
        Rule((("nas",), ("immich",)), "facial-recognition", models=("buffalo_l",)),
    )


def test_a_route_may_be_about_everything() -> None:
    table = parse_config(BACKENDS + ROUTE, "gateway.toml")
    assert table.rules == (Rule((("immich",),)),)
    assert table.backends[0].url == "http://npu:8060"


def route(text: str) -> str:
    return f"{BACKENDS}[[routes]]\n{text}"


WRONG = [
    ("not = = toml", "is not TOML"),
    ("", "backends"),
    (BACKENDS, "needs at least one"),
    ("[backends]\n" + ROUTE, "needs at least one"),
    (BACKENDS + ROUTE + "\n[backend.x]", "backend: is not known here; there are backends, routes"),
    ('[backends.x]\nkind = "torch"' + ROUTE, "backends.x.kind: must be one of engine, mt-photos"),
    ('[backends.x]\nurl = "http://x"' + ROUTE, "backends.x.kind: is missing"),
    ('[backends.x]\nkind = "immich"' + ROUTE, "backends.x.url: is missing"),
    ('[backends.x]\nkind = "immich"\nurl = "x:1"' + ROUTE, "backends.x.url: must be a URL"),
    ('[backends.x]\nkind = "immich"\nurl = "http://x:99999"' + ROUTE, "backends.x.url"),
    ('[backends."a b"]\nkind = "engine"' + ROUTE, "a name has letters"),
    ('[backends.x]\nkind = "engine"\nurl = "http://x"' + ROUTE, "backends.x.url: is not known"),
    ('[backends.x]\nkind = "engine"\nweight = 0' + ROUTE, "backends.x.weight"),
    ('[backends.x]\nkind = "engine"\nweight = true' + ROUTE, "backends.x.weight"),
    ('[backends.x]\nkind = "engine"\nlimit = 0' + ROUTE, "backends.x.limit"),
    ('[backends.x]\nkind = "engine"\nlimit = 1.5' + ROUTE, "backends.x.limit"),
    ('[backends.x]\nkind = "immich"\nurl = "http://x"\ntimeout = nan' + ROUTE, "timeout"),
    (BACKENDS + 'clip_model = "m"' + ROUTE, "backends.immich.clip_model: is for MT-Photos"),
    (route('task = "ocr"'), "routes[0].order: is missing"),
    (route("order = []"), "routes[0].order: names no backend"),
    (route("order = [[]]"), "routes[0].order: names no backend"),
    (route('order = ["gpu"]'), "there is no [backends.gpu]; there are npu, immich"),
    (route('order = ["npu", ["npu", "immich"]]'), "names npu twice; give it a weight instead"),
    (route('type = "visual"\norder = ["immich"]'), 'routes[0].type: belongs to task = "clip"'),
    (route('task = "clip"\ntype = "vocal"\norder = ["immich"]'), "one of visual, textual"),
    (route('task = "clip"\norder = ["npu"]'), "set backends.npu.clip_model"),
    (BACKENDS + 'face_pack = "buffalo_l"' + ROUTE, "backends.immich.face_pack: is for MT-Photos"),
    (
        '[backends.x]\nkind = "mt-photos"\nurl = "http://x"\nface_pack = "Facenet512"' + ROUTE,
        "backends.x.face_pack: must be one of buffalo_l",
    ),
    (route('task = "facial-recognition"\norder = ["npu"]'), "set backends.npu.face_pack"),
    (route('order = "immich"'), "routes[0].order: must be a list"),
    (route('orders = ["immich"]'), "routes[0].orders: is not known here"),
]


@pytest.mark.parametrize(("text", "told"), WRONG, ids=[told for _, told in WRONG])
def test_a_mistake_is_refused_by_its_place(text: str, told: str) -> None:
    with pytest.raises(BadInputError, match=re.escape(told)) as raised:
        parse_config(text, "gateway.toml")
    assert "gateway.toml" in raised.value.message


def test_a_route_that_would_mix_vectors_is_refused_with_the_remedy() -> None:
    text = BACKENDS.replace("[backends.immich]", 'clip_model = "ViT-B-16"\n[backends.immich]')
    text += '[[routes]]\norder = ["npu", "immich"]'
    with pytest.raises(BadInputError, match=r"cannot be compared.*a route of its own, above"):
        parse_config(text, "gateway.toml")


def test_the_engine_answers_clip_only_where_a_model_is_chosen() -> None:
    text = '[backends.engine]\nkind = "engine"\n[[routes]]\ntask = "clip"\norder = ["engine"]'
    assert parse_config(text, "gateway.toml", "ViT-B-16").backends[0].clip_model == "ViT-B-16"
    with pytest.raises(BadInputError, match="set CLIP_MODEL, or take engine out"):
        parse_config(text, "gateway.toml")


def test_the_engine_finds_faces_only_where_a_pack_is_chosen() -> None:
    text = '[backends.x]\nkind = "engine"\n[[routes]]\ntask = "facial-recognition"\norder = ["x"]'
    assert parse_config(text, "gateway.toml", "", "buffalo_s").backends[0].face_pack == "buffalo_s"
    with pytest.raises(BadInputError, match="set FACES_FROM=here, or take x out"):
        parse_config(text, "gateway.toml")


def test_a_route_that_would_mix_packs_is_refused_with_the_remedy() -> None:
    text = BACKENDS.replace("[backends.immich]", 'face_pack = "buffalo_s"\n[backends.engine]')
    text = text.replace('kind = "immich"\nurl = "http://immich:3003"', 'kind = "engine"')
    text += '[[routes]]\norder = ["npu", "engine"]'
    with pytest.raises(
        BadInputError, match=r"npu \(buffalo_s\) and of engine \(buffalo_l\) cannot"
    ):
        parse_config(text, "gateway.toml", "", "buffalo_l")


def test_every_example_in_the_documentation_can_be_read() -> None:
    examples = re.findall(r"```toml\n(.*?)```", DOCUMENTATION.read_text("utf-8"), re.DOTALL)
    assert examples
    for example in examples:
        assert parse_config(example, "gateway.toml", "ViT-B-16").rules
