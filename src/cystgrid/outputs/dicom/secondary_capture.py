"""Pictures as colour Secondary Captures, which every viewer shows; the notice is burnt in."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
from PIL import Image

from cystgrid.outputs.dicom.making import Making

SERIES = 2


def secondary_capture(picture: Path, what: str, making: Making, number: int) -> hd.sc.SCImage:
    """Make one of a PNG.

    Args:
        picture: a PNG; our pictures bear the notice.
        what: it shows, for the series' description.
        making: identity and sources.
        number: among the patient's pictures.
    """
    with Image.open(picture) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    made = hd.sc.SCImage.from_ref_dataset(
        making.sources.images[0],
        pixels,
        photometric_interpretation=hd.PhotometricInterpretationValues.RGB,
        bits_allocated=8,
        coordinate_system=hd.CoordinateSystemNames.PATIENT,
        patient_orientation=("L", "P"),  # of every panel: the usual axial view
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        **making.object("secondary capture", SERIES, number),
    )
    making.finish(made, what)
    made.BurnedInAnnotation = "YES"  # the patient as the study calls it, and the answer
    return made
