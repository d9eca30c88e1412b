"""How much one scan may cost before anything is allocated for it."""

from __future__ import annotations

from pydantic import Field

from cystgrid.settings import Settings


class ReadLimits(Settings):
    """Upper bounds on one scan; what claims or turns out to be more is refused.

    A voxel costs 4 bytes once read and as much again while axes are being turned, so the defaults
    keep one scan under about 1 GiB of memory.

    Attributes:
        max_voxels: voxels in one scan; 2**27 is 512 x 512 x 512.
        max_file_bytes: bytes of one file on disk.
        max_inflated_bytes: bytes of one file after decompression.
        max_files: files in one DICOM folder, its sub-folders included.
    """

    max_voxels: int = Field(default=2**27, ge=1)
    max_file_bytes: int = Field(default=2**31, ge=1)
    max_inflated_bytes: int = Field(default=5 * 2**28, ge=1)
    max_files: int = Field(default=10_000, ge=1)
