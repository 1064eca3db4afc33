"""When progress is told, and how long to wait after failures."""

from __future__ import annotations

import pytest

from immich_aio.engines.model_files.fetcher import Pauses
from immich_aio.engines.model_files.progress import Milestones, Progress


def told(*received: int, total: int | None = 1000) -> list[int]:
    milestones = Milestones()
    return [each for each in received if milestones.passed(Progress(each, total, "url"))]


def test_every_ten_per_cent_is_told_once() -> None:
    assert told(0, 50, 100, 150, 199, 200, 450, 1000, 1000) == [100, 200, 450, 1000]


def test_what_was_here_before_is_not_told_again() -> None:
    assert told(500, 550, 600) == [600]


def test_without_a_total_there_is_nothing_to_tell() -> None:
    assert told(0, 500, 1000, total=None) == []


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(310_000_000, 753_000_000, None), "310 of 753 MB (41 %)"),
        (Progress(1_234_000_000, None, None), "1,234 MB"),
    ],
)
def test_progress_is_said_in_megabytes(progress: Progress, words: str) -> None:
    assert str(progress) == words


def test_pauses_grow_and_have_an_end() -> None:
    pauses = Pauses(first=5, longest=300)
    assert [pauses.after(failures) for failures in (1, 2, 3, 7, 8, 10_000)] == [
        *[5, 10, 20],
        *[300, 300, 300],
    ]
