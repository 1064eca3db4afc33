"""What Immich's worker would drop, and how far refreshes are."""

from __future__ import annotations

from uuid import UUID

import pytest

from immich_aio.domain.refresh import (
    JOBS,
    Hindrance,
    Progress,
    Refresh,
    Subject,
    hindrance,
    progress,
)

A, B, C = (UUID(int=number) for number in (1, 2, 3))


def subject(*, hidden: bool = False, previews: int = 1, unedited: int = 1) -> Subject:
    return Subject(A, hidden, previews, unedited)


@pytest.mark.parametrize("refresh", Refresh)
def test_an_ordinary_photo_is_in_nobodys_way(refresh: Refresh) -> None:
    assert hindrance(refresh, subject()) is None
    assert JOBS[refresh].queue


@pytest.mark.parametrize("refresh", Refresh)
def test_what_is_hidden_or_has_no_preview_cannot_be_refreshed(refresh: Refresh) -> None:
    assert hindrance(refresh, subject(hidden=True)) is Hindrance.HIDDEN
    assert hindrance(refresh, subject(previews=0, unedited=0)) is Hindrance.NO_PREVIEW
    assert hindrance(refresh, subject(previews=1, unedited=0)) is Hindrance.NO_PREVIEW


def test_of_an_edited_photo_only_the_text_is_read_anew() -> None:
    edited = subject(previews=2, unedited=1)
    assert hindrance(Refresh.OCR, edited) is None
    assert hindrance(Refresh.SMART_SEARCH, edited) is Hindrance.EDITED


def test_every_hindrance_says_what_to_do() -> None:
    for each in Hindrance:
        assert each.words.endswith(("first.", "itself."))


def test_done_is_what_has_another_mark_or_one_at_all() -> None:
    assert progress({A: "1"}, {A: "2", B: "1"}, [A, B], set()) == Progress(2, 0, 0)


def test_what_has_its_old_mark_waits_while_its_job_is_there_and_has_failed_after() -> None:
    """One whose mark is new is done, also while a later job of it waits."""
    before, now = {A: "1", C: "1"}, {A: "1", C: "2"}
    assert progress(before, now, [A, B, C], {A, B, C}) == Progress(1, 2, 0)
    assert progress(before, now, [A, B, C], set()) == Progress(1, 0, 2)


def test_a_photo_that_was_deleted_meanwhile_has_failed() -> None:
    assert progress({A: "1"}, {}, [A], set()) == Progress(0, 0, 1)
