"""A pack answers to its own name and to no other, for vectors of two packs never fit."""

from __future__ import annotations

import pytest

from immich_aio.domain.face_packs import PACKS, pack_named, wrong_pack


@pytest.mark.parametrize("pack", PACKS)
def test_a_pack_answers_to_its_name_however_it_is_written(pack: str) -> None:
    assert pack_named(pack.upper()) == pack
    assert wrong_pack(f"immich-app/{pack}", pack) is None


@pytest.mark.parametrize("name", ["", "buffalo", "buffalo_l.zip", "buffalo_sc"])
def test_what_is_no_pack_is_none(name: str) -> None:
    assert pack_named(name) is None


def test_another_packs_name_is_refused_with_both_remedies() -> None:
    told = wrong_pack("buffalo_l", "buffalo_s")
    assert told is not None
    for words in (
        "RECOGNITION_MODEL=buffalo_l",
        "choose buffalo_s in Immich",
        "reset Face Detection",
    ):
        assert words in told
