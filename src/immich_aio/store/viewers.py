"""Who searches, and what of Immich's tables and settings a search in that person's name needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from uuid import UUID

from immich_aio.domain.asset_search import SearchScope
from immich_aio.domain.immich import Shape, Visibility
from immich_aio.errors import BadInputError
from immich_aio.store.database import Database
from immich_aio.store.named_sql import NamedSql

SHOWN = 10
"""So many users are named in a message."""
_SQL = NamedSql(resources.files(__package__) / "viewers.sql", Shape.V3_1)


@dataclass(frozen=True, slots=True)
class Viewer:
    """A user of Immich."""

    id: UUID
    email: str


@dataclass(frozen=True, slots=True)
class Label:
    """What a photo is called, and when it was taken, by the clock where it was."""

    name: str
    taken: datetime


async def find_viewer(database: Database, email: str | None) -> Viewer:
    """The user of that address; without one, the only user there is. Raises BadInputError."""
    rows = await database.rows(_SQL["users"])
    viewers = [Viewer(row["id"], row["email"]) for row in rows]
    if email is None and len(viewers) == 1:
        return viewers[0]
    for viewer in viewers:
        if email is not None and viewer.email.lower() == email.strip().lower():
            return viewer
    raise BadInputError(_who(email, viewers))


async def search_scope(
    database: Database,
    shape: Shape,
    user_id: UUID,
    visibility: Visibility | None,
    *,
    elevated: bool,
) -> SearchScope:
    """Whose assets are searched: the user's, and those of partners in their timeline."""
    # Before 3.x partners were searched for locked assets as well.
    if visibility is Visibility.LOCKED and shape is not Shape.V2_2:
        return SearchScope((user_id,), elevated)
    partners = await database.rows(_SQL["timeline_partners"], user_id=user_id)
    return SearchScope((user_id, *(row["id"] for row in partners)), elevated)


async def key_owner(database: Database, key_id: UUID) -> UUID | None:
    """Whose an API key is, by the key's number, which is no secret."""
    row = await database.row(_SQL["key_owner"], id=key_id)
    return None if row is None else UUID(str(row["id"]))


async def labels(database: Database, ids: Sequence[UUID]) -> dict[UUID, Label]:
    """The names and dates of some assets."""
    rows = await database.rows(_SQL["labels"], ids=list(ids))
    return {row["id"]: Label(row["name"], row["taken"]) for row in rows}


async def clip_model_name(database: Database) -> str | None:
    """The CLIP model that is chosen in Immich's settings; None where it is Immich's default."""
    if await database.row(_SQL["has_settings"]) is None:
        return None
    row = await database.row(_SQL["clip_model"])
    return None if row is None else row["name"]


def _who(email: str | None, viewers: Sequence[Viewer]) -> str:
    """What to say where it is not clear who searches."""
    if not viewers:
        return "This Immich has no users yet; open it in a browser to make the first."
    shown = ", ".join(viewer.email for viewer in viewers[:SHOWN])
    more = f", and {len(viewers) - SHOWN} more" if len(viewers) > SHOWN else ""
    asked = "Say whose search it is" if email is None else f"Immich has no user {email}"
    return (
        f"{asked}: --user takes the address with which somebody logs in to Immich. There are "
        f"{shown}{more}."
    )
