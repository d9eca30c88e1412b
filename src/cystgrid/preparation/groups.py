"""Patients that may be one person: by their scans, by what DICOM says, by their ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cystgrid.cohort.likeness import Copies
from cystgrid.scans.origin import Origin

SUFFIX = re.compile(
    r"(?P<base>.*\d)(?:[a-d]|[_.\- ]+(?:\d|[a-d]|v\d|(?:visit|ses|session|tp|scan|exam)[_-]?\d+|"
    r"pre|post|baseline|bl|followup|follow-up|fu|repeat|rescan|copy|dup))",
    re.IGNORECASE,
)
"""An id that is another with a visit's number, a letter or a word behind it."""

MOST_VISITS = 4
"""Ids that differ in their last digit alone and are more than these are numbered patients."""

LARGEST_SHARE, FEWEST_IDS = 0.5, 3
"""One DICOM id in so many rows, and in more of them than this, is an anonymiser's constant."""


@dataclass(frozen=True)
class Group:
    """Patients that a division should not part.

    Attributes:
        patients: two or more, as the check names them, sorted.
        reason: why.
    """

    patients: tuple[str, ...]
    reason: str


def find_groups(
    names: Sequence[str],
    group_of: Mapping[str, str],
    origins: Mapping[str, Iterable[Origin]],
    copies: Iterable[Copies],
) -> tuple[tuple[Group, ...], tuple[str, ...]]:
    """Patients that should stand in one group and do not.

    Args:
        names: of all patients.
        group_of: the manifest's group of each.
        origins: of each patient's scans.
        copies: from ``find_copies``, by the same names.

    Returns:
        The groups, sorted; and what had to be left out of account, one sentence each.
    """
    found = [Group(each.patients, f"scans that are copies ({each.kind})") for each in copies]
    notes: list[str] = []
    for what, value in (("patient id", "person"), ("frame of reference", "frame")):
        by_value: dict[str, set[str]] = {}
        for name, those in origins.items():
            for one in those:
                by_value.setdefault(getattr(one, value), set()).add(name)
        by_value.pop("", None)
        stated = len(set().union(*by_value.values())) if by_value else 0
        for patients in by_value.values():
            if len(patients) >= FEWEST_IDS and len(patients) > LARGEST_SHARE * stated:
                notes.append(
                    f"{len(patients)} of {stated} patients have one DICOM {what}: "
                    "it was taken for an anonymiser's and tells nobody apart."
                )
            else:
                found.append(Group(tuple(sorted(patients)), f"one DICOM {what}"))
    found += _alike_ids(names)
    parted = [each for each in found if len({group_of[name] for name in each.patients}) > 1]
    return tuple(sorted(set(parted), key=lambda each: (each.patients, each.reason))), tuple(notes)


def _alike_ids(names: Sequence[str]) -> list[Group]:
    by_base: dict[str, set[str]] = {}
    for name in names:
        match = SUFFIX.fullmatch(name)
        if match:
            by_base.setdefault(match["base"], set()).add(name)
    alike = []
    for base, members in by_base.items():
        together = members | ({base} & set(names))
        if 1 < len(together) <= MOST_VISITS:
            alike.append(Group(tuple(sorted(together)), "ids that differ by their end alone"))
    return alike
