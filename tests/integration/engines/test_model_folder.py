"""The folder of checkpoints: what is there, importing, checking, removing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from immich_aio.engines.model_files.catalogue import PublishedModel, RemoteFile
from immich_aio.engines.model_files.disk import Lock
from immich_aio.engines.model_files.folder import ModelFolder
from immich_aio.engines.model_files.importing import import_file
from immich_aio.engines.model_files.verification import verify
from immich_aio.errors import BadInputError, ModelMissingError, UnavailableError
from tests.integration.engines.caller import DATA, HALF, OTHER, put
from tests.integration.engines.hub import sha256

OFFICIAL = "clip_cn_vit-b-16.pt"
MODELS = (
    PublishedModel("ViT-B-16", 512, RemoteFile(OFFICIAL, "us/b", "us/b", len(DATA), sha256(DATA))),
    PublishedModel("RN50", 1024, RemoteFile("clip_cn_rn50.pt", "us/r", "us/r")),
)


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    """A folder that does not exist yet; RN50's hash is not known."""
    return ModelFolder(tmp_path / "models" / "clip", MODELS)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """Another folder, with files to import."""
    put(tmp_path / "stick" / OFFICIAL, DATA)
    put(tmp_path / "stick" / "family.pt", OTHER)
    return tmp_path / "stick"


def names(folder: ModelFolder) -> list[str]:
    return sorted(path.name for path in folder.root.iterdir())


# ---- Names


@pytest.mark.parametrize("name", ["ViT-B-16", "vit-b-16", "clip_cn_vit-b-16", OFFICIAL])
def test_an_official_model_lies_under_its_official_file_name(
    folder: ModelFolder, name: str
) -> None:
    """As cn-clip and mt-photos-ai put it there."""
    assert folder.places(name).file == folder.root / OFFICIAL
    assert folder.name_of(name) == "ViT-B-16"


@pytest.mark.parametrize("name", ["family", "family.pt", "全家福", "v1.2_a+b"])
def test_any_other_model_lies_under_its_own_name(folder: ModelFolder, name: str) -> None:
    assert folder.places(name).file == folder.root / f"{name.removesuffix('.pt')}.pt"


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "/etc/x", ".hidden", "a b", "a\0", "-x", "x" * 101],
)
def test_a_name_that_is_no_safe_file_name_is_refused(folder: ModelFolder, name: str) -> None:
    with pytest.raises(BadInputError, match="cannot be a model's name"):
        folder.places(name)


# ---- States


def test_a_folder_that_does_not_exist_has_every_model_missing(folder: ModelFolder) -> None:
    assert [(state.name, state.status) for state in folder.states()] == [
        ("ViT-B-16", "missing"),
        ("RN50", "missing"),
    ]
    assert not folder.root.exists()


def test_what_is_here_is_told_with_sizes_and_what_is_not_a_model_is_left_out(
    folder: ModelFolder,
) -> None:
    put(folder.root / OFFICIAL, DATA)
    put(folder.root / "clip_cn_rn50.pt.part", DATA[:HALF])
    put(folder.root / "family.pt", OTHER)
    put(folder.root / "notes.txt", b"")
    put(folder.root / "bad name.pt", b"")
    (folder.root / "folder.pt").mkdir()
    present, partial, own = folder.states()
    assert (present.name, present.status, present.size) == ("ViT-B-16", "present", len(DATA))
    assert (partial.name, partial.status, partial.partial) == ("RN50", "partial", HALF)
    assert (own.name, own.status, own.official) == ("family", "present", None)
    assert not present.is_other_file


def test_a_file_of_another_size_under_an_official_name_is_told_from_the_official_one(
    folder: ModelFolder,
) -> None:
    put(folder.root / OFFICIAL, DATA[:HALF])
    assert folder.state("ViT-B-16").is_other_file


# ---- Importing


def test_an_official_file_is_known_by_its_name(folder: ModelFolder, stick: Path) -> None:
    imported = import_file(folder, stick / OFFICIAL)
    assert (imported.name, imported.sha256, imported.is_new) == ("ViT-B-16", sha256(DATA), True)
    assert imported.path.read_bytes() == DATA
    assert folder.state("ViT-B-16").sha256 == sha256(DATA)
    assert names(folder) == [OFFICIAL, f"{OFFICIAL}.sha256"]


def test_an_official_file_is_known_by_its_hash_whatever_it_is_called(
    folder: ModelFolder, tmp_path: Path
) -> None:
    put(tmp_path / "download (1).bin", DATA)
    assert import_file(folder, tmp_path / "download (1).bin").name == "ViT-B-16"


def test_any_other_file_is_called_like_itself_or_as_is_said(
    folder: ModelFolder, stick: Path
) -> None:
    assert import_file(folder, stick / "family.pt").name == "family"
    assert import_file(folder, stick / "family.pt", "holidays").name == "holidays"
    assert [state.name for state in folder.states()][2:] == ["family", "holidays"]


