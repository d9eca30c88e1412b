"""What was read of a study, as the page keeps it: result.json, maps, pictures; no person's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cystgrid.provenance import json_text, write_text
from cystgrid.settings import Settings

RESULT, RECORD = "result", "result.json"


class MapRecord(Settings):
    """One map.

    Attributes:
        method, about: how it was made.
        explained: the class it speaks for; empty where the method does not tell classes apart.
        of: what each file speaks of: ``t1+t2``, or a scan each.
        files: NIfTI on the reference scan's grid, below the result's folder.
        slices: share of all relevance in each slice that the network saw, from foot to head.
        heights: z of each slice's middle in mm, RAS+.
        sentence: the shares in words.
    """

    method: str
    about: str
    explained: str
    of: tuple[str, ...]
    files: tuple[str, ...]
    slices: tuple[float, ...]
    heights: tuple[float, ...]
    sentence: str


class Calibrated(Settings):
    """What the model's own calibration makes of its probabilities.

    Attributes:
        probabilities: in the classes' order.
        inside: classes that cannot be ruled out.
        coverage: share of such sets that should hold the truth.
        note: what that rests on.
    """

    probabilities: tuple[float, ...]
    inside: tuple[str, ...]
    coverage: float
    note: str

    @classmethod
    def of(
        cls,
        calibration: dict[str, Any] | None,
        classes: tuple[str, ...],
        probabilities: NDArray[np.float64],
    ) -> Self | None:
        """By the ``calibration`` of a model; None for one that was never calibrated."""
        # it takes seconds to import, and only the processes that answer come here
        from cystgrid.evaluation.model_calibration import Calibration

        learned = Calibration.of(calibration)
        if learned is None:
            return None
        return cls(
            probabilities=tuple(learned.calibrated(probabilities).tolist()),
            inside=learned.in_set(probabilities, classes),
            coverage=1 - learned.error_rate,
            note=learned.note(),
        )


class Result(Settings):
    """The answer for one study.

    Attributes:
        notice: that it is for research only.
        patient: a neutral id, of the patient's digest.
        model, inputs, model_sha256, members: which model answered.
        classes, probabilities: in the model's order, of risk.
        calibrated: None for a model that was never calibrated.
        flags: what a reader should know, one sentence each.
        reference: the scan on whose grid the maps lie.
        region: low and high edges ``(x, y, z)`` in mm, RAS+, of what the model saw.
        maps: every map.
        grid: the picture of what the model saw, below the result's folder.
        pictures: of each method, scans and maps side by side, below the result's folder.
        dicom: DICOM results, below the result's folder.
        no_dicom: why there are none.
        seconds: the reading took.
    """

    notice: str
    patient: str
    model: str
    inputs: str
    model_sha256: str
    members: int
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    calibrated: Calibrated | None
    flags: tuple[str, ...]
    reference: str
    region: tuple[tuple[float, float, float], tuple[float, float, float]]
    maps: tuple[MapRecord, ...]
    grid: str
    pictures: tuple[str, ...]
    dicom: tuple[str, ...]
    no_dicom: str
    seconds: float

    @property
    def predicted(self) -> str:
        """The likeliest class."""
        return self.classes[self.probabilities.index(self.probability)]

    @property
    def probability(self) -> float:
        """Of the likeliest class."""
        return max(self.probabilities)


def write_result(result: Result, folder: Path) -> None:
    """Write result.json, the last of a result's files."""
    write_text(folder / RECORD, json_text(result.model_dump(mode="json")))


def read_result(folder: Path) -> Result:
    """What ``write_result`` wrote."""
    return Result.model_validate_json((folder / RECORD).read_bytes())
