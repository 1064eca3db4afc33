"""The three machine-learning jobs: what ``/predict`` is asked, and where answers are kept."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

from psycopg.rows import DictRow

from immich_aio.domain.immich import Shape, Visibility
from immich_aio.domain.tasks import ClipImageTask
from immich_aio.domain.tokens import search_tokens
from immich_aio.errors import UnavailableError
from immich_aio.services.sandbox.data import Data
from immich_aio.services.sandbox.ml import MachineLearning

SAME_FACE = 0.5
"""How much of two boxes must be common (intersection over union) for one face."""


class Recognition:
    """The jobs over the database. Hidden assets are skipped."""

    def __init__(self, data: Data, ml: MachineLearning) -> None:
        self._data = data
        self._ml = ml

    async def ocr(self, asset_id: str) -> None:
        """Read an asset's text; what was read before is replaced, also by nothing."""
        asset = await self._asset(asset_id)
        if asset is None:
            return
        found = await self._ml.ocr(_preview(asset))
        texts = found["text"]
        sql, one = self._data.sql, {"id": asset["id"]}
        async with self._data.database.connection() as connection, connection.transaction():
            await connection.execute(sql["forget_lines"], one)
            if not texts:
                await connection.execute(sql["forget_ocr_search"], one)
            else:
                lines = {"texts": texts, "boxes": found["box"]}
                scores = {"box_scores": found["boxScore"], "text_scores": found["textScore"]}
                await connection.execute(sql["add_lines"], one | lines | scores)
                text = {"text": self._search_text(texts)}
                await connection.execute(sql["save_ocr_search"], one | text)
        await self._data.run("ocr_done", id=asset["id"])

    async def clip(self, asset_id: str) -> None:
        """Ask for an asset's vector."""
        asset = await self._asset(asset_id)
        if asset is None:
            return
        if len(asset["previews"]) != 1:  # an edited asset has two, and is passed over in silence
            raise UnavailableError("smart search takes assets with exactly one preview")
        vector = await self._ml.clip(ClipImageTask(self._ml.models.clip), image=_preview(asset))
        await self._data.run("save_embedding", id=asset["id"], embedding=vector)

    async def faces(self, asset_id: str) -> None:
        """Ask for an asset's faces; those found before stay where they were found again."""
        asset = await self._asset(asset_id)
        if asset is None:
            return
        if len(asset["previews"]) != 1:
            raise UnavailableError("face detection takes assets with exactly one preview")
        found, width, height = await self._ml.faces(_preview(asset))
        known = await self._data.rows("faces_of_asset", id=asset["id"])
        gone = {face["id"] for face in known if face["source"] == "machine-learning"}
        for face in found:
            box = {
                corner: float(face["boundingBox"][corner]) for corner in ("x1", "y1", "x2", "y2")
            }
            match = next(
                (old for old in known if _overlap(old, box, width, height) > SAME_FACE), None
            )
            face_id = match["id"] if match else uuid4()
            gone.discard(face_id)
            if match is None:
                place = {corner: round(value) for corner, value in box.items()}
                size = {"width": width, "height": height}
                await self._data.run("add_face", face_id=face_id, id=asset["id"], **size, **place)
            await self._data.run(
                "save_face_embedding", face_id=face_id, embedding=face["embedding"]
            )
        await self._data.run("forget_faces", face_ids=list(gone))
        await self._data.run("faces_done", id=asset["id"])

    async def _asset(self, asset_id: str) -> DictRow | None:
        """The asset, or None where Immich skips it. Raises UnavailableError."""
        asset = await self._data.row("asset_for_job", id=UUID(asset_id))
        if asset is None or not asset["previews"]:
            raise UnavailableError("the asset or its preview is not there")
        return None if asset["visibility"] == Visibility.HIDDEN.value else asset

    def _search_text(self, texts: list[str]) -> str:
        """What ``ocr_search`` keeps: before 3.x the lines as they are."""
        if self._data.shape is Shape.V2_2:
            return " ".join(text.strip() for text in texts)
        return " ".join(filter(None, map(search_tokens, texts)))


def _preview(asset: DictRow) -> Path:
    return Path(asset["previews"][0])


def _overlap(face: DictRow, box: dict[str, float], width: int, height: int) -> float:
    """Intersection over union of a known face and a box, the box brought to the face's scale."""
    across = (face["imageWidth"] or width) / width
    down = (face["imageHeight"] or height) / height
    x1, x2, y1, y2 = box["x1"] * across, box["x2"] * across, box["y1"] * down, box["y2"] * down
    left, top = max(x1, face["boundingBoxX1"]), max(y1, face["boundingBoxY1"])
    right, bottom = min(x2, face["boundingBoxX2"]), min(y2, face["boundingBoxY2"])
    common = max(0.0, right - left) * max(0.0, bottom - top)
    old = (face["boundingBoxX2"] - face["boundingBoxX1"]) * (
        face["boundingBoxY2"] - face["boundingBoxY1"]
    )
    union = old + (x2 - x1) * (y2 - y1) - common
    return common / union if union > 0 else 0.0
