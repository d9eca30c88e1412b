"""From a NIfTI header's two statements about space, qform and sform, to one affine or a refusal."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from nibabel.spatialimages import HeaderDataError

from cystgrid.errors import ScanError
from cystgrid.scans.geometry import POSITION_TOLERANCE_MM, check_affine, corner_distance
from cystgrid.scans.settings import NiftiForm
from cystgrid.scans.volume import Affine

FORM_CODES = {0: "not set", 1: "scanner", 2: "aligned", 3: "Talairach", 4: "MNI", 5: "template"}
SPATIAL_UNIT = 0b111
"""The bits of ``xyzt_units`` that hold the unit of length."""

_CHOOSE = 'choose one for the study: nifti_form = "sform" or "qform"'

UNITS = {1: "metres", 2: "mm", 3: "micrometres"}


def read_affine(
    fields: Any, shape: tuple[int, int, int], form: NiftiForm, where: str
) -> tuple[Affine, tuple[str, ...]]:
    """The affine of a header, and notes on what had to be assumed.

    Args:
        fields: nibabel's ``Nifti1Header`` or ``Nifti2Header``, unchecked.
        shape: voxels along ``(i, j, k)``.
        form: which form counts (see ``ReadSettings.nifti_form``).
        where: the file, for messages.

    Returns:
        ``(4, 4)``, voxel centres to mm, RAS+; and notes.

    Raises:
        ScanError: no form is set, or the one that counts is not set or impossible. Where both
            count: they differ by more than ``POSITION_TOLERANCE_MM`` at a corner, or one is
            impossible; but a void sform beside a sound qform is left out and noted.
    """
    notes = _check_unit(int(fields["xyzt_units"]), where)
    codes = {name: _code(fields, f"{name}_code", where) for name in ("qform", "sform")}
    if not any(codes.values()):
        raise ScanError(
            f"{where}: qform_code, sform_code",
            got="0 and 0",
            expected="at least one that is set: without it left and right are a guess",
            do="convert the scan from its DICOM images again, so that its place in space is kept",
        )
    if form == "agree":
        affine, more = _agreed(fields, codes, shape, where)
    else:
        affine, more = _chosen(fields, form, codes, shape, where)
    return affine, notes + more


def _agreed(
    fields: Any, codes: dict[str, int], shape: tuple[int, int, int], where: str
) -> tuple[Affine, tuple[str, ...]]:
    """What both forms say, or the only one that is set."""
    if not codes["sform"]:
        return _qform(fields, where), ()
    qform = _qform(fields, where) if codes["qform"] else None
    try:
        sform = _sform(fields, where)
    except ScanError as error:
        if qform is None or not _is_void(fields.get_sform()):
            raise
        return qform, (f"The sform holds {error.got} and was left out; qform was used.",)
    if qform is None:
        return sform, _pixdim_notes(fields, sform)
    _check_agreement(qform, sform, shape, where)
    return sform, ()


def _chosen(
    fields: Any,
    form: Literal["sform", "qform"],
    codes: dict[str, int],
    shape: tuple[int, int, int],
    where: str,
) -> tuple[Affine, tuple[str, ...]]:
    """What the chosen form says, and how far the other is from it."""
    if not codes[form]:
        raise ScanError(
            f"{where}: {form}_code",
            got="0, not set",
            expected=f"a {form}, as nifti_form chooses it",
            do='set nifti_form to "agree", which takes the only form that is set',
        )
    read = {"sform": _sform, "qform": _qform}
    affine = read[form](fields, where)
    other = "qform" if form == "sform" else "sform"
    if not codes[other]:
        return affine, _pixdim_notes(fields, affine)
    try:
        distance = corner_distance(affine, read[other](fields, where), shape)
    except ScanError as error:
        return affine, (f"The {other} holds {error.got}; the {form} was taken, as chosen.",)
    if distance <= POSITION_TOLERANCE_MM:
        return affine, ()
    return affine, (
        f"The {other} lies up to {distance:.2f} mm elsewhere; the {form} was taken, as chosen.",
    )


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


def _sform(fields: Any, where: str) -> Affine:
    sform: Affine = fields.get_sform()
    check_affine(sform, f"{where}: sform")
    return sform


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
            do=f"convert the scan from its DICOM images again, or {_CHOOSE}",
        ) from error
    check_affine(qform, f"{where}: qform")
    return qform


def _is_void(sform: Affine) -> bool:
    """Nothing usable at all, so that leaving it out loses no statement about space."""
    return not np.isfinite(sform).all() or not sform[:3, :3].any()


def _check_agreement(qform: Affine, sform: Affine, shape: tuple[int, int, int], where: str) -> None:
    distance = corner_distance(qform, sform, shape)
    if distance > POSITION_TOLERANCE_MM:
        mirrored = np.linalg.det(qform[:3, :3]) * np.linalg.det(sform[:3, :3]) < 0
        raise ScanError(
            f"{where}: qform, sform",
            got=f"two placements, {distance:.2f} mm apart at a corner"
            + (" and mirrored" if mirrored else ""),
            expected=f"the same within {POSITION_TOLERANCE_MM} mm",
            do=f"keep the right one and set the other's code to 0, or {_CHOOSE}",
        )


def _pixdim_notes(fields: Any, sform: Affine) -> tuple[str, ...]:
    """With no qform, ``pixdim`` places nothing, but a contradiction is worth knowing."""
    spacing = np.linalg.norm(sform[:3, :3], axis=0)
    pixdim = np.abs(np.asarray(fields["pixdim"][1:4], dtype=float))
    if np.allclose(pixdim, spacing, rtol=0.01):
        return ()
    return ("The sform's voxel spacing differs from pixdim; the sform was used.",)
