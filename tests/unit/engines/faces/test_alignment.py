"""Eyes, nose and mouth come to lie where ArcFace wants them, however a face is turned."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.face_samples import DrawnFace, canonical, picture
from immich_aio.engines.faces.alignment import SIDE, TEMPLATE, aligned, similarities

promise = settings(deadline=None)
parts = st.floats(-1000, 1000)


def similar(points: NDArray[np.float64], a: complex, b: complex) -> NDArray[np.float32]:
    """The points turned and scaled by ``a`` and moved by ``b``, as one face of a batch."""
    moved = (points @ [1, 1j]) * a + b
    return np.stack([moved.real, moved.imag], axis=-1)[None].astype(np.float32)


def applied(matrix: NDArray[np.float64], points: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])


@promise
@given(st.floats(0.05, 50), st.floats(-np.pi, np.pi), parts, parts)
def test_points_that_are_the_template_seen_otherwise_come_back_to_it(
    size: float, turn: float, x: float, y: float
) -> None:
    points = similar(TEMPLATE, size * np.exp(1j * turn), complex(x, y))
    (matrix,) = similarities(points)
    np.testing.assert_allclose(applied(matrix, points[0]), TEMPLATE, atol=0.02)


@promise
@given(st.lists(st.tuples(parts, parts), min_size=5, max_size=5))
def test_no_other_similarity_comes_nearer_to_the_template(
    points: list[tuple[float, float]],
) -> None:
    """Least squares, held against what a solver of linear equations says."""
    face = np.array([points], np.float32)
    if np.ptp(face, axis=1).max() < 1:
        return  # nearly one point: every solver says something else
    (matrix,) = similarities(face)
    x, y = face[0].astype(np.float64).T
    zero, one = np.zeros(5), np.ones(5)
    rows = np.r_[np.c_[x, -y, one, zero], np.c_[y, x, zero, one]]
    best = np.linalg.lstsq(rows, TEMPLATE.T.reshape(-1), rcond=None)[0]
    a, b, across, along = best
    np.testing.assert_allclose(matrix, [[a, -b, across], [b, a, along]], rtol=1e-4, atol=1e-4)


def test_a_face_in_a_mirror_is_not_mirrored_back() -> None:
    """Immich's own server does not either, so such vectors fit its own."""
    (matrix,) = similarities(similar(TEMPLATE * [-1, 1], 1, 112))
    assert np.linalg.det(matrix[:, :2]) > 0


def test_five_points_in_one_place_are_no_failure() -> None:
    matrices = similarities(np.full((1, 5, 2), 30, np.float32))
    assert np.isfinite(matrices).all()
    (square,) = aligned(np.full((60, 60, 3), 99, np.uint8), np.full((1, 5, 2), 30, np.float32))
    assert square.shape == (SIDE, SIDE, 3)


def test_every_face_of_a_batch_has_its_own_matrix() -> None:
    faces = np.concatenate([similar(TEMPLATE, a, 5) for a in (1, 2j, 0.5)])
    together = similarities(faces)
    alone = np.concatenate([similarities(face[None]) for face in faces])
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("turn", [0, 30, -75, 180])
def test_what_is_cut_out_is_the_face_upright_and_of_one_size(turn: float) -> None:
    face = DrawnFace(320, 240, 112, turn, identity=3)
    (square,) = aligned(picture(640, 480, [face]), face.landmarks[None].astype(np.float32))
    difference = np.abs(square.astype(int) - canonical(face, 1.0))[4:-4, 4:-4]
    assert difference.mean() < 4
    upside_down = np.abs(square[::-1].astype(int) - canonical(face, 1.0))
    assert upside_down.mean() > 15


def test_beyond_the_picture_there_is_black() -> None:
    face = DrawnFace(0, 0, 56)
    (square,) = aligned(
        np.full((200, 200, 3), 255, np.uint8), face.landmarks[None].astype(np.float32)
    )
    assert (square[:50, :50] == 0).all()
    assert (square[62:, 62:] == 255).all()