def test_an_official_file_may_have_a_name_of_ones_own(folder: ModelFolder, stick: Path) -> None:
    assert import_file(folder, stick / OFFICIAL, "backup").path == folder.root / "backup.pt"


@pytest.mark.parametrize("link", [False, True])
def test_the_users_own_file_stays_as_and_where_it_is(
    folder: ModelFolder, stick: Path, link: bool
) -> None:
    before = (stick / "family.pt").stat()
    imported = import_file(folder, stick / "family.pt", link=link)
    after = (stick / "family.pt").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (stick / "family.pt").read_bytes() == OTHER
    assert imported.path.read_bytes() == OTHER
    assert (imported.path.stat().st_ino == before.st_ino) is link


def test_a_link_to_a_file_is_linked_as_the_file(
    folder: ModelFolder, stick: Path, tmp_path: Path
) -> None:
    (tmp_path / "link.pt").symlink_to(stick / "family.pt")
    imported = import_file(folder, tmp_path / "link.pt", link=True)
    assert not imported.path.is_symlink()
    assert imported.path.stat().st_ino == (stick / "family.pt").stat().st_ino


def test_others_may_read_what_was_imported(folder: ModelFolder, stick: Path) -> None:
    """A service often runs as another user than the one who imports."""
    before = os.umask(0o022)
    try:
        imported = import_file(folder, stick / "family.pt")
    finally:
        os.umask(before)
    assert imported.path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("name", [None, "ViT-B-16"])
def test_a_file_that_only_claims_to_be_official_is_refused_with_both_hashes(
    folder: ModelFolder, tmp_path: Path, name: str | None
) -> None:
    """Such as a download that was cut off."""
    put(tmp_path / OFFICIAL, DATA[:HALF])
    with pytest.raises(BadInputError, match="--as") as raised:
        import_file(folder, tmp_path / OFFICIAL, name)
    assert sha256(DATA) in raised.value.message
    assert sha256(DATA[:HALF]) in raised.value.message
    assert not folder.root.exists()


def test_without_a_known_hash_the_official_name_is_believed(
    folder: ModelFolder, tmp_path: Path
) -> None:
    put(tmp_path / "clip_cn_rn50.pt", OTHER)
    assert import_file(folder, tmp_path / "clip_cn_rn50.pt").name == "RN50"


def test_importing_the_same_again_changes_nothing(folder: ModelFolder, stick: Path) -> None:
    first = import_file(folder, stick / "family.pt")
    before = first.path.stat()
    again = import_file(folder, stick / "family.pt")
    assert (again.path, again.is_new) == (first.path, False)
    assert first.path.stat() == before
    assert not import_file(folder, first.path).is_new


def test_another_file_never_takes_the_place_of_one_that_is_there(
    folder: ModelFolder, stick: Path
) -> None:
    import_file(folder, stick / "family.pt")
    with pytest.raises(BadInputError, match="models rm family"):
        import_file(folder, stick / OFFICIAL, "family")
    assert folder.places("family").file.read_bytes() == OTHER


def test_what_a_killed_import_left_is_no_hindrance(folder: ModelFolder, stick: Path) -> None:
    put(folder.places("family").incoming, b"half")
    import_file(folder, stick / "family.pt")
    assert names(folder) == ["family.pt", "family.pt.sha256"]


def test_what_a_download_left_is_gone_after_an_import(folder: ModelFolder, stick: Path) -> None:
    put(folder.places("ViT-B-16").part, DATA[:HALF])
    import_file(folder, stick / OFFICIAL)
    assert names(folder) == [OFFICIAL, f"{OFFICIAL}.sha256"]


@pytest.mark.parametrize("absent", ["absent.pt", "."])
def test_a_file_that_is_not_there_is_named(folder: ModelFolder, stick: Path, absent: str) -> None:
    with pytest.raises(BadInputError, match="There is no file"):
        import_file(folder, stick / absent)


def test_a_folder_that_cannot_be_made_is_named(folder: ModelFolder, stick: Path) -> None:
    folder.root.parent.write_text("a file where the folder should be")
    with pytest.raises(UnavailableError, match=str(folder.root.parent)):
        import_file(folder, stick / "family.pt")


def test_two_imports_of_one_model_at_once_do_not_mix(folder: ModelFolder, stick: Path) -> None:
    incoming = folder.places("family").incoming
    lock = Lock(incoming.with_name(incoming.name + ".lock"))
    assert lock.taken()
    with pytest.raises(UnavailableError, match="by another process"):
        import_file(folder, stick / "family.pt")
    lock.give_back()
    assert import_file(folder, stick / "family.pt").is_new


