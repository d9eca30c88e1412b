"""Values of DICOM elements, or an error that names the tag.

Messages name files, tags and numbers. They never repeat text of an element: any text element may
hold a person's name.
"""

from __future__ import annotations

import math
import re
import warnings
from pathlib import Path
from typing import Any

from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID

from cystgrid.errors import ScanError

UID_TEXT = re.compile(r"[0-9.]{1,64}")
_COPY = "export the series from the archive again"


def tag_name(keyword: str) -> str:
    """Keyword and number, such as ``PixelSpacing (0028,0030)``."""
    return f"{keyword} {Tag(keyword)}"


def as_uid(stated: str) -> UID:
    """A UID that can be shown, or the empty one: text with letters may be anything, even a name.

    pydicom would warn, with the value, about UIDs of slightly wrong form, which are not rare.
    """
    found = stated.strip(" \0")
    return UID(found if UID_TEXT.fullmatch(found) else "", validation_mode=config.IGNORE)


def read_dataset(path: Path, **options: Any) -> Dataset:
    """``pydicom.dcmread``, quiet, with every way to fail turned into a ``ScanError``.

    pydicom fails on damaged files with a dozen unrelated exceptions (even ``RecursionError`` on
    nested sequences), and its texts may repeat an element's value, so only their kind is told.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dcmread(path, **options)
    except Exception as error:
        raise ScanError(
            path,
            got=f"DICOM that cannot be parsed ({type(error).__name__})",
            expected="a whole DICOM file",
            do=_COPY,
        ) from error


def value(dataset: Dataset, keyword: str, path: Path) -> Any:
    """The element's value, ``None`` where it is absent or empty; refused where it is no value."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = dataset.get(keyword)
    except Exception as error:
        raise ScanError(
            f"{path}: {tag_name(keyword)}",
            got=f"a value that cannot be read ({type(error).__name__})",
            expected="a value of its DICOM type",
            do=_COPY,
        ) from error
    return None if found is None or (isinstance(found, str) and not found.strip()) else found


def text(dataset: Dataset, keyword: str, path: Path) -> str:
    """The element's text for comparisons (never for messages), empty where it is absent."""
    found = value(dataset, keyword, path)
    return "" if found is None else str(found).strip(" ^\0")


def numbers(dataset: Dataset, keyword: str, count: int, path: Path) -> tuple[float, ...]:
    """Exactly ``count`` finite numbers.

    Raises:
        ScanError: the element is missing, of another length, or not all finite numbers.
    """
    found = value(dataset, keyword, path)
    parts = [] if found is None else [found] if not _is_list(found) else list(found)
    parsed = tuple(_number(part) for part in parts)
    if len(parsed) != count or not all(math.isfinite(number) for number in parsed):
        raise ScanError(
            f"{path}: {tag_name(keyword)}",
            got=_describe(parsed),
            expected=f"{count} finite number{'s' if count > 1 else ''}",
            do=_COPY,
        )
    return parsed


def number(dataset: Dataset, keyword: str, path: Path, default: float | None = None) -> float:
    """One finite number; ``default``, if given, stands in where the element is absent."""
    if default is not None and value(dataset, keyword, path) is None:
        return default
    return numbers(dataset, keyword, 1, path)[0]


def optional_number(dataset: Dataset, keyword: str, path: Path) -> float | None:
    """A finite number, or ``None`` where there is none: for what places nothing."""
    try:
        return number(dataset, keyword, path)
    except ScanError:
        return None


def integer(
    dataset: Dataset, keyword: str, path: Path, low: int, high: int, default: int | None = None
) -> int:
    """One whole number from ``low`` to ``high``."""
    found = number(dataset, keyword, path, default)
    if found != int(found) or not low <= found <= high:
        raise ScanError(
            f"{path}: {tag_name(keyword)}",
            got=f"{found:g}",
            expected=f"a whole number from {low} to {high}",
            do=_COPY,
        )
    return int(found)


def _is_list(found: Any) -> bool:
    return not isinstance(found, (str, bytes)) and hasattr(found, "__len__")


def _number(part: Any) -> float:
    try:
        return float(part)
    except (TypeError, ValueError):
        return math.nan


def _describe(parsed: tuple[float, ...]) -> str:
    if not parsed:
        return "nothing"
    if any(math.isnan(number) for number in parsed):
        return "text that is no number, or NaN"
    return "\\".join(f"{number:g}" for number in parsed)
