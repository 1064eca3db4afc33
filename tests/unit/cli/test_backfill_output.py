"""What a back-fill says of itself, and how it knows that it is the same one."""

from __future__ import annotations

import pytest

from immich_aio.cli.backfill.output import Lines, hindered, named, shown
from immich_aio.cli.backfill.wish import Wish
from immich_aio.domain.backfill import BackfillProgress, Scope
from immich_aio.domain.refresh import Hindrance


def test_how_far_it_is_with_what_can_be_told_yet() -> None:
    assert shown(BackfillProgress(1200, 0, 0), "") == "0 of 1,200"
    later = BackfillProgress(1200, 600, 2, speed=2.0)
    assert shown(later, "") == "602 of 1,200, 2 a second, about 4 min 59 s left, 2 failed"
    assert shown(later, "paused").endswith(", 2 failed, paused")


def test_every_reason_for_which_photos_are_left_out_is_said() -> None:
    lines = hindered(dict.fromkeys(Hindrance, 1234))
    assert len(lines) == len(set(lines)) == len(Hindrance)
    assert all(line.startswith("Left out: 1,234 ") for line in lines)


def test_of_many_names_the_first_are_shown_and_the_rest_counted() -> None:
    assert named(["a", "b"]) == "a, b"
    assert named([str(number) for number in range(1012)]).endswith(" 9, and 1,002 more")


def test_without_a_terminal_a_line_is_written_when_something_else_hinders_and_not_each_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = Lines()
    for done, waits in enumerate(("", "", "beside 80 jobs", "beside 79 jobs", "paused", "")):
        report(BackfillProgress(9, done, 0), waits)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["0 of 9", "2 of 9, beside 80 jobs", "4 of 9, paused", "5 of 9"]


def test_a_wish_is_the_same_after_it_was_kept_and_tells_what_was_asked_for() -> None:
    typed = {"city": "", "isFavorite": False, "withDeleted": True, "isNotInAlbum": False}
    typed |= {"albumIds": ["a", "b"], "personIds": [], "make": None}
    wish = Wish.typed(everything=True, user="mei@example.com", filters=typed)
    given = {"city": "", "isFavorite": False, "withDeleted": True, "albumIds": ["a", "b"]}
    assert wish == Wish(Scope.ALL, "mei@example.com", given)
    assert Wish.kept(wish.record) == wish
    assert str(wish) == (
        "--all --user mei@example.com --city '' --album a --album b --no-favorite --with-deleted"
    )
