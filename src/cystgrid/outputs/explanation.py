"""What `explain` writes for new patients: maps as NIfTI, a picture, shares as CSV and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cystgrid.explanations.patient_map import PatientMap
from cystgrid.explanations.placing import on_scan
from cystgrid.outputs.question import refuse_other_question
from cystgrid.outputs.relevance import Panel, draw_relevance
from cystgrid.outputs.relevance_figures import map_panels, scan_panels
from cystgrid.preparation.patient import PreparedPatient
from cystgrid.preparation.store import file_name
from cystgrid.provenance import NOTICE, versions, write_json, write_text
from cystgrid.scans.nifti import write_nifti
from cystgrid.scans.volume import Volume

RECORD, TABLE, PICTURE = "explanations.json", "explanations.csv", "map.png"


@dataclass(frozen=True, eq=False)
class Explanation:
    """Everything said of one patient.

    Attributes:
        prepared: the patient as the model saw it.
        scan: the reference scan as its file stores it; maps lie on its grid.
        reference: that scan's modality.
        modalities: of the crop, in order.
        classes: of the model.
        probabilities: ``(class,)``.
        maps: one a class that is explained; one where the method does not tell classes apart.
    """

    prepared: PreparedPatient
    scan: Volume
    reference: str
    modalities: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]
    maps: tuple[PatientMap, ...]

    @property
    def predicted(self) -> int:
        """Number of the likeliest class."""
        return int(self.probabilities.argmax())

    def explained(self, made: PatientMap) -> str:
        """The class that a map explains; empty where the method does not tell classes apart."""
        return self.classes[made.target] if made.method.class_specific else ""

    @property
    def told(self) -> str:
        """The patient and its answer, in words."""
        answer = f"{self.classes[self.predicted]} {self.probabilities[self.predicted]:.2f}"
        return f"{self.prepared.patient}: {answer}"


@dataclass(frozen=True)
class Account:
    """What is kept of an explanation once its maps are written: words and numbers, no voxels.

    Attributes:
        rows: of explanations.csv, one a map.
        record: the patient's part of explanations.json.
        lines: for a terminal, one a map.
    """

    rows: tuple[dict[str, Any], ...]
    record: dict[str, Any]
    lines: tuple[str, ...]


def account_of(explanation: Explanation, model: str) -> Account:
    """Say in words and numbers what a patient's maps show.

    Args:
        explanation: of the patient.
        model: its name.
    """
    return Account(
        tuple(_rows(explanation, model)), _record(explanation), tuple(_lines(explanation))
    )


def _lines(explanation: Explanation) -> Iterator[str]:
    for made in explanation.maps:
        what = " for ".join(filter(None, [made.method.name, explanation.explained(made)]))
        yield f"{explanation.told}; {what}: {made.shares.sentence()}"


def refuse_other_explanations(
    question: dict[str, Any], patients: Iterable[str], folder: Path
) -> None:
    """Refuse to replace explanations of another model, by another method, or of other patients.

    Args:
        question: what was asked (model, method, options), as ``write_explanations`` records it.
        patients: who is asked for.
        folder: OUT.

    Raises:
        StoreError: the folder holds such explanations, or something else of ours.
    """
    refuse_other_question(
        folder,
        RECORD,
        {"question": question},
        patients,
        "explanations for other patients, of another model, or made in another way",
    )


def write_explanations(accounts: Sequence[Account], question: dict[str, Any], folder: Path) -> Path:
    """Write OUT/explanations.csv and explanations.json; returns the path of the first."""
    write_json(
        folder / RECORD,
        {
            "notice": NOTICE,
            "question": question,
            "unit": "multiples of the even share",
            "patients": [each.record for each in accounts],
            "versions": versions(),
        },
    )
    path = folder / TABLE
    rows = [row for each in accounts for row in each.rows]
    write_text(path, pd.DataFrame(rows).to_csv(index=False))
    return path


def write_maps(explanation: Explanation, folder: Path) -> None:
    """Write OUT/<patient>/: each map as NIfTI on the reference scan's own grid, and the picture.

    A scan that the patient lacks has no map.
    """
    place = folder / file_name(explanation.prepared.patient)
    for made in explanation.maps:
        for name, (_, values) in zip(map_names(explanation, made), made.seen, strict=True):
            placed = on_scan(values, made.affine, explanation.scan)
            write_nifti(placed, place / name, description=NOTICE)
    draw_relevance(_pictures(explanation), place / PICTURE, _footnote(explanation))


def _footnote(explanation: Explanation) -> str:
    sentences = dict.fromkeys(made.shares.sentence() for made in explanation.maps)
    return f"{sentences.popitem()[0]}." if len(sentences) == 1 else ""


def map_names(explanation: Explanation, made: PatientMap) -> list[str]:
    """Files of a patient's maps: method, class where it matters, modality where there are two."""
    words = [made.method.name, quote(explanation.explained(made), safe=" ")]
    stem = "-".join(word for word in words if word)
    if len(made.of) == 1:
        return [f"{stem}.nii.gz"]
    return [f"{stem}-{modality}.nii.gz" for modality, _ in made.seen]


def _rows(explanation: Explanation, model: str) -> list[dict[str, Any]]:
    """One row a map of the patient, for the table."""
    rows = []
    for made in explanation.maps:
        shares = made.shares
        first, stop = shares.densest()
        rows.append(
            {
                "model": model,
                "patient": explanation.prepared.patient,
                "predicted": explanation.classes[explanation.predicted],
                "probability": float(explanation.probabilities.max()),
                "method": made.method.name,
                "explained": explanation.explained(made),
                "shares": shares.sentence(),
                "slices_share": sum(shares.slices[first:stop]),
                "slices_z_low": shares.heights[first],
                "slices_z_high": shares.heights[stop - 1],
                **{f"share_{name}": share for name, share in shares.modalities.items()},
                "flags": "; ".join(explanation.prepared.flags),
                "notice": NOTICE,
            }
        )
    return rows


def _record(explanation: Explanation) -> dict[str, Any]:
    """The patient's part of explanations.json."""
    return {
        "patient": explanation.prepared.patient,
        "space": explanation.reference,
        "predicted": explanation.classes[explanation.predicted],
        "probabilities": explanation.probabilities.tolist(),
        "flags": list(explanation.prepared.flags),
        "maps": [
            {
                "files": map_names(explanation, made),
                "of": [of for of, _ in made.seen],
                "class": explanation.explained(made) or None,
                "slices": list(made.shares.slices),
                "z_mm": list(made.shares.heights),
                "modalities": made.shares.modalities,
                "sentence": made.shares.sentence(),
            }
            for made in explanation.maps
        ],
    }


def _pictures(explanation: Explanation) -> list[list[Panel]]:
    """A row for each explained class: the scans, then the maps on them."""
    prepared, names, told = explanation.prepared, explanation.modalities, explanation.told
    rows = []
    for made in explanation.maps:
        name = explanation.explained(made)
        title = f"what speaks for {name}" if name else "what the answer rests on"
        rows.append(
            scan_panels(told, prepared, names, made) + map_panels(title, prepared, names, made)
        )
    return rows
