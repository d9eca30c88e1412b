"""Prepared patients: the index, every card, every array."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cystgrid.checksums import SUMS, check_sum
from cystgrid.cohorts import QUALITY_PAGE
from cystgrid.preparation.store import (
    CARD,
    CROP,
    INDEX,
    LESION,
    file_name,
    read_card,
    read_index,
)
from cystgrid.verifying.findings import State
from cystgrid.verifying.looking import Look

ANEW = "this patient is prepared again: cystgrid prepare"
PAGE_COST = "the page is written again: cystgrid prepare"
INDEX_COST = "the index is written again: cystgrid prepare; sound patients are kept"


def look_at_prepared(look: Look) -> None:
    """Check everything in PREPARED."""
    if not look.there(INDEX):
        later = any(map(look.there, (SUMS, QUALITY_PAGE)))  # both are written after it
        lost = State.MISSING if later and not look.locked else State.UNFINISHED
        look.absent(INDEX, lost, "index", INDEX_COST)
        index = None
    else:
        index = look.checked(INDEX, lambda path: read_index(path.parent), "index", INDEX_COST)
    if index is not None:
        for patient, sha256 in index["patients"].items():
            _patient(look, patient, f"patients/{file_name(patient)}", sha256)
    else:
        for path in sorted((look.folder / "patients").glob(f"*/{CARD}")):
            _unlisted(look, path.parent.name)
    if look.there(QUALITY_PAGE) and not look.there(SUMS):
        look.absent(SUMS, State.UNFINISHED, "quality page", PAGE_COST)
    look.recorded(lambda name: ("quality page", PAGE_COST))


def _patient(look: Look, patient: str, place: str, sha256: str | None) -> None:
    artefact = f"patient {patient}"

    def read(path: Path) -> dict[str, Any]:
        if sha256 is not None:
            check_sum(path, sha256, ANEW)
        return read_card(look.folder, patient)

    card = look.checked(f"{place}/{CARD}", read, artefact, ANEW)
    if card is None:
        look.pass_over(place, artefact)
        return
    look.file(f"{place}/{CROP}", card["crop_sha256"], artefact, ANEW)
    if card["lesion_sha256"] is not None:
        look.file(f"{place}/{LESION}", card["lesion_sha256"], artefact, ANEW)


def _unlisted(look: Look, place: str) -> None:
    """A patient of whom no index speaks: its card says whose it is."""
    from urllib.parse import unquote

    _patient(look, unquote(place), f"patients/{place}", None)
