"""The region that the model was shown, as a Segmentation on the reference scan's grid."""

from __future__ import annotations

import highdicom as hd
import numpy as np
from pydicom.sr.codedict import codes

from cystgrid.outputs.dicom.codes import PANCREAS
from cystgrid.outputs.dicom.making import Making, placed
from cystgrid.scans.volume import Volume

SERIES = 3


def segmentation(region: Volume, making: Making) -> hd.seg.Segmentation:
    """Make it.

    Args:
        region: 0 and 1 on the reference scan's own grid, some of it 1.
        making: identity and sources.
    """
    description = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Region of interest, as given",
        segmented_property_category=codes.SCT.Organ,
        segmented_property_type=PANCREAS,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_uid=making.uid("region"),
        tracking_id="region of interest",
    )
    made = hd.seg.Segmentation(
        making.sources.images,
        placed(region.voxels.astype(np.uint8), region.affine, making.sources),
        hd.seg.SegmentationTypeValues.BINARY,
        [description],
        **making.object("segmentation", SERIES),
        **making.device(),
        content_label="REGION",
    )
    making.finish(made, "region")
    return made
