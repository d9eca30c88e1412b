"""The base of every stage's settings: frozen; unknown keys are refused with the nearest known."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from cystgrid.errors import SettingsError, path_text
from cystgrid.toml_files import ADDRESSEE, read_toml_file


class Settings(BaseModel):
    """Frozen settings of one stage; sub-class beside the thing they configure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def parse(cls, values: dict[str, Any], where: str) -> Self:
        """Validate ``values``; every fault is one line of a single ``SettingsError``.

        Args:
            values: settings as read from TOML or JSON.
            where: the file they came from, for the message.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _as_settings_error(cls, error, where) from error

    @classmethod
    def read_toml(cls, path: Path, what: str) -> Self:
        """Read a TOML file of these settings; what it leaves out has its default.

        Args:
            path: the file.
            what: it should be, for messages: ``a study``.

        Raises:
            SettingsError: no such file, not TOML, an unknown key or an impossible value.
        """
        return cls.parse(read_toml_file(path, what), path_text(path))


def _as_settings_error(model: type[BaseModel], error: ValidationError, where: str) -> SettingsError:
    faults = error.errors()
    first = faults[0]
    key = ".".join(str(part) for part in first["loc"]) or "all of it"
    others = len(faults) - 1
    more = f" ({others} more fault{'s' if others > 1 else ''})" if others else ""
    if first["type"] == "extra_forbidden":
        known = _known_keys(model, first["loc"][:-1])
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1, cutoff=0.0)
        hint = f"did you mean {near[0]!r}? Available: {', '.join(sorted(known))}" + more
        return SettingsError(
            f"{where}: {key}", got="an unknown key", expected="a known one", do=hint
        )
    if first["type"] == "missing":
        return SettingsError(
            f"{where}: {key}",
            got="no such key",
            expected="one, for it has no default",
            do="add it and run again" + more,
        )
    return SettingsError(
        f"{where}: {key}",
        got=_shown(key, first["input"]),
        expected=first["msg"].removeprefix("Value error, "),
        do="correct this value and run again" + more,
    )


def _shown(key: str, value: object) -> str:
    """A value as it was given, without a password in an address, or one in place of its name."""
    return "something else" if key.endswith("_env") else ADDRESSEE.sub("//...@", repr(value))


def _known_keys(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The field names of the (nested) settings model at ``path``."""
    for part in path:
        field = model.model_fields.get(str(part))
        stated = field.annotation if field is not None else None
        models = [
            each
            for each in (stated, *get_args(stated))  # of `Model | None`, too
            if isinstance(each, type) and issubclass(each, BaseModel)
        ]
        if not models:
            break
        model = models[0]
    return list(model.model_fields)
