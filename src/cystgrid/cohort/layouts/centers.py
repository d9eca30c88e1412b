"""Centre and patient, as ids of the multi-centre pancreas sets carry them.

Pan et al. 2025 (Cyst-X, arXiv:2507.22017): seven centres, told by a part of the id. ``CAD`` and
``MCF`` are both Mayo Clinic Florida, ``northwestern`` and ``NU`` both Northwestern University.
"""

from __future__ import annotations

import re

CENTERS = {
    "nyu": "NYU", "cad": "MCF", "mcf": "MCF", "northwestern": "NU", "nu": "NU", "ahn": "AHN",
    "mca": "MCA", "iu": "IU", "emc": "EMC",
}  # fmt: skip
_PART = re.compile(rf"(?<![a-z])({'|'.join(CENTERS)})(?![a-z])", re.IGNORECASE)

_FURTHER_SCAN = re.compile(r"(?P<base>[a-z]+[_-]?[0-9]+)_[0-9]{1,2}", re.IGNORECASE)
_SITE_AND_NUMBER = re.compile(r"EMC_[0-9]{2}_[0-9]+", re.IGNORECASE)
"""``EMC_01_051``: the middle part is a site, not a patient."""


def center_of(name: str) -> str:
    """The centre an id belongs to; empty where no known one is part of it."""
    found = _PART.search(name)
    return CENTERS[found[1].casefold()] if found else ""


def base_of(name: str) -> str:
    """The id of the patient: ``NU_57`` for its further scan ``NU_57_1``; else the id itself."""
    if _SITE_AND_NUMBER.fullmatch(name):
        return name
    found = _FURTHER_SCAN.fullmatch(name)
    return found["base"] if found else name
