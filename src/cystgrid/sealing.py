"""JSON files that carry a seal: a digest of their own content, checked whenever they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cystgrid.errors import StoreError
from cystgrid.provenance import digest, json_text, write_text

SEAL = "seal"
"""The last key of a sealed file."""


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object with its seal."""
    write_text(path, json_text({**value, SEAL: digest(value)}))


def read_sealed(path: Path, *, expected: str, do: str) -> dict[str, Any]:
    """Read what ``write_sealed`` wrote.

    The text is compared as well as the values: a number may be changed in its last digit and still
    be read as the same number.

    Args:
        path: of the file.
        expected: what it is when it is sound, for the message.
        do: what a user can do when it is not.

    Returns:
        The object without its seal.

    Raises:
        StoreError: the file is missing, or one byte of it is not as it was written.
    """
    try:
        content = path.read_bytes()
        value = json.loads(content)
    except FileNotFoundError as error:
        raise StoreError(path, got="no such file", expected=expected, do=do) from error
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(path, got=_unreadable(error), expected=expected, do=do) from error
    stated = value.pop(SEAL, None) if isinstance(value, dict) else None
    if stated is None:
        raise StoreError(path, got="a file without a seal", expected=expected, do=do)
    try:
        genuine = json_text({**value, SEAL: digest(value)}).encode() == content
    except ValueError:  # NaN, which is never written, or half a character
        genuine = False
    if not genuine:
        raise StoreError(path, got="altered content", expected=expected, do=do)
    return value  # type: ignore[no-any-return] # an object, as looked at


def _unreadable(error: Exception) -> str:
    return str(error.strerror) if isinstance(error, OSError) else "no JSON"
