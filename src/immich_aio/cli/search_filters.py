"""The filters of Immich's searches as options of the command line.

They are put into a body as Immich's own API takes it, and that is read by Immich's rules: so each
means here to the letter what it means there.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, get_type_hints

import typer

from immich_aio.domain.asset_search import AssetFilters
from immich_aio.domain.immich import AssetType, Shape, Visibility
from immich_aio.errors import BadInputError
from immich_aio.wire.immich_api.errors import ImmichHttpError
from immich_aio.wire.immich_api.search import parse_metadata

PANEL = "Immich's filters (all must hold)"
_NULL = "An empty value ('') means: has none."
_DATE = "A date, or date and time; without a zone it is UTC. The moment itself counts too."
_ONLY_2_2 = frozenset({"deviceId", "deviceAssetId"})


class Kind(Enum):
    """What an option takes."""

    TEXT = "text"
    TEXT_OR_NULL = "text, or nothing at all"
    NUMBER_OR_NULL = "number, or nothing at all"
    DATE = "date"
    IDS = "IDs"
    IDS_OR_NULL = "IDs, or nothing at all"
    FLAG = "yes or no"
    SWITCH = "yes"


_TYPES: Mapping[Kind, object] = {
    Kind.IDS: list[str] | None,
    Kind.IDS_OR_NULL: list[str] | None,
    Kind.FLAG: bool | None,
    Kind.SWITCH: bool,
}
"""As typer knows them; all others are texts."""
_TAKEN = {Kind.DATE: "DATE", Kind.IDS: "ID", Kind.IDS_OR_NULL: "ID", Kind.NUMBER_OR_NULL: "N"}


@dataclass(frozen=True, slots=True)
class FilterOption:
    """One option: how it is typed, Immich's name for it, and what it does."""

    flag: str
    field: str
    kind: Kind
    help: str

    @property
    def parameter(self) -> inspect.Parameter:
        """The option as typer reads it off a function."""
        is_flag = self.kind in (Kind.FLAG, Kind.SWITCH)
        option = typer.Option(
            self.flag,
            help=self.help,
            rich_help_panel=PANEL,
            metavar=None if is_flag else _TAKEN.get(self.kind, "TEXT"),
        )
        return inspect.Parameter(
            self.field,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if self.kind is Kind.SWITCH else None,
            annotation=Annotated[_TYPES.get(self.kind, str | None), option],
        )


def _dates() -> list[FilterOption]:
    told = {
        "taken": "taken",
        "created": "added to Immich",
        "updated": "changed",
        "trashed": "put into the trash; finds what is in the trash",
    }
    return [
        FilterOption(
            f"--{name}-{side}",
            f"{name}{side.title()}",
            Kind.DATE,
            f"{words.capitalize()}, {'from then on' if side == 'after' else 'until then'}. {_DATE}",
        )
        for name, words in told.items()
        for side in ("after", "before")
    ]


