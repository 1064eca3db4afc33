"""The detector sees an image as large as is useful, in few shapes, and all of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from immich_aio.engines.ocr.detection_plan import (
    GRID,
    MAX_ASPECT,
    MAX_LENGTH,
    Scale,
    Window,
    enough_side,
    plan_scale,
    plan_windows,
)

HALF = GRID / 2
SIDES = st.integers(1, 100_000)
SHORT_SIDES = st.integers(1, 2000)
LONG_SIDES = st.integers(320, 4096)
SCALES = st.builds(Scale, *[st.integers(1, 300).map(lambda cells: cells * GRID)] * 2)

# Cameras, phones, screens and Immich's previews of them.
PHOTOS = [
    *[(4032, 3024), (4000, 3000), (3264, 2448), (4608, 3456), (8064, 6048), (2592, 1936)],
    *[(6000, 4000), (5472, 3648), (6720, 4480), (4256, 2832), (4896, 3264), (7952, 5304)],
    *[(3840, 2160), (1920, 1080), (2560, 1440), (1280, 720), (4624, 2604), (4000, 2250)],
    *[(3000, 3000), (1080, 1080), (2048, 2048), (2560, 1600), (1440, 900), (2388, 1668)],
    *[(2400, 1080), (2340, 1080), (2532, 1170), (2556, 1179), (2796, 1290), (2778, 1284)],
    *[(3120, 1440), (2220, 1080), (1334, 750), (1792, 828), (2436, 1125), (2208, 1242)],
    *[(1440, 1080), (1440, 960), (1440, 810), (2732, 2048)],
]


@given(SIDES, SIDES, SHORT_SIDES, LONG_SIDES)
def test_sides_are_on_the_grid(width: int, height: int, short_side: int, long_side: int) -> None:
    scale = plan_scale(width, height, short_side, long_side)
    assert scale.width % GRID == scale.height % GRID == 0
    assert min(scale.width, scale.height) >= GRID


@given(SIDES, SIDES, SHORT_SIDES, LONG_SIDES)
def test_no_side_is_over_its_bound_by_more_than_the_rounding(
    width: int, height: int, short_side: int, long_side: int
) -> None:
    scale = plan_scale(width, height, short_side, long_side)
    short, long = sorted((scale.width, scale.height))
    assert short <= max(GRID, short_side + HALF)
    assert long <= MAX_LENGTH * long_side + HALF
    if max(width, height) <= MAX_ASPECT * min(width, height):
        assert long <= long_side + HALF
    else:
        assert short <= max(GRID, long_side / MAX_ASPECT + HALF)


@given(SIDES, SIDES, SHORT_SIDES, LONG_SIDES)
def test_nothing_is_enlarged_but_to_reach_the_grid(
    width: int, height: int, short_side: int, long_side: int
) -> None:
    scale = plan_scale(width, height, short_side, long_side)
    assert scale.width <= max(GRID, width + HALF)
    assert scale.height <= max(GRID, height + HALF)


@given(st.integers(300, 9000), st.integers(300, 9000))
def test_the_aspect_stays_but_for_the_rounding(width: int, height: int) -> None:
    scale = plan_scale(width, height, 736, 960)
    shrunk = [
        (min(736 / min(width, height), 960 / max(width, height) * factor, 1.0))
        for factor in (1, max(1.0, max(width, height) / min(width, height) / MAX_ASPECT))
    ]
    most = HALF + 1e-6  # where a side lies in the middle of two multiples, as 1575 does at 1440
    assert any(
        abs(scale.width - width * by) <= most and abs(scale.height - height * by) <= most
        for by in shrunk
    )


def test_forty_usual_sizes_and_their_upright_twins_need_few_shapes() -> None:
    assert len(set(PHOTOS)) == 40
    lying = {plan_scale(width, height, 736, 960) for width, height in PHOTOS}
    upright = {plan_scale(height, width, 736, 960) for width, height in PHOTOS}
    assert len(lying) <= 8
    assert upright == {Scale(scale.height, scale.width) for scale in lying}


@pytest.mark.parametrize("most", [100, 300, 500])
def test_max_resolution_bounds_the_shorter_side(most: int) -> None:
    scale = plan_scale(3000, 2000, most, 960)
    assert abs(scale.height - most) <= HALF
    assert abs(scale.width - most * 1.5) <= HALF


@pytest.mark.parametrize("most", [0, -5, 1])
def test_a_senseless_max_resolution_leaves_one_cell(most: int) -> None:
    assert plan_scale(1000, 1000, most, 960) == Scale(GRID, GRID)


def test_a_strip_keeps_its_height_and_is_seen_in_windows() -> None:
    scale = plan_scale(12_000, 200, 736, 960)
    assert scale == Scale(12_032, 192)
    assert all(window.height == 192 for window in plan_windows(scale))


def test_a_long_screenshot_keeps_a_readable_width() -> None:
    assert plan_scale(1080, 30_000, 736, 960).width >= 256


@pytest.mark.parametrize("size", [(1, 100_000_000), (100_000_000, 1), (8, 12_000_000)])
def test_a_hundred_million_pixels_in_a_row_cost_no_more_than_a_few_photographs(
    size: tuple[int, int],
) -> None:
    scale = plan_scale(*size, 736, 960)
    assert scale.width * scale.height <= 4 * 960 * 960
    assert len(plan_windows(scale)) <= 300


@given(SCALES)
def test_windows_cover_the_whole_and_stay_within(scale: Scale) -> None:
    windows = plan_windows(scale)
    assert windows[0].left == windows[0].top == 0
    assert (windows[-1].left + windows[-1].width, windows[-1].top + windows[-1].height) == (
        scale.width,
        scale.height,
    )
    for one, other in pairwise(windows):
        assert one.left <= other.left <= one.left + one.width
        assert one.top <= other.top <= one.top + one.height
        assert one != other


@given(SCALES)
def test_neighbouring_windows_overlap_and_have_one_shape(scale: Scale) -> None:
    windows = plan_windows(scale)
    assert len({(window.width, window.height) for window in windows}) == 1
    for one, other in pairwise(windows):
        across, down = one.left + one.width - other.left, one.top + one.height - other.top
        assert (across if scale.width >= scale.height else down) >= 2 * GRID


@given(SCALES)
def test_no_window_is_longer_than_the_aspect_allows(scale: Scale) -> None:
    for window in plan_windows(scale):
        short, long = sorted((window.width, window.height))
        assert long <= short * MAX_ASPECT + HALF
        assert short == min(scale.width, scale.height)


def test_an_ordinary_image_is_one_window() -> None:
    assert plan_windows(Scale(960, 704)) == [Window(0, 0, 960, 704)]


@pytest.mark.parametrize("size", [(4000, 3000), (8000, 6000), (3000, 9000), (1, 1)])
def test_ordinary_photographs_may_be_decoded_at_a_fraction(size: tuple[int, int]) -> None:
    assert enough_side(*size) == 4000


@given(st.integers(1, 70_000), st.integers(1, 70_000))
def test_a_strip_decoded_at_a_fraction_keeps_the_shorter_side_of_a_photograph(
    width: int, height: int
) -> None:
    short, long = sorted((width, height))
    kept = short * min(1.0, enough_side(width, height) / long)
    assert kept >= min(short, 4000 / MAX_ASPECT) - 1
