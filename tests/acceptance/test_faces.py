"""Faces as they are started: a pack from a folder or a hub, its licence, and both protocols."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.face_networks import write_pack
from bench.face_samples import DrawnFace, picture, picture_file
from tests.acceptance.product import Service, run, running
from tests.acceptance.test_services import BLOCKED
from tests.integration.engines.hub import Offer, a_hub, sha256
from tests.integration.engines.packs import zipped
from tests.integration.services.live import Reply, ask, send_form

PATIENCE = 60
TASK = "facial-recognition"
ONE = DrawnFace(207.5, 207.5, 80, identity=1)
AGAIN = DrawnFace(440, 250, 90, turn=-20, red=250, identity=1)
OTHER = DrawnFace(330, 410, 50, red=245, identity=2)
PHOTO = picture_file(picture(640, 480, [ONE, AGAIN, OTHER]), "JPEG", quality=95)
EMPTY = picture_file(picture(640, 480, []), "JPEG")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small networks, named as InsightFace names them."""
    folder = tmp_path_factory.mktemp("stick") / "buffalo_l"
    write_pack(folder)
    return folder


@pytest.fixture(scope="module")
def face_service(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Both services with that pack, imported on the command line, and Immich's faces found here."""
    folder = tmp_path_factory.mktemp("faces")
    root = {"FACES_DOWNLOAD_ROOT": str(folder / "models")}
    arguments = ("models", "import", str(pack), "--as", "buffalo_l", "--accept-license")
    done = run(folder, *arguments, **root)
    assert done.returncode == 0, done.stderr
    assert "non-commercial research" in done.stdout
    assert f"buffalo_l is in {folder}/models/buffalo_l." in done.stdout
    settings = {**root, "FACES_FROM": "here", "MODEL_PRELOAD": "none", "DETECTION_THRESH": "0.5"}
    with running(folder / "empty", settings) as service:
        yield service
        service.stop()


def entries(name: str = "buffalo_l", score: float = 0.7) -> dict[str, object]:
    """What Immich asks."""
    return {
        TASK: {
            "detection": {"modelName": name, "options": {"minScore": score}},
            "recognition": {"modelName": name},
        }
    }


async def predict(service: Service, asked: object, **fields: bytes | str) -> Reply:
    return await send_form(f"{service.gateway_url}predict", entries=json.dumps(asked), **fields)


async def represent(service: Service, file: bytes) -> Reply:
    return await send_form(f"{service.url}represent", key=service.key, file=file)


def vectors(reply: Reply) -> NDArray[np.float32]:
    """What the gateway answered, JSON in strings."""
    return np.array([json.loads(face["embedding"]) for face in reply.json[TASK]], np.float32)


async def test_immich_gets_every_face_with_a_vector_that_knows_the_person(
    face_service: Service,
) -> None:
    reply = await predict(face_service, entries(), image=PHOTO)
    assert reply.status == 200
    assert (reply.json["imageWidth"], reply.json["imageHeight"]) == (640, 480)
    found = reply.json[TASK]
    assert len(found) == 3
    box = found[0]["boundingBox"]
    assert all(isinstance(number, int) for number in box.values())
    np.testing.assert_allclose([box[name] for name in ("x1", "y1", "x2", "y2")], ONE.box, atol=2)
    scores = [face["score"] for face in found]
    assert scores == sorted(scores, reverse=True)
    one, again, other = vectors(reply)
    assert one.shape == (512,)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert one @ again > max(one @ other, again @ other) + 0.05


async def test_immichs_own_threshold_counts(face_service: Service) -> None:
    reply = await predict(face_service, entries(score=0.995), image=PHOTO)
    assert 0 < len(reply.json[TASK]) < 3
    nothing = await predict(face_service, entries(score=1.0), image=PHOTO)
    assert nothing.json == {TASK: [], "imageHeight": 480, "imageWidth": 640}


async def test_mt_photos_gets_the_same_faces_in_its_own_shape(face_service: Service) -> None:
    immich = await predict(face_service, entries(score=0.5), image=PHOTO)
    reply = await represent(face_service, PHOTO)
    body = reply.json
    assert (reply.status, body["detector_backend"]) == (200, "insightface")
    assert body["recognition_model"] == "buffalo_l"
    for face, same, vector in zip(body["result"], immich.json[TASK], vectors(immich), strict=True):
        box = same["boundingBox"]
        x1, y1, x2, y2 = (box[name] for name in ("x1", "y1", "x2", "y2"))
        assert face["facial_area"] == {"x": x1, "y": y1, "w": x2 - x1, "h": y2 - y1}
        assert face["face_confidence"] == pytest.approx(same["score"])
        np.testing.assert_allclose(face["embedding"], vector, atol=1e-6)
    check = (await ask(f"{face_service.url}face/check")).json
    assert check["recognition_model"] == "buffalo_l"


async def test_a_photo_without_faces_is_no_failure(face_service: Service) -> None:
    assert (await predict(face_service, entries(), image=EMPTY)).json[TASK] == []
    body = (await represent(face_service, EMPTY)).json
    assert (body["result"], "msg" in body) == ([], False)


async def test_text_and_faces_of_one_photo_come_in_one_reply(face_service: Service) -> None:
    ocr = {
        "detection": {"modelName": "m", "options": {"minScore": 0.5}},
        "recognition": {"modelName": "m", "options": {"minScore": 0.8}},
    }
    reply = await predict(face_service, {"ocr": ocr, **entries()}, image=PHOTO)
    assert reply.status == 200
    assert len(reply.json[TASK]) == 3
    assert "text" in reply.json["ocr"]


async def test_another_packs_name_is_refused_with_both_remedies(face_service: Service) -> None:
    reply = await predict(face_service, entries("antelopev2"), image=PHOTO)
    assert reply.status == 422
    assert "RECOGNITION_MODEL=antelopev2" in reply.json["detail"]


async def test_what_is_no_image_is_said(face_service: Service) -> None:
    assert (await predict(face_service, entries(), image=b"no image")).status == 400
    body = (await represent(face_service, b"no image")).json
    assert body["result"] == []
    assert "not an image" in body["msg"]


async def test_the_status_says_which_pack_it_is_and_on_what_it_runs(face_service: Service) -> None:
    await represent(face_service, EMPTY)
    faces = (await ask(f"{face_service.url}aio/status")).json["faces"]
    assert (faces["pack"], faces["state"]) == ("buffalo_l", "loaded")
    assert "on CPU" in faces["engine"]


# ---- The licence


async def test_without_the_licence_no_face_is_recognised_nor_anything_fetched(
    pack: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "buffalo_l").symlink_to(pack)
    settings = {"FACES_FROM": "here", "MODEL_PRELOAD": "none", "FACES_DOWNLOAD_ROOT": str(models)}
    async with a_hub() as hub:
        settings |= {"HF_ENDPOINT": hub.url, "GITHUB_ENDPOINT": hub.url}
        with running(tmp_path / "empty", settings) as service:
            immich = await predict(service, entries(), image=PHOTO)
            mt_photos = await represent(service, PHOTO)
            status = (await ask(f"{service.url}aio/status")).json
            accepted = run(tmp_path, "models", "verify", "buffalo_l", **settings)
            refused = run(tmp_path, "models", "pull", "buffalo_l", **settings)
            done = run(tmp_path, "models", "pull", "buffalo_l", "--accept-license", **settings)
            again = await predict(service, entries(), image=PHOTO)
            service.stop()
    assert hub.got == []
    assert immich.status == 503
    assert mt_photos.json["result"] == []
    for told in (immich.json["detail"], mt_photos.json["msg"], refused.stderr):
        for words in ("non-commercial research", "--accept-license", "ACCEPT_FACES_LICENSE=on"):
            assert words in told
    assert status["faces"]["state"] == "licence not accepted"
    assert accepted.returncode == 1  # these are not the published networks
    assert refused.returncode == 1
    assert "Their terms: https://github.com/deepinsight/insightface#license" in refused.stdout
    assert "not the published buffalo_l" in done.stderr
    assert again.status == 200  # accepted meanwhile, and no restart was needed
    assert "The licence of the face models was not accepted" in service.log()


async def test_a_setting_accepts_the_licence_and_the_pack_is_fetched_in_the_background(
    pack: Path, tmp_path: Path
) -> None:
    at = "/immich-app/antelopev2/resolve/main"
    settings = {
        "ACCEPT_FACES_LICENSE": "on",
        "FACES_FROM": "here",
        "RECOGNITION_MODEL": "antelopev2",
        "MODEL_PRELOAD": "none",
    }
    detection, recognition = (
        (pack / name).read_bytes() for name in ("det_10g.onnx", "w600k_r50.onnx")
    )
    async with a_hub() as hub:
        hub.offer(f"{at}/detection/model.onnx", Offer(detection))
        announced = {"X-Linked-Etag": f'"{sha256(recognition)}"'}
        held = Offer(recognition, sends=1_000_000, stalls=True, says=announced)
        hub.offer(f"{at}/recognition/model.onnx", held)
        settings["HF_ENDPOINT"] = hub.url
        with running(tmp_path / "empty", settings) as service:
            await asyncio.wait_for(hub.stalled.wait(), PATIENCE)
            waits = asyncio.create_task(predict(service, entries("antelopev2"), image=PHOTO))
            while await waiting(service) < 1:
                assert not waits.done()
            status = (await ask(f"{service.url}aio/status")).json["faces"]["state"]
            assert status.startswith("being fetched")
            hub.go_on.set()
            reply = await asyncio.wait_for(waits, PATIENCE)
            service.stop()
        assert len(reply.json[TASK]) == 3
        assert len(hub.got) == 2
    done = run(tmp_path / "empty", "models", "verify", "antelopev2")
    assert done.returncode == 0
    assert done.stdout.count("good, as noted when it came") == 2


async def waiting(service: Service) -> float:
    page = (await ask(f"{service.url}metrics")).body.decode()
    return float(page.split("\nimmich_aio_faces_waiting ")[1].split("\n")[0])


async def test_idle_models_give_their_memory_back_and_come_again(
    pack: Path, tmp_path: Path
) -> None:
    settings = {
        "ACCEPT_FACES_LICENSE": "on",
        "FACES_FROM": "here",
        "FACES_DOWNLOAD_ROOT": str(pack.parent),
        "MODEL_PRELOAD": "faces",
        "MODEL_TTL": "1",
    }
    with running(tmp_path / "empty", settings) as service:
        first = await predict(service, entries(), image=PHOTO)
        end = time.monotonic() + PATIENCE
        while (
            "loaded on first use"
            not in (await ask(f"{service.url}aio/status")).json["faces"]["state"]
        ):
            assert time.monotonic() < end
            await asyncio.sleep(0.1)
        assert (await predict(service, entries(), image=PHOTO)).json == first.json
        service.stop()
    assert "face models: unloaded after 1 s without work" in service.log()


async def test_unless_it_is_set_immichs_faces_are_not_ours(pack: Path, tmp_path: Path) -> None:
    settings = {
        "ACCEPT_FACES_LICENSE": "on",
        "FACES_DOWNLOAD_ROOT": str(pack.parent),
        "MODEL_PRELOAD": "none",
    }
    with running(tmp_path / "empty", settings) as service:
        immich = await predict(service, entries(), image=PHOTO)
        mt_photos = await represent(service, PHOTO)
        service.stop()
    assert immich.status == 503
    assert "FACES_FROM=here" in immich.json["detail"]
    assert len(mt_photos.json["result"]) == 3


# ---- On the command line


def test_a_pack_is_imported_from_a_folder_listed_checked_and_removed(
    pack: Path, tmp_path: Path
) -> None:
    import_it = ("models", "import", str(pack), "--as", "buffalo_l")
    refused = run(tmp_path, *import_it)
    assert refused.returncode == 1
    assert not (tmp_path / "models" / "faces").exists()
    assert run(tmp_path, *import_it, "--accept-license").returncode == 0
    assert run(tmp_path, *import_it).returncode == 0  # accepted once, and nothing new

    done = run(tmp_path, "models", "list", "--json")
    first = json.loads(done.stdout.splitlines()[0])
    size = sum(path.stat().st_size for path in pack.glob("*.onnx"))
    assert first["name"] == "buffalo_l"
    assert (first["status"], first["bytes"], first["dimension"]) == ("present", size, 512)
    assert (first["license_accepted"], first["configured"]) == (True, True)
    assert first["sha256"]["recognition"] == sha256((pack / "w600k_r50.onnx").read_bytes())

    table = run(tmp_path, "models", "list").stdout
    assert "licence accepted, as noted in models/faces/license-accepted.txt" in table
    assert "present, not as published" in table

    verified = run(tmp_path, "models", "verify", "buffalo_l")
    assert verified.returncode == 1
    assert "buffalo_l recognition: DAMAGED or another file" in verified.stdout
    assert "Immich's own server rewrites the recogniser" in verified.stdout

    pulled = run(tmp_path, "models", "pull", "buffalo_l")
    assert pulled.returncode == 1
    assert "is not the published buffalo_l, and is used as it is" in pulled.stderr

    removed = run(tmp_path, "models", "rm", "buffalo_l")
    assert (removed.returncode, removed.stdout) == (
        0,
        f"buffalo_l is removed; {size / 1e6:,.0f} MB are free again.\n",
    )
    assert run(tmp_path, "models", "rm", "buffalo_l").returncode == 1


def test_a_zip_as_insightface_has_it_is_imported_too(pack: Path, tmp_path: Path) -> None:
    files = {f"buffalo_m/{path.name}": path.read_bytes() for path in pack.glob("*.onnx")}
    renamed = {name.replace("10g", "2.5g"): data for name, data in files.items()}
    (tmp_path / "buffalo_m.zip").write_bytes(zipped({**renamed, "buffalo_m/1k3d68.onnx": b"x"}))
    arguments = ("models", "import", "buffalo_m.zip", "--accept-license")
    refused = run(tmp_path, *arguments)
    assert refused.returncode == 1
    assert "is not the published buffalo_m" in refused.stderr
    done = run(tmp_path, *arguments, "--as", "buffalo_m")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "models" / "faces" / "buffalo_m"
    assert (folder / "detection" / "model.onnx").read_bytes() == (
        pack / "det_10g.onnx"
    ).read_bytes()
    assert len(list(folder.rglob("*.onnx"))) == 2


def test_a_zip_of_another_name_must_be_said_which_pack_it_is(tmp_path: Path) -> None:
    (tmp_path / "download.zip").write_bytes(b"whatever")
    done = run(tmp_path, "models", "import", "download.zip")
    assert done.returncode == 1
    assert "--as buffalo_l or buffalo_m or buffalo_s or antelopev2" in done.stderr


def test_what_is_no_network_is_not_taken_in(tmp_path: Path) -> None:
    folder = tmp_path / "buffalo_s"
    folder.mkdir()
    for name in ("det_500m.onnx", "w600k_mbf.onnx"):
        (folder / name).write_bytes(b"<html>404</html>")
    arguments = ("models", "import", "buffalo_s", "--as", "buffalo_s", "--accept-license")
    done = run(tmp_path, *arguments)
    assert done.returncode == 1
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "models" / "faces" / "buffalo_s").exists()


