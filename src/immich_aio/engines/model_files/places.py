"""Where a model file lies, and what else of it lies beside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """A model file's own path and those of everything that belongs to it."""

    file: Path

    @property
    def part(self) -> Path:
        """What has come of a file that is still being fetched."""
        return self._beside(".part")

    @property
    def origin(self) -> Path:
        """From where the part has come, for files without a known hash."""
        return self._beside(".part.json")

    @property
    def incoming(self) -> Path:
        """What has been copied of a file that is being imported."""
        return self._beside(".import")

    @property
    def lock(self) -> Path:
        """Held by the process that fetches."""
        return self._beside(".lock")

    @property
    def record(self) -> Path:
        """The file's SHA-256 as ``sha256sum --check`` reads it."""
        return self._beside(".sha256")

    @property
    def derived(self) -> Path:
        """The folder of what was made from the file, such as the converted model."""
        return self.file.with_suffix(".onnx")

    def all(self) -> tuple[Path, ...]:
        """Every path that belongs to the file, itself last."""
        return (self.derived, self.incoming, self.origin, self.part, self.record, self.file)

    def _beside(self, ending: str) -> Path:
        return self.file.with_name(self.file.name + ending)
