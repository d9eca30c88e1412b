"""``PREPARED/cohort.json``: who came in with a manifest, who was left out, and why.

A cross-validation keeps a copy as ``RUN/cohort.json``, so that a run can say whom it is about.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from cystgrid.cohort.manifest import Manifest
from cystgrid.cohort.phantom.cohort import is_phantom_cohort
from cystgrid.errors import StoreError
from cystgrid.preparation.cohort import PreparationReport
from cystgrid.provenance import write_json

FLOW, SCHEMA = "cohort.json", 1
INSERTED = "inserted.json"
"""Lies beside a manifest whose lesions cystgrid drew."""

Origin = Literal["phantoms", "drawn lesions", "not marked"]
"""Whose scans these are: of nobody, of somebody with a lesion that is not theirs, or not told."""


@dataclass(frozen=True)
class CohortFlow:
    """A cohort's way from its manifest to prepared patients.

    Attributes:
        rows: patients in the manifest.
        excluded: of these, left out by their label: how many, by label.
        refused: patients that could not be prepared, each with the reason.
        merged: labels that are another class in the study: label, class, how many.
        lacking: prepared patients without this scan: how many, by modality.
        origin: what the manifest's folder says of the scans.
    """

    rows: int
    excluded: dict[str, int]
    refused: tuple[tuple[str, str], ...]
    merged: tuple[tuple[str, str, int], ...]
    lacking: dict[str, int]
    origin: Origin

    @classmethod
    def of(cls, manifest: Manifest, report: PreparationReport) -> CohortFlow:
        """What a manifest and its preparation say."""
        return cls(
            len(manifest.patients) + sum(manifest.excluded.values()),
            dict(sorted(manifest.excluded.items())),
            report.refused,
            tuple((each.label, each.name, each.patients) for each in manifest.merged),
            report.lacking,
            origin_of(manifest.path),
        )


def origin_of(manifest: Path) -> Origin:
    """Whose scans a manifest's folder holds, by what cystgrid left there."""
    if is_phantom_cohort(manifest):
        return "phantoms"
    return "drawn lesions" if (manifest.parent / INSERTED).is_file() else "not marked"


def write_flow(flow: CohortFlow, folder: Path) -> Path:
    """Write ``cohort.json`` into PREPARED or RUN; returns its path."""
    write_json(folder / FLOW, {"schema": SCHEMA, **asdict(flow)})
    return folder / FLOW


def read_flow(folder: Path) -> CohortFlow | None:
    """Read ``cohort.json``; None where an older version wrote the folder without one.

    Raises:
        StoreError: something else lies there.
    """
    path = folder / FLOW
    if not path.is_file():
        return None
    try:
        return _parsed(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            path,
            got=f"something else ({type(error).__name__})",
            expected=f"what cystgrid prepare wrote, schema {SCHEMA}",
            do="run cystgrid prepare again",
        ) from error


def _parsed(raw: dict[str, Any]) -> CohortFlow:
    if raw["schema"] != SCHEMA or raw["origin"] not in get_args(Origin):
        raise ValueError("another schema")
    return CohortFlow(
        int(raw["rows"]),
        {str(label): int(count) for label, count in raw["excluded"].items()},
        tuple((str(patient), str(reason)) for patient, reason in raw["refused"]),
        tuple((str(label), str(name), int(count)) for label, name, count in raw["merged"]),
        {str(name): int(count) for name, count in raw["lacking"].items()},
        raw["origin"],
    )