def test_packs_are_managed_where_no_inference_library_is(pack: Path, tmp_path: Path) -> None:
    blocked = ("-c", BLOCKED)
    arguments = ("models", "import", str(pack), "--as", "buffalo_l", "--accept-license")
    done = run(tmp_path, *arguments, before=blocked)
    assert done.returncode == 0, done.stderr
    pull = run(tmp_path, "models", "pull", "buffalo_s", before=blocked)
    assert pull.returncode == 1
    assert "buffalo_s could not be fetched" in pull.stderr


def test_the_doctor_says_who_finds_faces_which_pack_and_whether_it_may_be_used(
    pack: Path, tmp_path: Path
) -> None:
    root = {"FACES_DOWNLOAD_ROOT": str(pack.parent)}
    here = run(tmp_path, "doctor", **root, FACES_FROM="here")
    assert here.returncode == 1
    for words in (
        "here: Immich's faces are found here; choose the same model in Immich",
        "facial-recognition → engine",
        f"✓ face pack      buffalo_l, {pack}: present",
        "✗ face licence   not accepted, non-commercial research only",
        "--accept-license",
    ):
        assert words in here.stdout
    accepted = run(tmp_path, "doctor", **root, FACES_FROM="here", ACCEPT_FACES_LICENSE="on")
    assert accepted.returncode == 0
    assert "✓ face licence   accepted by ACCEPT_FACES_LICENSE" in accepted.stdout
    assert "face engine" in accepted.stdout
    missing = run(tmp_path, "doctor", RECOGNITION_MODEL="buffalo_m", FACES_FROM="here")
    assert missing.returncode == 1
    assert "immich-aio models pull buffalo_m" in missing.stdout
