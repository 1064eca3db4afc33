"""Packs in a folder, a zip or another folder: what is known of them, and what is taken in."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from immich_aio.engines.model_files import archive as archive_module
from immich_aio.engines.model_files.archive import unpack
from immich_aio.engines.model_files.disk import Lock
from immich_aio.engines.model_files.hashes import read_record
from immich_aio.engines.model_files.license import License
from immich_aio.engines.model_files.pack_folder import PackFiles, PackFolder
from immich_aio.engines.model_files.pack_importing import import_pack
from immich_aio.engines.model_files.places import Places
from immich_aio.engines.model_files.verification import pin, verify_pack
from immich_aio.errors import (
    BadCheckpointError,
    BadInputError,
    LicenseError,
    ModelMissingError,
    UnavailableError,
)
from tests.integration.engines.hub import sha256
from tests.integration.engines.packs import (
    DETECTION,
    MEMBERS,
    OTHER,
    PACK,
    RECOGNITION,
    UNPINNED,
    ZIP,
    lay,
    zipped,
)

OURS = ("detection/model.onnx", "recognition/model.onnx")
LAYOUTS = [OURS, MEMBERS, tuple(f"buffalo_l/{name}" for name in MEMBERS)]


@pytest.fixture
def folder(tmp_path: Path) -> PackFolder:
    return PackFolder(tmp_path / "models" / "faces", [PACK])


def contents(files: PackFiles | None) -> list[bytes]:
    assert files is not None
    return [path.read_bytes() for _, path in files.of_tasks()]


def left_in(folder: PackFolder) -> list[str]:
    return sorted(path.name for path in folder.root.iterdir())


# ---- What is here


@pytest.mark.parametrize("layout", LAYOUTS, ids=["immich", "insightface", "nested"])
def test_a_folder_of_immichs_or_insightfaces_is_used_as_it_is(
    folder: PackFolder, layout: tuple[str, str]
) -> None:
    lay(folder.path(PACK), *layout)
    assert contents(folder.files(PACK)) == [DETECTION, RECOGNITION]
    state = folder.state(PACK)
    assert (state.status, state.size, state.is_other_file) == ("present", 250_000, False)


def test_half_a_pack_is_none(folder: PackFolder) -> None:
    lay(folder.path(PACK), *OURS)
    (folder.path(PACK) / OURS[1]).unlink()
    assert folder.files(PACK) is None
    state = folder.state(PACK)
    assert (state.status, state.partial, state.hashes) == ("partial", len(DETECTION), {})


def test_what_is_not_here_is_missing(folder: PackFolder) -> None:
    assert [state.status for state in folder.states()] == ["missing"]
    with pytest.raises(ModelMissingError, match="models list"):
        folder.remove(PACK)


def test_a_file_of_another_size_is_not_the_published_one(folder: PackFolder) -> None:
    lay(folder.path(PACK), *OURS, data=(DETECTION, OTHER[:-1]))
    assert folder.state(PACK).is_other_file


def test_a_pack_is_known_by_the_name_of_its_zip_too(folder: PackFolder) -> None:
    assert folder.published("Buffalo_L.zip") == PACK
    assert folder.published("buffalo_m") is None


def test_removing_takes_everything_of_the_pack_and_nothing_else(folder: PackFolder) -> None:
    lay(folder.path(PACK), *OURS)
    (folder.root / "buffalo_l.zip.part").write_bytes(b"12345")
    (folder.root / "notes.txt").write_text("mine")
    assert folder.remove(PACK) == 250_005
    assert left_in(folder) == ["notes.txt"]


def test_a_pack_that_is_being_fetched_is_not_removed(folder: PackFolder) -> None:
    lay(folder.path(PACK), *OURS)
    lock = folder.lock(PACK)
    assert lock.taken()
    with pytest.raises(UnavailableError, match="being fetched"):
        folder.remove(PACK)
    lock.give_back()
    assert folder.files(PACK) is not None


def test_a_link_to_a_pack_goes_and_not_what_it_leads_to(folder: PackFolder, tmp_path: Path) -> None:
    elsewhere = lay(tmp_path / "insightface", *MEMBERS)
    folder.root.mkdir(parents=True)
    folder.path(PACK).symlink_to(elsewhere)
    assert folder.files(PACK) is not None
    folder.remove(PACK)
    assert (elsewhere / MEMBERS[0]).read_bytes() == DETECTION


# ---- Zips, which may be anything


def test_both_networks_come_out_of_a_zip_with_notes_of_their_hashes(
    folder: PackFolder, tmp_path: Path
) -> None:
    file = tmp_path / "a.zip"
    file.write_bytes(ZIP)
    unpack(file, PACK, folder.targets(PACK))
    assert contents(folder.files(PACK)) == [DETECTION, RECOGNITION]
    assert folder.state(PACK).hashes == {
        "detection": sha256(DETECTION),
        "recognition": sha256(RECOGNITION),
    }
    assert len(list(folder.path(PACK).rglob("*.onnx"))) == 2


def test_no_path_in_a_zip_leads_anywhere(folder: PackFolder, tmp_path: Path) -> None:
    file = tmp_path / "in" / "a.zip"
    file.parent.mkdir()
    file.write_bytes(
        zipped({"../../../det_10g.onnx": DETECTION, "/etc/cron.d/w600k_r50.onnx": RECOGNITION})
    )
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    unpack(file, PACK, folder.targets(PACK))
    new = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert all(path.is_relative_to(folder.path(PACK)) for path in new)
    assert contents(folder.files(PACK)) == [DETECTION, RECOGNITION]


BAD_ZIPS = {
    "no zip": (b"<html>404</html>", "no zip that can be unpacked"),
    "cut off": (ZIP[: len(ZIP) // 2], "no zip that can be unpacked"),
    "another": (zipped({"readme.txt": b"hello"}), "no file det_10g.onnx"),
    "half": (zipped({"det_10g.onnx": DETECTION}), "no file w600k_r50.onnx"),
    "twice": (
        zipped({"a/det_10g.onnx": OTHER, "b/det_10g.onnx": DETECTION, "w600k_r50.onnx": OTHER}),
        "more than one file det_10g.onnx",
    ),
    "damaged": (ZIP.replace(RECOGNITION[1000:1100], bytes(100), 1), "no zip that can be unpacked"),
    "bomb": (
        zipped({"det_10g.onnx": DETECTION, "w600k_r50.onnx": bytes(2_000_000)}),
        "would have 2,000,000 bytes",
    ),
}


@pytest.mark.parametrize("kind", BAD_ZIPS)
def test_a_zip_that_is_not_the_packs_is_refused_and_leaves_nothing(
    folder: PackFolder, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, reason = BAD_ZIPS[kind]
    monkeypatch.setattr(archive_module, "MOST_BYTES", 1_000_000)
    file = tmp_path / "a.zip"
    file.write_bytes(data)
    with pytest.raises(BadInputError, match=reason):
        import_pack(folder, PACK, file)
    assert folder.files(PACK) is None
    assert left_in(folder) == []


def test_a_zip_that_lies_about_a_size_yields_no_more_than_it_says(
    folder: PackFolder, tmp_path: Path
) -> None:
    bomb = bytes(1_000_000)
    honest = zipped({"det_10g.onnx": DETECTION, "w600k_r50.onnx": bomb})
    size = len(bomb).to_bytes(4, "little")
    file = tmp_path / "a.zip"
    file.write_bytes(honest.replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(BadInputError, match="no zip that can be unpacked"):
        import_pack(folder, PACK, file)
    assert left_in(folder) == []


def test_a_zip_with_a_password_is_refused(folder: PackFolder, tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.write_bytes(ZIP)
    with zipfile.ZipFile(file) as opened:
        flags = opened.getinfo("det_10g.onnx").flag_bits
    assert not flags & 1
    data = bytearray(ZIP)
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = -1
        while (start := data.find(signature, start + 1)) >= 0:
            data[start + at] |= 1
    file.write_bytes(bytes(data))
    with pytest.raises(BadInputError, match="no zip that can be unpacked"):
        import_pack(folder, PACK, file)


# ---- Importing


@pytest.mark.parametrize("layout", LAYOUTS, ids=["immich", "insightface", "nested"])
@pytest.mark.parametrize("link", [False, True])
def test_a_folder_is_taken_in_and_stays_where_it_is(
    folder: PackFolder, tmp_path: Path, layout: tuple[str, str], link: bool
) -> None:
    source = lay(tmp_path / "stick" / "buffalo_l", *layout)
    assert import_pack(folder, PACK, source, link=link)
    assert contents(folder.files(PACK)) == [DETECTION, RECOGNITION]
    assert (source / layout[0]).read_bytes() == DETECTION
    assert (source / layout[0]).samefile(folder.targets(PACK).detection) is link
    assert folder.state(PACK).hashes["recognition"] == sha256(RECOGNITION)
    assert left_in(folder) == ["buffalo_l"]


def test_the_same_again_is_nothing_new_and_another_is_refused(
    folder: PackFolder, tmp_path: Path
) -> None:
    source = lay(tmp_path / "stick", *MEMBERS)
    assert import_pack(folder, PACK, source)
    assert not import_pack(folder, PACK, source)
    other = lay(tmp_path / "other", *MEMBERS, data=(DETECTION, OTHER))
    with pytest.raises(BadInputError, match="models rm buffalo_l"):
        import_pack(folder, PACK, other, others=True)
    assert contents(folder.files(PACK)) == [DETECTION, RECOGNITION]


def test_other_networks_than_the_published_are_taken_only_if_that_is_said(
    folder: PackFolder, tmp_path: Path
) -> None:
    source = lay(tmp_path / "buffalo_l", *MEMBERS, data=(DETECTION, OTHER))
    with pytest.raises(BadInputError, match="is not the published buffalo_l") as refused:
        import_pack(folder, PACK, source)
    for told in ("--as buffalo_l", "Immich's own server rewrites"):
        assert told in refused.value.message
    assert left_in(folder) == []
    assert import_pack(folder, PACK, source, others=True)
    assert contents(folder.files(PACK)) == [DETECTION, OTHER]


def test_what_does_not_pass_the_check_is_not_taken_in(folder: PackFolder, tmp_path: Path) -> None:
    seen: list[bytes] = []

    def check(files: PackFiles) -> None:
        seen.extend(contents(files))
        raise BadCheckpointError("no network")

    with pytest.raises(BadCheckpointError, match="no network"):
        import_pack(folder, PACK, lay(tmp_path / "stick", *MEMBERS), check=check)
    assert seen == [DETECTION, RECOGNITION]
    assert left_in(folder) == []


@pytest.mark.parametrize(
    ("name", "link", "reason"),
    [
        ("nothing", False, "There is no file"),
        ("empty", False, "has neither detection/model.onnx"),
        ("a.zip", True, "cannot be linked"),
    ],
)
def test_what_cannot_be_imported_is_refused_by_what_is_wrong(
    folder: PackFolder, tmp_path: Path, name: str, link: bool, reason: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.zip").write_bytes(ZIP)
    with pytest.raises(BadInputError, match=reason):
        import_pack(folder, PACK, tmp_path / name, link=link)


def test_an_import_that_another_process_is_doing_is_left_to_it(
    folder: PackFolder, tmp_path: Path
) -> None:
    lock: Lock = folder.lock(PACK)
    assert lock.taken()
    with pytest.raises(UnavailableError, match="another process"):
        import_pack(folder, PACK, lay(tmp_path / "stick", *MEMBERS))
    lock.give_back()


# ---- Still what it was


def test_both_files_are_held_against_what_is_published(folder: PackFolder) -> None:
    lay(folder.path(PACK), *OURS)
    verdicts = verify_pack(folder, PACK)
    assert [(each.name, each.is_good, each.according_to) for each in verdicts] == [
        ("buffalo_l detection", True, "catalogue"),
        ("buffalo_l recognition", True, "catalogue"),
    ]
    lay(folder.path(PACK), *OURS, data=(DETECTION, OTHER))
    assert [each.is_good for each in verify_pack(folder, PACK)] == [True, False]


def test_where_nothing_is_published_the_first_look_counts(folder: PackFolder) -> None:
    lay(folder.path(UNPINNED), *OURS)
    assert [each.according_to for each in verify_pack(folder, UNPINNED)] == ["nothing"] * 2
    assert [each.according_to for each in verify_pack(folder, UNPINNED)] == ["record"] * 2
    lay(folder.path(UNPINNED), *OURS, data=(OTHER, RECOGNITION))
    assert [each.is_good for each in verify_pack(folder, UNPINNED)] == [False, True]


def test_half_a_pack_cannot_be_verified(folder: PackFolder) -> None:
    with pytest.raises(ModelMissingError, match="does not have both"):
        verify_pack(folder, PACK)


def test_from_its_first_use_on_a_pack_must_stay_what_it_was(folder: PackFolder) -> None:
    lay(folder.path(PACK), *MEMBERS)
    files = folder.files(PACK)
    assert files is not None
    pin(files, "buffalo_l")
    assert read_record(Places(files.detection).record) == sha256(DETECTION)
    pin(files, "buffalo_l")
    files.detection.write_bytes(OTHER)
    with pytest.raises(BadCheckpointError, match="detection of buffalo_l"):
        pin(files, "buffalo_l")


# ---- The licence


def test_the_licence_is_accepted_once_for_all_who_use_the_folder(folder: PackFolder) -> None:
    licence = License(folder.root, by_setting=False)
    with pytest.raises(LicenseError, match="ACCEPT_FACES_LICENSE") as refused:
        licence.require("buffalo_s")
    assert "models pull buffalo_s" in refused.value.message
    assert "non-commercial" in refused.value.message
    licence.accept()
    License(folder.root, by_setting=False).require("buffalo_s")
    (note,) = folder.root.iterdir()
    assert "non-commercial research" in note.read_text()


def test_a_setting_accepts_it_without_a_note(folder: PackFolder) -> None:
    License(folder.root, by_setting=True).require("buffalo_l")
    assert not folder.root.exists()
