"""From a NIfTI header's two statements about space, qform and sform, to one affine or a refusal."""

from __future__ import annotations

from typing import Any

import numpy as np
from nibabel.spatialimages import HeaderDataError

from cystgrid.errors import ScanError
from cystgrid.scans.geometry import POSITION_TOLERANCE_MM, check_affine, corner_distance
from cystgrid.scans.volume import Affine

FORM_CODES = {0: "not set", 1: "scanner", 2: "aligned", 3: "Talairach", 4: "MNI", 5: "template"}
SPATIAL_UNIT = 0b111
"""The bits of ``xyzt_units`` that hold the unit of length."""

UNITS = {1: "metres", 2: "mm", 3: "micrometres"}


def read_affine(
    fields: Any, shape: tuple[int, int, int], where: str
) -> tuple[Affine, tuple[str, ...]]:
    """The affine of a header, and notes on what had to be assumed.

    Args:
        fields: nibabel's ``Nifti1Header`` or ``Nifti2Header``, unchecked.
        shape: voxels along ``(i, j, k)``.
        where: the file, for messages.

    Returns:
        ``(4, 4)``, voxel centres to mm, RAS+; and notes.

    Raises:
        ScanError: no form is set, the forms disagree by more than ``POSITION_TOLERANCE_MM`` at a
            corner, or a form is impossible. A broken sform beside a sound qform is left out and
            noted; a broken qform is refused, because its ``pixdim`` is broken with it.
    """
    notes = _check_unit(int(fields["xyzt_units"]), where)
    qcode, scode = (_code(fields, name, where) for name in ("qform_code", "sform_code"))
    if qcode == 0 and scode == 0:
        raise ScanError(
            f"{where}: qform_code, sform_code",
            got="0 and 0",
            expected="at least one that is set: without it left and right are a guess",
            do="convert the scan from its DICOM images again, so that its place in space is kept",
        )
    if scode == 0:
        return _qform(fields, where), notes
    qform = _qform(fields, where) if qcode else None
    sform = fields.get_sform()
    try:
        check_affine(sform, f"{where}: sform")
    except ScanError as error:
        if qform is None or not _is_void(sform):
            raise
        return qform, (*notes, f"The sform holds {error.got} and was left out; qform was used.")
    if qform is not None:
        _check_agreement(qform, sform, shape, where)
        return sform, notes
    return sform, notes + _pixdim_notes(fields, sform)


def _check_unit(units: int, where: str) -> tuple[str, ...]:
    unit = units & SPATIAL_UNIT
    if unit == 0:
        return ("The unit of length is not stated; mm was assumed.",)
    if unit != 2:
        raise ScanError(
            f"{where}: xyzt_units",
            got=UNITS.get(unit, f"the unknown unit {unit}"),
            expected="mm",
            do="write the header again in mm",
        )
    return ()


def _code(fields: Any, name: str, where: str) -> int:
    code = int(fields[name])
    if code not in FORM_CODES:
        raise ScanError(
            f"{where}: {name}", got=code, expected="0 to 5", do="write the header again"
        )
    return code


def _qform(fields: Any, where: str) -> Affine:
    if float(fields["pixdim"][0]) == 0.0:  # an unset qfac counts as 1 (NIfTI-1, METHOD 2)
        fields["pixdim"][0] = 1.0
    try:
        with np.errstate(all="ignore"):
            qform: Affine = fields.get_qform()
    except (HeaderDataError, ValueError) as error:
        raise ScanError(
            f"{where}: qform",
            got=f"an impossible rotation or pixdim ({error})",
            expected="a quaternion of unit length, qfac of 1 or -1, positive pixdim",
            do="convert the scan from its DICOM images again",
        ) from error
    check_affine(qform, f"{where}: qform")
    return qform


def _is_void(sform: Affine) -> bool:
    """Nothing usable at all, so that leaving it out loses no statement about space."""
    return not np.isfinite(sform).all() or not sform[:3, :3].any()


def _check_agreement(qform: Affine, sform: Affine, shape: tuple[int, int, int], where: str) -> None:
    distance = corner_distance(qform, sform, shape)
    if distance > POSITION_TOLERANCE_MM:
        raise ScanError(
            f"{where}: qform, sform",
            got=f"two placements, {distance:.2f} mm apart at a corner",
            expected=f"the same within {POSITION_TOLERANCE_MM} mm",
            do="keep the right one and set the other's code to 0",
        )


def _pixdim_notes(fields: Any, sform: Affine) -> tuple[str, ...]:
    """With no qform, ``pixdim`` places nothing, but a contradiction is worth knowing."""
    spacing = np.linalg.norm(sform[:3, :3], axis=0)
    pixdim = np.abs(np.asarray(fields["pixdim"][1:4], dtype=float))
    if np.allclose(pixdim, spacing, rtol=0.01):
        return ()
    return ("The sform's voxel spacing differs from pixdim; the sform was used.",)
