"""Errors about a patient's files, in words that can be shown to anybody.

A path may hold a person's name, so the manifest's column stands for it, and of a folder the file's
place in order of name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cystgrid.cohort.manifest import is_box
from cystgrid.errors import CystgridError, ScanError
from cystgrid.scans.reference import path_part


@contextmanager
def naming_the_column(column: str, reference: str | None = None) -> Iterator[None]:
    """Within it, every error of a file names a column of the manifest instead of a path.

    Args:
        column: ``t1``, ``t2``, ``roi`` or ``lesion``.
        reference: what stands in that cell; None where it is no file.
    """
    try:
        yield
    except CystgridError as error:
        raise error.naming(lambda path: column_file(path, column, reference)) from error
    except OSError as error:
        place = column_file(Path(os.fsdecode(error.filename or "")), column, reference)
        raise ScanError(
            place,
            got=f"a file that cannot be read ({error.strerror})",
            expected="a readable file",
            do="check its permissions and its disk",
        ) from error


def column_file(path: Path, column: str, reference: str | None) -> str:
    """What stands for a path: the column, and of a folder the file's place in order of name.

    Args:
        path: at fault; a file's bare name where a message names a second file of one folder.
        column: as for ``naming_the_column``.
        reference: as for ``naming_the_column``.
    """
    if reference is None or is_box(reference):
        return column
    folder = path_part(reference)
    if path == folder or not folder.is_dir():
        return column
    files = sorted(Path(parent) / name for parent, _, names in os.walk(folder) for name in names)
    found = [number for number, file in enumerate(files, 1) if path in (file, Path(file.name))]
    if len(found) != 1:
        return column
    return f"{column}, file {found[0]} of {len(files)} by name"
