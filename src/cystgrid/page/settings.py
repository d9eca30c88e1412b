"""What the page takes at most, so that no upload and no queue can fill the machine."""

from __future__ import annotations

from pydantic import Field

from cystgrid.settings import Settings


class PageSettings(Settings):
    """Upper bounds of the page.

    Attributes:
        max_upload_bytes: bytes of one request's body, counted as they come.
        max_files: files of one study, those in an archive included.
        max_unpacked_bytes: bytes of one study on disk, unpacked or taken from an archive.
        max_waiting: studies that wait to be read.
        max_prepared_bytes: bytes of one request with a prepared patient.
        max_prepared_waiting: prepared patients that wait to be graded.
        max_studies: studies kept, until some are deleted.
    """

    max_upload_bytes: int = Field(default=2**31, ge=1)
    max_files: int = Field(default=5_000, ge=1)
    max_unpacked_bytes: int = Field(default=2**32, ge=1)
    max_waiting: int = Field(default=20, ge=1)
    max_prepared_bytes: int = Field(default=2**24, ge=1)
    max_prepared_waiting: int = Field(default=64, ge=1)
    max_studies: int = Field(default=1_000, ge=1)
