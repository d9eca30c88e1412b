"""A patient's mask as a DICOM Segmentation of its study, as another program writes it."""

import highdicom as hd
import numpy as np
from pydicom.sr.codedict import codes

from cystgrid.outputs.dicom.making import placed
from cystgrid.outputs.dicom.sources import read_sources
from cystgrid.scans.reading import read_as_stored
from cystgrid.scans.settings import ReadSettings


def write_segmentation(row, path, label="Pancreas", manufacturer="somebody"):
    """``row`` of a manifest with scans in DICOM and a mask; returns the path."""
    sources = read_sources(row, ("t1", "t2"), "t2", ReadSettings())
    mask = read_as_stored(row.roi)
    described = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label=label,
        segmented_property_category=codes.SCT.Organ,
        segmented_property_type=codes.SCT.Pancreas,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )
    made = hd.seg.Segmentation(
        sources.images,
        placed(mask.voxels.astype(np.uint8), mask.affine, sources),
        hd.seg.SegmentationTypeValues.BINARY,
        [described],
        series_instance_uid=hd.UID(), series_number=77, sop_instance_uid=hd.UID(),
        instance_number=1, manufacturer=manufacturer, manufacturer_model_name="x",
        software_versions="1", device_serial_number="1",
    )  # fmt: skip
    made.save_as(path, enforce_file_format=True)
    return path
