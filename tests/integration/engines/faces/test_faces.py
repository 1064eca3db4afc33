"""Drawn faces come out where they were drawn, and those of one person near each other."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from bench.face_samples import DrawnFace, Pixels, canonical, picture, picture_file
from immich_aio.domain.results import FacesResult
from immich_aio.engines.faces.choice import faces_choice
from immich_aio.engines.faces.models import load_models
from immich_aio.engines.faces.recogniser import Recogniser
from immich_aio.engines.model_files.pack_folder import PackFiles
from immich_aio.engines.runtimes import Choice
from tests.integration.engines.faces.conftest import engine_of, in_float32

FAMILY = (
    DrawnFace(207.5, 207.5, 80, identity=1),
    DrawnFace(423.5, 199.5, 60, turn=25, red=245, identity=2),
    DrawnFace(299.5, 403.5, 30, red=250, identity=3),
    DrawnFace(503.5, 423.5, 50, turn=-30, red=240, identity=2),
)
"""Each in the middle of a place of the grid that will see it: of stride 32, 16, 8 and 16."""

EXACTLY = 1.0
ANYWHERE = 8.0
"""Pixels, as the detector sees the picture: its drawn faces' boxes have their middle where that of
a place of its grid is, so one that stands elsewhere is up to half a place off."""


def found_in(pixels: Pixels | bytes, pack: PackFiles, choice: Choice | None = None) -> FacesResult:
    """All faces of a picture, with an engine of its own."""

    async def find() -> FacesResult:
        file = pixels if isinstance(pixels, bytes) else picture_file(pixels)
        async with engine_of(pack, choice) as engine:
            return await engine.find_faces(file, 0.5)

    return asyncio.run(find())


def boxes_of(result: FacesResult) -> NDArray[np.float64]:
    return np.array([face.box.corner_pair for face in result.faces]).reshape(-1, 4)


def middles_of(result: FacesResult) -> NDArray[np.float64]:
    boxes = boxes_of(result)
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def vectors_of(result: FacesResult) -> NDArray[np.float32]:
    return np.stack([face.embedding.vector for face in result.faces])


def near(result: FacesResult, face: DrawnFace) -> int:
    """Which of the result's faces is at the place of a drawn one."""
    distances = np.hypot(*(middles_of(result) - [face.x, face.y]).T)
    best = int(distances.argmin())
    assert distances[best] < 30
    return best


def test_in_bf16_faces_and_vectors_are_those_of_float32(pack: PackFiles) -> None:
    """The last layers of both networks are exact: they would move eyes by half a pixel."""
    pixels = picture(1440, 1080, [replace(face, reach=1.5 * face.reach) for face in FAMILY])
    exact = found_in(pixels, pack, in_float32())
    fast = found_in(pixels, pack, Choice("openvino", "cpu", "bf16", 1, "that is what is tested"))
    np.testing.assert_allclose(boxes_of(fast), boxes_of(exact), atol=0.05)
    assert ((vectors_of(fast) * vectors_of(exact)).sum(axis=1) > 0.9999).all()


def test_every_drawn_face_is_found_where_it_is_and_as_sure_as_it_was_drawn(
    pack: PackFiles,
) -> None:
    result = found_in(picture(640, 480, FAMILY), pack)
    assert len(result.faces) == len(FAMILY)
    for face in FAMILY:
        box = boxes_of(result)[near(result, face)]
        upright = DrawnFace(face.x, face.y, face.reach * np.cos(np.radians(face.turn))).box
        np.testing.assert_allclose(box, upright, atol=EXACTLY)
    scores = [face.score for face in result.faces]
    assert scores == sorted(scores, reverse=True)
    by_red = sorted(FAMILY, key=lambda face: -face.red)
    assert [near(result, face) for face in by_red] == [0, 1, 2, 3]


@pytest.mark.parametrize("size", [(1440, 1080), (1080, 1440), (2000, 900), (320, 240), (640, 640)])
def test_boxes_are_in_pixels_of_the_picture_as_it_was_sent(
    pack: PackFiles, size: tuple[int, int]
) -> None:
    factor = max(size) / 640
    faces = [DrawnFace(size[0] * 0.3, size[1] * 0.5, 60 * factor)]
    result = found_in(picture(*size, faces), pack)
    assert (result.width, result.height) == size
    np.testing.assert_allclose(boxes_of(result), [faces[0].box], atol=ANYWHERE * factor)


def test_a_vector_is_that_of_the_face_cut_out_upright(pack: PackFiles) -> None:
    """Boxes, points and alignment in one: the recogniser sees what was drawn, and nothing else."""
    result = found_in(picture(640, 480, FAMILY), pack)
    recogniser = Recogniser(load_models(pack, in_float32()).recogniser.session())
    drawn = recogniser.vectors([canonical(face, 1.0) for face in FAMILY])
    found = np.stack([vectors_of(result)[near(result, face)] for face in FAMILY])
    cosines = found @ drawn.T
    same = np.equal.outer(*[[face.identity for face in FAMILY]] * 2)
    assert cosines.diagonal().min() > 0.98
    assert cosines[same].min() > cosines[~same].max() + 0.05


