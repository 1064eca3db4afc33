"""Which CLIP model a sandbox searches with: the one that is set, or the one that comes along.

That one is a checkpoint like any other, but knows colours only: its weights were thought out
(``samples/colours.py``), so that smart search can be tried where nothing was fetched.
"""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from immich_aio.settings import Settings

NAME = "colours"
CHECKPOINT = resources.files(__package__) / "model" / f"{NAME}.pt"


class SmartModel:
    """The model of one sandbox, whose ``folder`` keeps it and remembers it.

    ``name`` is what the vectors in the database must be of; vectors of two models do not mix.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder
        self._note = folder / "vectors-of"
        self.comes_along = settings.clip_model is None and settings.immich_api is None
        self.name = NAME if self.comes_along else settings.clip_model or settings.immich_api

    def settings(self) -> Settings:
        """The settings with which the AI service and the gateway answer with it."""
        if not self.comes_along:
            return self._settings
        checkpoint = self._folder / f"{NAME}.pt"
        with resources.as_file(CHECKPOINT) as file:
            if not checkpoint.exists() or checkpoint.read_bytes() != file.read_bytes():
                shutil.copyfile(file, checkpoint)
        chosen = {"clip_model": NAME, "clip_download_root": self._folder}
        return self._settings.model_copy(update=chosen)

    @property
    def is_another(self) -> bool:
        """Whether vectors that are there are of another model, or of none that is known."""
        return not self._note.exists() or self._note.read_text("utf-8") != self.name

    def remember(self) -> None:
        """From now on vectors are of this model."""
        self._note.write_text(self.name or "", "utf-8")

    def __str__(self) -> str:
        """In words for people."""
        if self.comes_along:
            return "by a model that knows colours only; CLIP_MODEL=ViT-B-16 takes the real one"
        return f"by {self.name}"
