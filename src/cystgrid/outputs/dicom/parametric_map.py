"""A map of relevance as a Parametric Map: the same numbers as the NIfTI map, on the scan's grid."""

from __future__ import annotations

import highdicom as hd
import numpy as np
from pydicom.sr.codedict import codes

from cystgrid.outputs.dicom.codes import RELEVANCE, method_code
from cystgrid.outputs.dicom.making import Making, placed
from cystgrid.scans.volume import Volume

SERIES = 1
SHOWN = 8.0
"""Upper end of the window: the pictures' scale ends there."""


def parametric_map(
    map_on_scan: Volume, name: str, method: str, making: Making, number: int
) -> hd.pm.ParametricMap:
    """Make one.

    Args:
        map_on_scan: float32 on the reference scan's own grid, in multiples of the even share.
        name: of the map, as its NIfTI file has it.
        method: a key of the methods.
        making: identity and sources.
        number: of the map among the patient's.
    """
    values = map_on_scan.voxels.astype(np.float32)
    lowest, highest = float(values.min()), float(values.max())
    mapping = hd.pm.RealWorldValueMapping(
        lut_label="RELEVANCE",
        lut_explanation="Multiples of the even share, research use only",
        unit=codes.UCUM.NoUnits,
        value_range=(lowest, highest),
        slope=1.0,
        intercept=0.0,
        quantity_definition=RELEVANCE,
    )
    made = hd.pm.ParametricMap(
        making.sources.images,
        placed(values, map_on_scan.affine, making.sources),
        **making.object("parametric map", SERIES, number),
        **making.device(),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[
            hd.VOILUTTransformation(window_center=SHOWN / 2, window_width=SHOWN)
        ],
        content_label="RELEVANCE",
        derivation=method_code(method),
    )
    making.finish(made, f"map {name}"[:40])
    return made
