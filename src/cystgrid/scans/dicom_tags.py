"""Values of DICOM elements, or an error that names the tag.

Messages name files, tags and numbers. They never repeat text of an element: any text element may
hold a person's name.
"""

from __future__ import annotations

import math
import re
import struct
from functools import cache
from pathlib import Path
from typing import Any

from pydicom import config
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from cystgrid.errors import ScanError, path_text
from cystgrid.quiet import quietly

UID_TEXT = re.compile(r"(?=.{1,64}$)[0-9]+(\.[0-9]+)+")
NUMBERS_AS_TEXT, CODES = ("DS", "IS"), ("CS", "UI")
BINARY_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}
"""Value representations whose bytes are read here: half of the time goes into pydicom's values."""

NUMBER_TEXT = re.compile(rb" *[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)? *")
"""One decimal or integer string (PS3.5 6.2)."""

EXPORT_AGAIN = "export the series from the archive again"


@cache
def tag_of(keyword: str) -> BaseTag:
    """The tag of a keyword, looked up once."""
    return Tag(keyword)


def tag_name(keyword: str) -> str:
    """Keyword and number, such as ``PixelSpacing (0028,0030)``."""
    return f"{keyword} {tag_of(keyword)}"


def element_name(tag: int) -> str:
    """As ``tag_name``, for any element of a file; a private one or an unknown has only a number."""
    return f"{keyword_for_tag(tag)} {BaseTag(tag)}".lstrip()


def at_tag(path: Path, keyword: str) -> str:
    """File and element, for the ``where`` of an error."""
    return f"{path_text(path)}: {tag_name(keyword)}"


def as_uid(stated: str) -> UID:
    """A UID that can be shown, or the empty one: text with letters may be anything, even a name.

    pydicom would warn, with the value, about UIDs of slightly wrong form, which are not rare.
    """
    found = stated.strip(" \0")
    return UID(found if UID_TEXT.fullmatch(found) else "", validation_mode=config.IGNORE)


def cannot_be_parsed(path: Path, error: Exception) -> ScanError:
    """What is said of a file on which pydicom fails.

    It fails on damaged files with a dozen unrelated exceptions (even ``RecursionError`` on nested
    sequences), and its texts may repeat an element's value, so only their kind is told.
    """
    return ScanError(
        path,
        got=f"DICOM that cannot be parsed ({type(error).__name__})",
        expected="a whole DICOM file",
        do=EXPORT_AGAIN,
    )


def value(dataset: Dataset, keyword: str, path: Path) -> Any:
    """The element's value, ``None`` where it is absent or empty; refused where it is no value."""
    tag = tag_of(keyword)
    if dataset.get_item(tag, keep_deferred=True) is None:
        return None
    try:
        with quietly():
            found = dataset[tag].value
    except Exception as error:
        raise ScanError(
            at_tag(path, keyword),
            got=f"a value that cannot be read ({type(error).__name__})",
            expected="a value of its DICOM type",
            do=EXPORT_AGAIN,
        ) from error
    return None if found is None or (isinstance(found, str) and not found.strip()) else found


def text(dataset: Dataset, keyword: str, path: Path) -> str:
    """The element's text for comparisons (never for messages), empty where it is absent."""
    raw = dataset.get_item(tag_of(keyword))
    if isinstance(raw, RawDataElement) and _kind(raw, keyword) in CODES:
        return (raw.value or b"").decode("latin-1").strip(" ^\0")
    found = value(dataset, keyword, path)
    return "" if found is None else str(found).strip(" ^\0")


def words(dataset: Dataset, keyword: str, path: Path) -> tuple[str, ...]:
    """The element's values as text, none where it is absent; as private as ``text``."""
    found = value(dataset, keyword, path)
    if found is None:
        return ()
    parts = list(found) if _is_list(found) else [found]
    return tuple(str(part).strip(" \0") for part in parts)


def all_numbers(dataset: Dataset, keyword: str, path: Path) -> tuple[float, ...]:
    """Every number of the element, NaN for what is no number; none where it is absent."""
    raw = dataset.get_item(tag_of(keyword))
    if raw is None:
        return ()
    if isinstance(raw, RawDataElement):
        kind = _kind(raw, keyword)
        if kind in NUMBERS_AS_TEXT:
            return _numbers_of(raw.value or b"")
        if kind in BINARY_NUMBERS:
            return _binary_numbers(raw, BINARY_NUMBERS[kind])
    found = value(dataset, keyword, path)
    parts = [] if found is None else [found] if not _is_list(found) else list(found)
    return tuple(_number(part) for part in parts)


def numbers(dataset: Dataset, keyword: str, count: int, path: Path) -> tuple[float, ...]:
    """Exactly ``count`` finite numbers.

    Raises:
        ScanError: the element is missing, of another length, or not all finite numbers.
    """
    parsed = all_numbers(dataset, keyword, path)
    if len(parsed) != count or not all(math.isfinite(number) for number in parsed):
        raise ScanError(
            at_tag(path, keyword),
            got=_describe(parsed),
            expected=f"{count} finite number{'s' if count > 1 else ''}",
            do=EXPORT_AGAIN,
        )
    return parsed


def number(dataset: Dataset, keyword: str, path: Path, default: float | None = None) -> float:
    """One finite number; ``default``, if given, stands in where the element is absent or empty."""
    if default is not None and not all_numbers(dataset, keyword, path):
        return default
    return numbers(dataset, keyword, 1, path)[0]


def optional_number(dataset: Dataset, keyword: str, path: Path) -> float | None:
    """A finite number, or ``None`` where there is none: for what places nothing."""
    try:
        found = all_numbers(dataset, keyword, path)
    except ScanError:
        return None
    return found[0] if len(found) == 1 and math.isfinite(found[0]) else None


def integer(
    dataset: Dataset, keyword: str, path: Path, low: int, high: int, default: int | None = None
) -> int:
    """One whole number from ``low`` to ``high``."""
    found = number(dataset, keyword, path, default)
    if found != int(found) or not low <= found <= high:
        raise ScanError(
            at_tag(path, keyword),
            got=f"{found:g}",
            expected=f"a whole number from {low} to {high}",
            do=EXPORT_AGAIN,
        )
    return int(found)


def _kind(raw: RawDataElement, keyword: str) -> str | None:
    """The value representation; an implicit one is looked up."""
    kind: str | None = raw.VR or dictionary_VR(keyword)
    return kind


def _numbers_of(content: bytes) -> tuple[float, ...]:
    """Numbers written as text between backslashes; careless programs pad the last with NUL."""
    content = content.rstrip(b" \0")
    if not content:
        return ()
    return tuple(
        float(part) if NUMBER_TEXT.fullmatch(part) else math.nan for part in content.split(b"\\")
    )


def _binary_numbers(raw: RawDataElement, code: str) -> tuple[float, ...]:
    content = raw.value or b""
    code = ("<" if raw.is_little_endian else ">") + code
    if len(content) % struct.calcsize(code):
        return (math.nan,)
    return tuple(float(number) for (number,) in struct.iter_unpack(code, content))


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
