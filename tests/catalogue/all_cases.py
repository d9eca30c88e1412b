"""All scan cases; importing this fills ``framework.CASES`` in the catalogue's order."""

from catalogue import (  # noqa: F401
    dicom_file_cases,
    dicom_image_cases,
    dicom_series_cases,
    nifti_file_cases,
    nifti_header_cases,
    pair_cases,
    private_cases,
)
from catalogue.framework import CASES

CASES.sort(key=lambda one: (one.number, one.letter))
