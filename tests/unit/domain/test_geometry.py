"""Boxes keep their place when they change convention."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from immich_aio.domain.geometry import Quad, Rect

# Time says nothing here: other work shares the processor.
promise = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
numbers = st.floats(-1e5, 1e5)
sides = st.integers(1, 20_000)
quads = st.lists(numbers, min_size=8, max_size=8).map(Quad.from_flat)
rects = st.builds(Rect, numbers, numbers, st.floats(0, 1e5), st.floats(0, 1e5))


@promise
@given(st.tuples(*[numbers] * 8))
def test_flat_is_the_inverse_of_from_flat(flat: tuple[float, ...]) -> None:
    assert Quad.from_flat(flat).flat == flat


@pytest.mark.parametrize("count", [0, 7, 9])
def test_a_quad_needs_eight_numbers(count: int) -> None:
    with pytest.raises(ValueError, match="unpack"):
        Quad.from_flat([0.0] * count)


def test_flat_is_x_before_y_and_corner_after_corner() -> None:
    quad = Quad(((1, 2), (3, 4), (5, 6), (7, 8)))
    assert quad.flat == (1, 2, 3, 4, 5, 6, 7, 8)


@promise
@given(quads, sides, sides)
def test_normalised_corners_lie_within_0_and_1(quad: Quad, width: int, height: int) -> None:
    assert all(0 <= number <= 1 for number in quad.normalised(width, height).flat)


@promise
@given(quads, sides, sides)
def test_in_pixels_undoes_normalised_for_corners_inside_the_image(
    quad: Quad, width: int, height: int
) -> None:
    inside = quad.clipped(width, height)
    back = inside.normalised(width, height).in_pixels(width, height)
    assert back.flat == pytest.approx(inside.flat, abs=1e-9)


def test_normalised_divides_x_by_the_width_and_y_by_the_height() -> None:
    quad = Rect(100, 50, 200, 25).quad.normalised(400, 100)
    assert quad.flat == pytest.approx((0.25, 0.5, 0.75, 0.5, 0.75, 0.75, 0.25, 0.75))


@promise
@given(quads, sides, sides)
def test_clipping_leaves_no_corner_outside_and_moves_none_inside(
    quad: Quad, width: int, height: int
) -> None:
    for before, after in zip(quad.points, quad.clipped(width, height).points, strict=True):
        for was, now, side in zip(before, after, (width, height), strict=True):
            assert 0 <= now <= side
            assert now == was or not 0 <= was <= side


@promise
@given(quads)
def test_bounds_hold_every_corner_and_touch_one_on_each_side(quad: Quad) -> None:
    x1, y1, x2, y2 = quad.bounds.corner_pair
    xs, ys = zip(*quad.points, strict=True)
    assert (x1, y1) == (min(xs), min(ys))
    assert (x2, y2) == pytest.approx((max(xs), max(ys)), abs=1e-9)


@promise
@given(rects)
def test_a_rectangle_survives_as_corners_and_as_a_corner_pair(rect: Rect) -> None:
    expected = pytest.approx((rect.x, rect.y, rect.width, rect.height), abs=1e-9)
    for back in (rect.quad.bounds, Rect.from_corner_pair(*rect.corner_pair)):
        assert (back.x, back.y, back.width, back.height) == expected


def test_a_rectangles_corners_run_clockwise_from_the_top_left() -> None:
    assert Rect(4, 7, 283, 21).quad.points == ((4, 7), (287, 7), (287, 28), (4, 28))


@promise
@given(quads, st.integers(0, 3))
def test_starting_at_turns_the_list_and_four_turns_undo_themselves(quad: Quad, first: int) -> None:
    turned = quad.starting_at(first)
    assert turned.points[0] == quad.points[first]
    assert turned.starting_at(4 - first) == quad


def test_starting_at_keeps_the_sense_of_rotation() -> None:
    a, b, c, d = (0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0)
    assert Quad((a, b, c, d)).starting_at(1).points == (b, c, d, a)