def test_a_file_that_changes_while_it_is_read_is_not_taken_in(
    folder: ModelFolder, stick: Path
) -> None:
    def change(_count: int) -> None:
        (stick / "family.pt").write_bytes(DATA)

    with pytest.raises(BadInputError, match="changed while it was read"):
        import_file(folder, stick / "family.pt", step=change)
    assert names(folder) == []


def test_progress_is_told_to_the_last_byte(folder: ModelFolder, stick: Path) -> None:
    """Once to know the file, once to copy it."""
    steps: list[int] = []
    import_file(folder, stick / "family.pt", step=steps.append)
    assert sum(steps) == 2 * len(OTHER)


# ---- Checking


def test_a_good_file_is_good_by_what_was_published(folder: ModelFolder) -> None:
    """Also one that was put there by hand; its hash is noted now."""
    put(folder.root / OFFICIAL, DATA)
    verdict = verify(folder, "ViT-B-16")
    assert (verdict.is_good, verdict.according_to) == (True, "catalogue")
    assert folder.state("ViT-B-16").sha256 == sha256(DATA)


def test_a_damaged_official_file_is_found_out_and_not_noted(folder: ModelFolder) -> None:
    put(folder.root / OFFICIAL, OTHER)
    verdict = verify(folder, "ViT-B-16")
    assert not verdict.is_good
    assert (verdict.sha256, verdict.expected) == (sha256(OTHER), sha256(DATA))
    assert folder.state("ViT-B-16").sha256 is None


def test_a_file_of_ones_own_is_compared_with_what_came(folder: ModelFolder, stick: Path) -> None:
    path = import_file(folder, stick / "family.pt").path
    assert verify(folder, "family").is_good
    path.write_bytes(OTHER[:-1] + b"?")
    verdict = verify(folder, "family")
    assert (verdict.is_good, verdict.according_to) == (False, "record")


def test_the_first_check_of_an_unknown_file_notes_its_hash(folder: ModelFolder) -> None:
    put(folder.root / "family.pt", OTHER)
    assert verify(folder, "family").according_to == "nothing"
    assert verify(folder, "family").according_to == "record"


def test_the_note_is_what_sha256sum_reads(folder: ModelFolder, stick: Path) -> None:
    record = folder.places(import_file(folder, stick / "family.pt").name).record
    command = ["sha256sum", "--check", "--strict", record.name]
    done = subprocess.run(command, cwd=folder.root, capture_output=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr


def test_a_model_that_is_not_here_cannot_be_checked(folder: ModelFolder) -> None:
    with pytest.raises(ModelMissingError, match=OFFICIAL):
        verify(folder, "ViT-B-16")


# ---- Removing


def test_everything_of_a_model_goes_and_nothing_of_another(
    folder: ModelFolder, stick: Path
) -> None:
    import_file(folder, stick / OFFICIAL)
    import_file(folder, stick / "family.pt", "clip_cn_vit-b-16-own")
    put(folder.root / "clip_cn_vit-b-16.onnx" / "visual" / "model.onnx", b"converted")
    put(folder.root / "clip_cn_vit-b-16-own.onnx" / "model.onnx", b"converted")
    freed = folder.remove("ViT-B-16")
    assert names(folder) == [
        "clip_cn_vit-b-16-own.onnx",
        "clip_cn_vit-b-16-own.pt",
        "clip_cn_vit-b-16-own.pt.sha256",
    ]
    assert freed == len(DATA) + len(b"converted") + len(f"{sha256(DATA)}  {OFFICIAL}\n")


def test_what_is_left_of_downloads_and_imports_goes_too(folder: ModelFolder) -> None:
    places = folder.places("ViT-B-16")
    for path in (places.part, places.origin, places.incoming):
        put(path, b"left")
    folder.remove("ViT-B-16")
    assert names(folder) == []


def test_a_link_is_removed_and_not_what_it_leads_to(folder: ModelFolder, stick: Path) -> None:
    folder.root.mkdir(parents=True)
    (folder.root / "family.pt").symlink_to(stick / "family.pt")
    put(stick / "converted" / "model.onnx", b"converted")
    (folder.root / "family.onnx").symlink_to(stick / "converted")
    folder.remove("family")
    assert names(folder) == []
    assert (stick / "family.pt").read_bytes() == OTHER
    assert (stick / "converted" / "model.onnx").exists()


def test_a_model_that_is_not_here_cannot_be_removed(folder: ModelFolder) -> None:
    with pytest.raises(ModelMissingError, match="Nothing of ViT-B-16"):
        folder.remove("ViT-B-16")


def test_a_model_that_is_being_fetched_is_not_removed(folder: ModelFolder) -> None:
    places = folder.places("ViT-B-16")
    put(places.part, DATA[:HALF])
    lock = Lock(places.lock)
    assert lock.taken()
    with pytest.raises(UnavailableError, match="being fetched by another process"):
        folder.remove("ViT-B-16")
    assert places.part.exists()
    lock.give_back()
    folder.remove("ViT-B-16")
    assert names(folder) == []
