"""Where models are, and that each is known by a name, a file and a hash of its own."""

from __future__ import annotations

import re

import pytest

from immich_aio.domain.face_packs import PACKS
from immich_aio.engines.model_files.catalogue import CLIP_MODELS, PublishedModel, RemoteFile
from immich_aio.engines.model_files.face_packs import FACE_PACKS, PublishedPack
from immich_aio.engines.model_files.sources import Source, addresses, parse_sources, shown

HUBS = {
    "huggingface": "https://hf.example",
    "modelscope": "https://ms.example/",
    "github": "https://gh.example",
}
FILE = RemoteFile("clip_cn_rn50.pt", "OFA-Sys/chinese-clip-rn50", "AI-ModelScope/chinese-clip-rn50")


# ---- The catalogue

FILES = {
    "RN50": "clip_cn_rn50.pt",
    "ViT-B-16": "clip_cn_vit-b-16.pt",
    "ViT-L-14": "clip_cn_vit-l-14.pt",
    "ViT-L-14-336": "clip_cn_vit-l-14-336.pt",
    "ViT-H-14": "clip_cn_vit-h-14.pt",
}


def test_the_names_and_files_are_those_of_cn_clip() -> None:
    assert {model.name: model.checkpoint.name for model in CLIP_MODELS} == FILES


@pytest.mark.parametrize("model", CLIP_MODELS, ids=lambda model: model.name)
def test_every_checkpoint_has_a_size_and_a_hash(model: PublishedModel) -> None:
    assert model.checkpoint.size
    assert model.checkpoint.size > 300_000_000
    assert model.checkpoint.sha256
    assert re.fullmatch("[0-9a-f]{64}", model.checkpoint.sha256)


def test_no_two_models_are_the_same_file() -> None:
    for values in zip(
        *((m.name, m.checkpoint.size, m.checkpoint.sha256, m.checkpoint.name) for m in CLIP_MODELS),
        strict=True,
    ):
        assert len(set(values)) == len(CLIP_MODELS)


def test_the_face_packs_are_those_that_immich_lists() -> None:
    assert tuple(pack.name for pack in FACE_PACKS) == PACKS


@pytest.mark.parametrize("pack", FACE_PACKS, ids=lambda pack: pack.name)
def test_every_pack_has_a_zip_of_known_hash_and_two_networks(pack: PublishedPack) -> None:
    assert re.fullmatch("[0-9a-f]{64}", pack.archive.sha256 or "")
    assert pack.archive.size
    assert pack.archive.size > 100_000_000
    assert [(task, file.name) for task, file, _ in pack.of_tasks()] == [
        ("detection", "detection/model.onnx"),
        ("recognition", "recognition/model.onnx"),
    ]


def test_no_two_packs_have_the_same_zip_or_the_same_two_networks() -> None:
    assert len({pack.archive.sha256 for pack in FACE_PACKS}) == len(FACE_PACKS)
    assert len({pack.members for pack in FACE_PACKS}) == len(FACE_PACKS)


# ---- Sources


def test_hubs_are_asked_at_their_endpoints_in_the_order_of_the_setting() -> None:
    assert addresses(FILE, parse_sources("ModelScope, huggingface", HUBS)) == (
        "https://ms.example/models/AI-ModelScope/chinese-clip-rn50/resolve/master/clip_cn_rn50.pt",
        "https://hf.example/OFA-Sys/chinese-clip-rn50/resolve/main/clip_cn_rn50.pt",
    )


def test_any_other_source_is_the_address_of_a_folder_of_files() -> None:
    sources = parse_sources("http://nas:8000/models/,huggingface", HUBS)
    assert sources[0] == Source("folder", "http://nas:8000/models")
    assert sources[0].url(FILE) == "http://nas:8000/models/clip_cn_rn50.pt"


def test_no_address_is_asked_twice() -> None:
    sources = parse_sources("http://nas/models,http://nas/models/", HUBS)
    assert addresses(FILE, sources) == ("http://nas/models/clip_cn_rn50.pt",)


def test_hubs_that_have_no_such_file_are_not_asked() -> None:
    sources = parse_sources("huggingface,modelscope,github,http://nas/models", HUBS)
    pack = FACE_PACKS[0]
    assert addresses(pack.networks[1], sources) == (
        "https://hf.example/immich-app/buffalo_l/resolve/main/recognition/model.onnx",
        "http://nas/models/buffalo_l/recognition/model.onnx",
    )
    assert addresses(pack.archive, sources) == (
        "https://gh.example/deepinsight/insightface/releases/download/model-zoo/buffalo_l.zip",
        "http://nas/models/buffalo_l.zip",
    )
    assert len(addresses(FILE, sources)) == 3


@pytest.mark.parametrize(
    "text", ["", " ,", "hugging face", "nas/models", "file:///models", "http://", "http://nas/?a=b"]
)
def test_what_is_no_source_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_sources(text, HUBS)


def test_secrets_in_an_address_are_not_shown() -> None:
    assert shown("https://me:hush@nas:8000/models/a.pt?key=hush#hush") == (
        "https://nas:8000/models/a.pt"
    )