def test_one_person_stays_one_however_turned_large_or_far(pack: PackFiles) -> None:
    first = DrawnFace(180, 200, 70, identity=7)
    again = DrawnFace(450, 250, 90, turn=-40, identity=7)
    other = DrawnFace(300, 400, 60, turn=20, identity=8)
    result = found_in(picture(640, 480, [first, again, other]), pack)
    one, two, three = (vectors_of(result)[near(result, face)] for face in (first, again, other))
    assert one @ two > 0.95
    assert max(one @ three, two @ three) < one @ two - 0.05


def test_vectors_have_512_numbers_and_length_1(pack: PackFiles) -> None:
    vectors = vectors_of(found_in(picture(640, 480, FAMILY), pack))
    assert (vectors.shape, vectors.dtype) == ((4, 512), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_picture_without_faces_has_none(pack: PackFiles) -> None:
    result = found_in(picture(640, 480, []), pack)
    assert (result.faces, result.width, result.height) == ((), 640, 480)


def test_the_threshold_is_the_callers(pack: PackFiles) -> None:
    file = picture_file(picture(640, 480, FAMILY))

    async def find() -> list[FacesResult]:
        async with engine_of(pack) as engine:
            return [await engine.find_faces(file, score) for score in (0.5, 0.95, 1.0)]

    every, surest, none = asyncio.run(find())
    assert len(every.faces) == 4
    assert 0 < len(surest.faces) < 4
    assert surest.faces == every.faces[: len(surest.faces)]
    assert none.faces == ()


def test_hundreds_of_faces_are_all_found_and_each_has_its_own_vector(pack: PackFiles) -> None:
    crowd = [
        DrawnFace(20 + 40 * column, 20 + 40 * row, 22, identity=row * 16 + column)
        for row in range(16)
        for column in range(16)
    ]
    result = found_in(picture(640, 640, crowd), pack)
    assert len(result.faces) == 256
    assert {near(result, face) for face in crowd} == set(range(256))
    vectors = vectors_of(result).astype(np.float64)
    assert np.sort(vectors @ vectors.T, axis=1)[:, -2].max() < 0.9999


def test_a_face_cut_by_the_border_is_found_with_a_box_beyond_it(pack: PackFiles) -> None:
    """As Immich's own server gives it: the box says where the face would be."""
    face = DrawnFace(20, 100, 60)
    result = found_in(picture(640, 480, [face]), pack)
    assert len(result.faces) == 1
    np.testing.assert_allclose(boxes_of(result), [face.box], atol=ANYWHERE)
    assert boxes_of(result)[0, 0] < 0
    assert np.linalg.norm(vectors_of(result)[0]) == pytest.approx(1)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 900), (900, 1)])
def test_pictures_of_a_few_pixels_have_no_faces_and_are_no_failure(
    pack: PackFiles, size: tuple[int, int]
) -> None:
    result = found_in(np.full((size[1], size[0], 3), 99, np.uint8), pack)
    assert (result.faces, (result.width, result.height)) == ((), size)


def test_a_tiny_face_is_found(pack: PackFiles) -> None:
    face = DrawnFace(300, 204, 22)
    np.testing.assert_allclose(
        boxes_of(found_in(picture(640, 480, [face]), pack)), [face.box], atol=ANYWHERE
    )


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_picture_that_is_stored_turned_gives_the_same_faces_as_upright(
    pack: PackFiles, orientation: int
) -> None:
    upright = picture(640, 480, FAMILY)
    expected = found_in(upright, pack)
    turns: dict[int, Image.Transpose] = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    file = io.BytesIO()
    Image.fromarray(upright).transpose(turns[orientation]).save(file, "PNG", exif=exif)
    result = found_in(file.getvalue(), pack)
    assert (result.width, result.height) == (640, 480)
    assert result.faces == expected.faces


def test_a_grey_picture_is_searched_as_well(pack: PackFiles) -> None:
    """The detector looks for colours, so in grey it sees a face where there is much white."""
    white = np.full((480, 640), 60, np.uint8)
    white[200:264, 200:264] = 250
    for mode in ("L", "I;16"):
        values = white.astype(np.uint16) * 257 if mode == "I;16" else white
        file = io.BytesIO()
        Image.fromarray(values).save(file, "PNG")
        result = found_in(file.getvalue(), pack)
        assert (result.width, result.height) == (640, 480)
        assert len(result.faces) > 0


def test_a_very_large_picture_is_seen_with_all_its_pixels(pack: PackFiles) -> None:
    """A JPEG of this size is decoded at half for OCR; faces are cut out at the full size."""
    face = DrawnFace(4000, 3000, 900, identity=4)
    jpeg = picture_file(picture(8800, 4400, [face], background=None), "JPEG", quality=90)
    result = found_in(jpeg, pack)
    assert (result.width, result.height) == (8800, 4400)
    factor = 8800 / 640
    np.testing.assert_allclose(boxes_of(result), [face.box], atol=ANYWHERE * factor)


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_both_runtimes_say_the_same_in_float32(pack: PackFiles, runtime: str) -> None:
    pixels = picture(1440, 1080, [DrawnFace(700, 500, 200, 15), DrawnFace(200, 300, 90)])
    expected = found_in(pixels, pack, faces_choice("onnxruntime", "cpu", "f32", 1))
    result = found_in(pixels, pack, faces_choice(runtime, "cpu", "f32", 2))  # type: ignore[arg-type]
    np.testing.assert_allclose(boxes_of(result), boxes_of(expected), atol=0.01)
    assert (vectors_of(result) * vectors_of(expected)).sum(axis=1).min() > 0.999999
