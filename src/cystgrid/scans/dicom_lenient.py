"""Values of DICOM elements, or nothing: for surveys, which list damaged series and refuse none.

What is read to be used goes through ``dicom_tags``, which refuses by the tag's name.
"""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from cystgrid.errors import ScanError
from cystgrid.scans.dicom_tags import numbers, text, value


def text_or_empty(dataset: Dataset, keyword: str, path: Path) -> str:
    """The element's text, empty where there is none or none that can be read."""
    try:
        found = value(dataset, keyword, path)
    except ScanError:
        return ""
    # a sequence here is a damaged VR, and to print one may fail, or take long
    return "" if isinstance(found, Sequence) else text(dataset, keyword, path)


def values(dataset: Dataset, keyword: str, path: Path) -> tuple[str, ...]:
    """The element's values as upper-case text, none where it is absent or unreadable."""
    try:
        found = value(dataset, keyword, path)
    except ScanError:
        return ()
    if found is None or isinstance(found, Sequence):
        return ()
    parts = [found] if isinstance(found, str) or not hasattr(found, "__iter__") else list(found)
    return tuple(str(part).strip().upper() for part in parts)


def items(dataset: Dataset, keyword: str, path: Path) -> list[Dataset]:
    """The items of a sequence, none where it is absent or unreadable."""
    try:
        found = value(dataset, keyword, path)
    except ScanError:
        return []
    return list(found) if isinstance(found, Sequence) else []


def numbers_or_none(
    dataset: Dataset, keyword: str, count: int, path: Path
) -> tuple[float, ...] | None:
    """Exactly ``count`` finite numbers, or nothing."""
    try:
        return numbers(dataset, keyword, count, path)
    except ScanError:
        return None


def first_positive(keyword: str, path: Path, *holders: Dataset) -> float | None:
    """The first positive number of that name; some elements may have several values."""
    for holder in holders:
        for part in values(holder, keyword, path)[:1]:
            try:
                found = float(part)
            except ValueError:
                continue
            if 0 < found < float("inf"):
                return found
    return None
