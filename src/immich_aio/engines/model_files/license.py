"""The licence of InsightFace's models, and the note that somebody here has accepted it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from immich_aio.engines.model_files.disk import telling
from immich_aio.errors import LicenseError

TERMS = """\
InsightFace's models, buffalo_l, buffalo_m, buffalo_s and antelopev2 among them, are licensed by
their makers for non-commercial research purposes only, whether they are downloaded automatically
or by hand. For any other use ask InsightFace for a licence.
Their terms: https://github.com/deepinsight/insightface#license"""
"""What is shown before the models are taken, in our words; the makers' own count."""

NOTE = "license-accepted.txt"


class License:
    """Whether the licence was accepted: by a setting, or once for all in the models' folder."""

    def __init__(self, root: Path, *, by_setting: bool) -> None:
        self._note = root / NOTE
        self._by_setting = by_setting

    @property
    def accepted(self) -> bool:
        """Looks at the disk, where no setting says so."""
        return self._by_setting or self._note.is_file()

    @property
    def accepted_how(self) -> str:
        """In words for people."""
        if self._by_setting:
            return "accepted by ACCEPT_FACES_LICENSE"
        return f"accepted, as noted in {self._note}" if self._note.is_file() else "not accepted"

    def accept(self) -> None:
        """Note it for all commands and services that use this folder."""
        with telling(self._note):
            self._note.parent.mkdir(parents=True, exist_ok=True)
            today = dt.datetime.now(dt.UTC).date()
            self._note.write_text(f"Accepted on {today}:\n\n{TERMS}\n", "utf-8")

    def require(self, pack: str) -> None:
        """Raises LicenseError unless it was accepted."""
        if not self.accepted:
            raise LicenseError(
                f"The licence of the face models was not accepted: they are for non-commercial "
                f"research only. Run 'immich-aio models pull {pack}' to read it, and again with "
                "--accept-license to accept it once; or set ACCEPT_FACES_LICENSE=on."
            )
