"""What is looked for in texts: a query whose words are folded and cut as the texts are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Needle:
    """A folded text that is looked for; it may hold spaces, never at its ends."""

    text: str
    exact: bool = False
    """Whether it was quoted, or has several pieces: it is whole wherever it stands."""
    part_of: str | None = None
    """The longer run of characters that it was cut from."""


@dataclass(frozen=True, slots=True)
class TextQuery:
    """Every condition must hold through any of its needles, and nothing excluded may occur."""

    conditions: tuple[tuple[Needle, ...], ...]
    excluded: tuple[Needle, ...]
    phrase: str | None
    """The whole query in one piece; None where it is one word, or has operators."""

    @property
    def is_empty(self) -> bool:
        """Whether no text can match."""
        return not self.conditions
