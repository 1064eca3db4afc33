"""Settings that stand in files of their own: ``DB_PASSWORD_FILE`` instead of ``DB_PASSWORD``.

So Docker and systemd hand over secrets, and so Immich, PostgreSQL and Grafana take them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from immich_aio.errors import BadInputError

SUFFIX = "_file"


class ValueFiles(PydanticBaseSettingsSource):
    """Reads the file that ``NAME_FILE`` names, for every setting ``NAME``.

    Raises BadInputError that names each file which cannot be read or is empty, and each setting
    that is also set itself: which of the two is meant cannot be told.
    """

    def __init__(
        self,
        settings_cls: type[BaseSettings],
        environment: PydanticBaseSettingsSource,
        env_file: PydanticBaseSettingsSource,
    ) -> None:
        super().__init__(settings_cls)
        self._variables = _set(env_file) | _set(environment)

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002  # the library's signature
        field_name: str,
    ) -> tuple[Any, str, bool]:
        """The text of the file, or None where none is named."""
        named = self._variables.get(field_name + SUFFIX)
        if named is None:
            return None, field_name, False
        if field_name in self._variables:
            raise ValueError(f"{field_name.upper()} is set as well; empty one of the two")
        return _text(Path(named).expanduser()), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All values that stand in files."""
        values: dict[str, Any] = {}
        faults = []
        for name, field in self.settings_cls.model_fields.items():
            try:
                value, _, _ = self.get_field_value(field, name)
            except ValueError as error:
                faults.append(f"{name.upper()}_FILE: {error}")
            else:
                values |= {} if value is None else {name: value}
        if faults:
            raise BadInputError("Wrong settings:\n  " + "\n  ".join(faults))
        return values


def _set(source: PydanticBaseSettingsSource) -> dict[str, str]:
    variables = source.env_vars if isinstance(source, EnvSettingsSource) else {}
    return {name: value for name, value in variables.items() if value}


def _text(file: Path) -> str:
    """What stands in a file, without the line breaks around it; raises ValueError."""
    try:
        text = file.read_text("utf-8").strip("\r\n")
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file} is no text in UTF-8") from None
    if not text:
        raise ValueError(f"{file} is empty")
    return text
