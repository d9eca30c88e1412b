"""How strictly scans are read, and what is taken where a file leaves a choice."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from cystgrid.settings import Settings

NiftiForm = Literal["agree", "sform", "qform"]


class ReadLimits(Settings):
    """Upper bounds on one scan; what claims or turns out to be more is refused.

    A voxel costs 4 bytes once read and as much again while axes are being turned, so the defaults
    keep one scan under about 1 GiB of memory.

    Attributes:
        max_voxels: voxels in one scan (of a 4-D file: in the volume chosen); 2**27 is 512 x 512 x
            512.
        max_file_bytes: bytes of one file on disk.
        max_inflated_bytes: bytes of one file after decompression.
        max_files: files in one DICOM folder, its sub-folders included.
    """

    max_voxels: int = Field(default=2**27, ge=1)
    max_file_bytes: int = Field(default=2**31, ge=1)
    max_inflated_bytes: int = Field(default=5 * 2**28, ge=1)
    max_files: int = Field(default=10_000, ge=1)


class ReadSettings(Settings):
    """How scans are read.

    Attributes:
        nifti_form: which of a NIfTI header's two placements in space counts: ``agree`` (both, and
            a scan in which they differ is refused), or ``sform`` or ``qform`` alone; how far the
            other differs is then noted.
        limits: what one scan may cost.
    """

    nifti_form: NiftiForm = "agree"
    limits: ReadLimits = ReadLimits()