OPTIONS: Sequence[FilterOption] = (
    FilterOption("--type", "type", Kind.TEXT, "image, video, audio or other."),
    FilterOption("--city", "city", Kind.TEXT_OR_NULL, f"Exactly that city. {_NULL}"),
    FilterOption("--state", "state", Kind.TEXT_OR_NULL, f"Exactly that state. {_NULL}"),
    FilterOption("--country", "country", Kind.TEXT_OR_NULL, f"Exactly that country. {_NULL}"),
    FilterOption("--make", "make", Kind.TEXT_OR_NULL, f"The camera's make. {_NULL}"),
    FilterOption("--model", "model", Kind.TEXT_OR_NULL, f"The camera's model. {_NULL}"),
    FilterOption("--lens", "lensModel", Kind.TEXT_OR_NULL, f"The lens. {_NULL}"),
    FilterOption(
        "--rating", "rating", Kind.NUMBER_OR_NULL, f"1 to 5 stars. {_NULL} (From Immich 3 on.)"
    ),
    FilterOption("--album", "albumIds", Kind.IDS, "In that album; given twice, in both."),
    FilterOption("--person", "personIds", Kind.IDS, "With that person; given twice, with both."),
    FilterOption(
        "--tag",
        "tagIds",
        Kind.IDS_OR_NULL,
        f"With that tag or one below it; given twice, with both. {_NULL}",
    ),
    FilterOption("--library", "libraryId", Kind.TEXT, "In that external library, by its ID."),
    *_dates(),
    FilterOption("--favorite/--no-favorite", "isFavorite", Kind.FLAG, "Whether a favourite."),
    FilterOption("--motion/--no-motion", "isMotion", Kind.FLAG, "Whether a live photo."),
    FilterOption("--encoded/--no-encoded", "isEncoded", Kind.FLAG, "Whether a transcoded video."),
    FilterOption("--offline/--no-offline", "isOffline", Kind.FLAG, "Whether its file is gone."),
    FilterOption("--not-in-album", "isNotInAlbum", Kind.SWITCH, "In no album."),
    FilterOption(
        "--with-stacked/--without-stacked",
        "withStacked",
        Kind.FLAG,
        "Whether those in a stack are shown too (they are).",
    ),
    FilterOption("--with-deleted", "withDeleted", Kind.SWITCH, "Also what is in the trash."),
    FilterOption(
        "--visibility",
        "visibility",
        Kind.TEXT,
        "timeline, archive, hidden, or locked (with --elevated). Without it all but locked, and in "
        "Immich 2.2 timeline.",
    ),
    FilterOption("--file-name", "originalFileName", Kind.TEXT, "A part of the file's name."),
    FilterOption("--path", "originalPath", Kind.TEXT, "A part of the file's path."),
    FilterOption("--description", "description", Kind.TEXT, "A part of the description."),
    FilterOption(
        "--ocr",
        "ocr",
        Kind.TEXT,
        "Immich's own fuzzy match of text, as a filter; it needs pg_trgm in the database.",
    ),
    FilterOption("--id", "id", Kind.TEXT, "That asset."),
    FilterOption(
        "--checksum", "checksum", Kind.TEXT, "The file's SHA-1, in base64 or hexadecimal."
    ),
    FilterOption(
        "--encoded-path", "encodedVideoPath", Kind.TEXT, "The path of the transcoded video."
    ),
    FilterOption("--device-id", "deviceId", Kind.TEXT, "The uploading device (Immich 2.2)."),
    FilterOption(
        "--device-asset-id", "deviceAssetId", Kind.TEXT, "The device's own ID (Immich 2.2)."
    ),
)


def with_filters(command: Callable[..., None]) -> Callable[..., None]:
    """The command with every filter as an option, in the place of its ``**filters``."""
    hints = get_type_hints(command, include_extras=True)
    own = [
        parameter.replace(annotation=hints[parameter.name])
        for parameter in inspect.signature(command).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    filters = [option.parameter for option in OPTIONS]
    signature = inspect.Signature([*own, *filters], return_annotation=None)
    command.__signature__ = signature  # type: ignore[attr-defined]  # where inspect looks first
    return command


def immich_filters(given: Mapping[str, Any], shape: Shape) -> AssetFilters:
    """The filters that were given, as Immich understands them. Raises BadInputError."""
    fields = {
        option.field: _value(option, given[option.field])
        for option in OPTIONS
        if given.get(option.field) not in (None, [])
    }
    if shape is not Shape.V2_2 and (old := _ONLY_2_2 & fields.keys()):
        flags = ", ".join(option.flag for option in OPTIONS if option.field in old)
        raise BadInputError(f"Immich {shape.value} has no {flags} any more.")
    try:
        return parse_metadata(fields, shape).filters
    except ImmichHttpError as error:
        raise BadInputError(_told(error)) from None


def _value(option: FilterOption, value: Any) -> object:  # noqa: ANN401  # what typer gives
    match option.kind:
        case Kind.TEXT_OR_NULL:
            return value or None
        case Kind.NUMBER_OR_NULL:
            return _number(option, value) if value else None
        case Kind.DATE:
            return _moment(option, value)
        case Kind.IDS_OR_NULL:
            return None if value == [""] else value
    return _spelled(option.field, value)


def _spelled(field: str, value: object) -> object:
    """Immich's kinds and visibilities are of one case each; people need not know which."""
    if field == "type" and str(value).upper() in {one.value for one in AssetType}:
        return str(value).upper()
    if field == "visibility" and str(value).lower() in {one.value for one in Visibility}:
        return str(value).lower()
    return value


def _number(option: FilterOption, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise BadInputError(f"{option.flag}: {value!r} is no number.") from None


def _moment(option: FilterOption, value: str) -> str:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise BadInputError(
            f"{option.flag}: {value!r} is no date. Give one such as 2026-05-31 or "
            "2026-05-31T18:00:00+02:00."
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _told(error: ImmichHttpError) -> str:
    """Immich's words, by the options as they were typed."""
    flags = {option.field: option.flag for option in OPTIONS}
    faults = []
    for issue in error.issues:
        path = issue.zod.get("path")
        field = str(path[0]) if isinstance(path, list) and path else ""
        faults.append(f"{flags.get(field, field)}: {issue.zod.get('message')}")
    return f"Immich does not take these filters: {'; '.join(faults) or error.message}."
